"""The application factory."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import Any

import orjson
from flask import Response, request
from flask.json.provider import JSONProvider
from flask_openapi3 import Info

from backend.api_keys import KeyStore
from backend.blueprints import (
    checks,
    console,
    docs,
    explanations,
    feedback,
    images,
    lookups,
    ops,
    reports,
    scans,
    usage,
)
from backend.check_service import CheckService
from backend.exporter import Exporter
from backend.health import ReadinessCheck
from backend.middleware import (
    auth,
    origin_policy,
    problems,
    quick_lookups,
    quotas,
    request_log,
    validation,
)
from backend.openapi import Api
from backend.services import Services
from models.integrity import WeightFiles
from models.manifest import load_manifest
from settings import Settings
from workers.celery_app import make_celery
from workers.scheduling.dispatch import Dispatcher
from workers.storage.quotas import QuotaStore
from workers.storage.stores import Stores
from workers.storage.uploads import Uploads, explanation_files
from workers.storage.usage import UsageStore
from workers.telemetry.logging import configure_logs
from workers.telemetry.metrics import meter
from workers.webhooks.address import webhook_url

DESCRIPTION = "Checks whether images on the web are likely AI-made."
MAX_BODY = 2**20
"""Bytes of a request's body; uploads and scans have larger limits."""


class OrjsonProvider(JSONProvider):
    """Fast JSON. Deep nesting is an error and does not exhaust the stack."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Serialize an object."""
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Parse JSON; raises ValueError if it is invalid."""
        return orjson.loads(s)


def create_app(settings: Settings) -> Api:
    """Make the API.

    Raises:
        ValueError: no Redis is set.
        models.manifest.WeightsError: the weights' manifest cannot be read.
    """
    configure_logs(settings)
    app = Api(
        "backend",
        info=Info(title="Assay", version=version("assay"), description=DESCRIPTION),
        security_schemes=auth.SECURITY_SCHEMES,
        validation_error_callback=validation.invalid_request,
        validation_error_model=problems.Problem,
        doc_ui=False,  # `blueprints.docs` has its own page, which loads nothing from other servers
    )
    app.needs_key = settings.require_key
    app.json = OrjsonProvider(app)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    stores = Stores.open(settings, load_manifest().version_for(settings.second_look))
    app.extensions["assay"] = _services(settings, stores)
    meter.start(stores.redis)
    keys = KeyStore(stores.redis)
    request_log.register(app)  # first, so that it logs what the others refuse
    origins = origin_policy.register(app, settings)
    limits = quotas.register(app, settings, QuotaStore(stores.redis))
    quick_lookups.register(app, settings, origins, keys, limits)
    auth.register(app, settings, keys)
    validation.register(app)
    problems.register(app)
    app.after_request(_forbid_caching)
    for module in (checks, lookups, images, explanations, scans, reports, feedback, usage, ops):
        app.register_api(module.blueprint)
    for page in (console, docs):
        app.register_blueprint(page.blueprint)
    return app


def _forbid_caching(response: Response) -> Response:
    """Forbid caching of responses under /v1 that do not allow it: they are for one caller."""
    if request.path.startswith("/v1/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _services(settings: Settings, stores: Stores) -> Services:
    celery = make_celery(settings, stores.redis)
    manifest = load_manifest()
    thresholds = manifest.stages_for(settings.second_look)[-1].thresholds
    weights = WeightFiles(manifest, settings.second_look)
    uploads = Uploads(settings.data_dir / "uploads")
    uploads.sweep()
    return Services(
        checks=CheckService(stores, celery, settings.revalidate_after, settings.fetch_allow_nets),
        stores=stores,
        celery=celery,
        uploads=uploads,
        explanation_files=explanation_files(settings),
        dispatcher=Dispatcher(stores, celery),
        readiness=ReadinessCheck(stores, celery, weights, thresholds),
        exporter=Exporter(stores, celery),
        usage=UsageStore(stores.redis),
        webhook_url=partial(webhook_url, allow_nets=settings.fetch_allow_nets),
        members=manifest.members_for(settings.second_look),
        thresholds=thresholds,
    )
