"""Lookups: cached verdicts only. Nothing is fetched."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import orjson
from flask import Response, request
from orjson import OPT_UTC_Z

from backend.blueprints.checks import reply
from backend.middleware.auth import ANYONE, caller
from backend.middleware.problems import Problem
from backend.middleware.quotas import charge, lookup_cost
from backend.openapi import calls
from backend.schemas.checks import CheckReply
from backend.schemas.lookups import LookupBody, PrefixPath, PrefixReply
from backend.services import services
from workers.storage.verdict_cache import PrefixMatch

blueprint = calls("lookups", "Cached verdicts only. Nothing is fetched.")

MAX_AGE = 300
"""Seconds for which caches may keep a prefix's response (RFC 9111)."""


@blueprint.post("/lookups", responses={200: CheckReply, 429: Problem})
def create_lookup(body: LookupBody) -> Response:
    """Return cached verdicts for URLs or files. An item without one has the status `unknown`.

    URLs come first, then hashes, each in the order of the request.
    """
    charge(lookup_cost(len(body.urls) + len(body.sha256)), interactive=True)
    service = services().checks
    return reply(None, service.lookup(body.urls) + service.lookup_bytes(body.sha256))


@blueprint.get("/lookups/<prefix>", responses={200: PrefixReply, 304: None, 429: Problem})
def get_lookup(path: PrefixPath) -> Response:
    """Return all cached verdicts for URLs whose hash starts with the prefix.

    The server does not learn which URL you are interested in.
    """
    charge(lookup_cost(1), interactive=True)
    matches = services().stores.cache.lookup_prefix(path.prefix)
    body = {"prefix": path.prefix, "verdicts": [_hashed(match) for match in matches]}
    response = Response(orjson.dumps(body, option=OPT_UTC_Z), content_type="application/json")
    # A response to a request with a key is not for requests without one (RFC 9111, 3.5).
    if caller() == ANYONE:
        response.cache_control.public = True
    else:
        response.cache_control.private = True
    response.cache_control.max_age = MAX_AGE
    response.vary.add("Origin")  # the CORS headers depend on it, even if there are none
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    return response.make_conditional(request)  # type: ignore[return-value]  # the same response


def _hashed(match: PrefixMatch) -> dict[str, object]:
    """Return the JSON object of a `HashedVerdict`."""
    names = ("label", "probability", "decided_by", "model_version", "checked_at")
    return {
        "hash": match.hash,
        **{name: match.verdict[name] for name in names},
        "expires_at": datetime.fromtimestamp(match.expires_at, UTC),
    }
