"""Quick lookups: answers that need nothing of Flask, and one round trip to Redis.

Most requests are lookups of what is cached. Flask would take longer for one than everything else
together. So this WSGI middleware answers those that succeed, with the same functions as the
application. Every other request goes to the application: if a part of it is unusual, or it must be
refused, or fails. So there is one place for each error. Nothing is charged for what is passed on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import orjson
from flask import Flask, request
from pydantic import ValidationError
from redis import RedisCluster
from werkzeug.wsgi import ClosingIterator

from backend.api_keys import KeyStore
from backend.lookup_service import prefix_body, prefix_headers
from backend.middleware.auth import ANYONE, Caller
from backend.middleware.origin_policy import OriginPolicy
from backend.middleware.quotas import Quotas, lookup_cost, quota_headers, subject
from backend.middleware.request_log import HEADER, begin_request, record
from backend.schemas.lookups import LookupBody
from backend.services import Services
from settings import Settings
from workers.fetching.urls import SHORTEST_PREFIX
from workers.storage.paid_reads import KeyRecord, PaidReads
from workers.storage.quotas import Charge, QuotaState

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_PATH = "/v1/lookups"
_PREFIX_PATH = re.compile(rf"{_PATH}/([0-9a-f]{{{SHORTEST_PREFIX},64}})")
_FAILURE = "assay.failure"
"""What went wrong here; the application raises it, and answers."""
_UNUSUAL = frozenset(
    {
        "HTTP_TRANSFER_ENCODING",
        "HTTP_CONTENT_ENCODING",
        "HTTP_IF_NONE_MATCH",
        "HTTP_IF_MATCH",
        "HTTP_RANGE",
        "HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK",
    }
)
"""Headers of which only the application knows what they mean."""


class _Payer(NamedTuple):
    """Who pays for a request.

    Args:
        caller: who sent it.
        record: their API key's record, if they have a key.
        subject: whose quotas are charged.
    """

    caller: Caller
    record: KeyRecord | None
    subject: str


class _Answer(NamedTuple):
    """A successful answer."""

    payer: _Payer
    route: str
    headers: list[tuple[str, str]]
    states: list[QuotaState]
    body: bytes


class QuickLookups:
    """Answers lookups that succeed, and passes on every other request.

    Args:
        app: answers the rest; its services are set, and Redis is no cluster.
        settings: whether a key is needed.
        origins: which origins may ask.
        keys: the API keys.
        quotas: the callers' quotas.
    """

    def __init__(
        self,
        app: Flask,
        settings: Settings,
        origins: OriginPolicy,
        keys: KeyStore,
        quotas: Quotas,
    ) -> None:
        services: Services = app.extensions["assay"]
        self._application = app.wsgi_app
        self._max_body: int = app.config["MAX_CONTENT_LENGTH"]
        self._needs_key = settings.require_key
        self._origins = origins
        self._keys = keys
        self._quotas = quotas
        self._stores = services.stores
        self._reads = PaidReads(services.stores.redis)
        self._checks = services.checks

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if not environ["PATH_INFO"].startswith(_PATH):
            return self._application(environ, start_response)
        began = time.perf_counter()
        request_id = begin_request(environ.get("HTTP_X_REQUEST_ID", ""))
        try:
            answer = self._answer(environ)
        except Exception as error:  # whatever it is, the application tells it
            environ[_FAILURE] = error
            answer = None
        if answer is None:
            return self._application(environ, start_response)
        start_response(
            "200 OK",
            [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(answer.body))),
                *answer.headers,
                *quota_headers(answer.states),
                *self._origins.cors_headers(environ),
                (HEADER, request_id),
            ],
        )
        method = environ["REQUEST_METHOD"]
        end = partial(record, began, method, answer.route, 200, answer.payer.caller.id)
        return ClosingIterator([answer.body], end)

    def _payer(self, environ: WSGIEnvironment) -> _Payer | None:
        """Return who pays for a request of the usual form; None if only the application knows.

        Raises:
            HTTPException: it comes from a page that may not use this server.
        """
        if environ.get("QUERY_STRING") or not _UNUSUAL.isdisjoint(environ):
            return None
        self._origins.check(environ)
        address = environ.get("REMOTE_ADDR")
        authorization = environ.get("HTTP_AUTHORIZATION")
        if authorization is None:
            return None if self._needs_key else _Payer(ANYONE, None, subject(ANYONE, address))
        scheme, _, secret = authorization.partition(" ")
        known = self._keys.recall(secret) if scheme == "Bearer" else None
        if known is None:
            return None
        key, key_record = known
        return _Payer(Caller(key.id, key), key_record, key.id)

    def _answer(self, environ: WSGIEnvironment) -> _Answer | None:
        payer = self._payer(environ)
        if payer is None:
            return None
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if method == "POST" and path == _PATH:
            return self._of_list(environ, payer)
        if method == "GET" and (found := _PREFIX_PATH.fullmatch(path)):
            return self._of_prefix(found[1], payer)
        return None

    def _of_list(self, environ: WSGIEnvironment, payer: _Payer) -> _Answer | None:
        body = self._body(environ)
        charge = (
            self._charge(payer, lookup_cost(len(body.urls) + len(body.sha256))) if body else None
        )
        if body is None or charge is None:
            return None
        lookup = self._checks.lookup(body.urls, body.sha256)
        found = self._reads.values(charge, payer.record, lookup.names)
        if found is None:
            return None
        states, values = found
        headers = [("Cache-Control", "no-store")]
        return _Answer(payer, _PATH, headers, states, lookup.body(values))

    def _of_prefix(self, prefix: str, payer: _Payer) -> _Answer | None:
        charge = self._charge(payer, lookup_cost(1))
        if charge is None:
            return None
        now, version = time.time(), self._stores.model_version
        found = self._reads.prefix(charge, payer.record, version, prefix, now)
        if found is None:
            return None
        states, rows = found
        body = prefix_body(prefix, self._stores.cache.matches(prefix, rows))
        headers = prefix_headers(body, has_key=payer.record is not None)
        return _Answer(payer, f"{_PATH}/<prefix>", headers, states, body)

    def _body(self, environ: WSGIEnvironment) -> LookupBody | None:
        length = environ.get("CONTENT_LENGTH", "")
        if (
            environ.get("CONTENT_TYPE") != "application/json"
            or not length.isdecimal()
            or int(length) > self._max_body
        ):
            return None
        raw = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = BytesIO(raw)  # for the application
        try:
            return LookupBody.model_validate(orjson.loads(raw))
        except (orjson.JSONDecodeError, ValidationError):
            return None

    def _charge(self, payer: _Payer, urls: int) -> Charge | None:
        """Return what a request costs; None if it is more than a whole quota."""
        quotas = self._quotas.of(payer.caller.key)
        if any(urls > quota.amount for quota in quotas):
            return None
        return Charge(payer.subject, quotas, urls, is_key=payer.record is not None)


def register(
    app: Flask, settings: Settings, origins: OriginPolicy, keys: KeyStore, quotas: Quotas
) -> None:
    """Answer lookups before the application, which raises what went wrong there."""
    if isinstance(app.extensions["assay"].stores.redis, RedisCluster):
        return
    app.wsgi_app = QuickLookups(app, settings, origins, keys, quotas)  # type: ignore[method-assign]

    @app.before_request
    def raise_failure() -> None:
        failure: Exception | None = request.environ.get(_FAILURE)
        if failure is not None:
            raise failure
