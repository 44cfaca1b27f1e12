"""The application factory."""

from __future__ import annotations

import os
import resource
import sys
from importlib.metadata import version
from typing import Any

import orjson
from flask import Response, request
from flask.json.provider import JSONProvider
from flask_openapi3 import Info

from backend import auth, guard, limits, observing, problems
from backend.blueprints import checks, feedback, images, lookups, ops, scans
from backend.checking import Checker
from backend.keys import KeyStore
from backend.openapi import Api
from backend.operations import Operations
from backend.services import Services
from models.integrity import WeightFiles
from models.manifest import load_manifest
from settings import Settings, get_settings
from workers.app import make_celery
from workers.connect import connect
from workers.feedback import FeedbackStore
from workers.logs import configure_logs
from workers.metrics import meter
from workers.scans import ScanStore
from workers.spool import Spool
from workers.store import Store
from workers.turns import Turns

DESCRIPTION = "Tells whether images on the web are likely AI-made."
LARGEST_BODY = 2**20
"""Bytes of a request's body, but for uploaded images."""
SERVE = (sys.executable, "-m", "gunicorn", "--config", "python:backend.serving")
"""The command that serves an application as the API is served."""


class OrjsonProvider(JSONProvider):
    """JSON that is fast and refuses deep nesting instead of exhausting the stack."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Serialise."""
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Parse; raises a ValueError for what is not JSON."""
        return orjson.loads(s)


def create_app(settings: Settings | None = None) -> Api:
    """Make the API.

    Raises:
        ValueError: no Redis is set.
        models.manifest.WeightsError: the weights' manifest cannot be read.
    """
    settings = settings or get_settings()
    configure_logs(settings)
    app = Api(
        "backend",
        info=Info(title="Assay", version=version("assay"), description=DESCRIPTION),
        security_schemes=auth.SECURITY_SCHEMES,
        validation_error_callback=problems.invalid_request,
        validation_error_model=problems.Problem,
    )
    app.needs_key = settings.require_key
    app.json = OrjsonProvider(app)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.extensions["assay"] = _services(settings)
    meter.start(connect(str(settings.redis_url)))
    observing.register(app)  # the first, so that it sees what the others refuse
    guard.register(app, settings)
    auth.register(app, settings, KeyStore.open(settings))
    limits.register(app, settings)
    problems.register(app)
    app.after_request(_keep_out_of_caches)
    for module in (checks, lookups, images, scans, feedback, ops):
        app.register_api(module.blueprint)
    return app


def _keep_out_of_caches(answer: Response) -> Response:
    """Say of what says nothing itself that no cache may keep it: it is one caller's own."""
    if request.path.startswith("/v1/"):
        answer.headers.setdefault("Cache-Control", "no-store")
    return answer


def _services(settings: Settings) -> Services:
    manifest = load_manifest()
    model_version = manifest.version_with(settings.second_look)
    store = Store.open(settings, model_version)
    celery = make_celery(settings)
    checker = Checker(store, celery, settings.revalidate_after, settings.fetch_allow_nets)
    scans = ScanStore.open(settings)
    spool = Spool(settings.data_dir / "uploads")
    spool.sweep()
    redis = connect(str(settings.redis_url))
    operations = Operations(
        redis=redis,
        celery=celery,
        store=store,
        scans=scans,
        weights=WeightFiles(manifest, settings.second_look),
        model_version=model_version,
    )
    return Services(
        checker=checker,
        store=store,
        spool=spool,
        scans=scans,
        turns=Turns(redis, celery, store, scans),
        feedback=FeedbackStore.open(settings),
        operations=operations,
    )


def run_api(settings: Settings) -> None:
    """Replace this process by gunicorn serving the API.

    Raises:
        ValueError: no Redis is set.
    """
    if settings.redis_url is None:
        raise ValueError("ASSAY_REDIS_URL is not set")
    _allow_many_connections()
    os.execv(  # noqa: S606
        sys.executable, [*SERVE, "--bind", settings.bind, "backend.app:create_app()"]
    )


def _allow_many_connections() -> None:
    """Open as many files as the system lets us; who waits has a connection to Redis as well."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
