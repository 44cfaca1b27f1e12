"""Lookups: what is known already; nothing is fetched."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from flask import Response, request

from backend.auth import ANYONE, caller
from backend.blueprints.checks import reply
from backend.limits import charge, price_of_lookup
from backend.openapi import calls
from backend.problems import Problem
from backend.schemas.checks import CheckReply
from backend.schemas.lookups import HashedVerdict, LookupBody, PrefixPath, PrefixReply
from backend.services import services
from workers.store import Match

blueprint = calls("lookups", "What is known already; nothing is fetched.")

FRESH_FOR = 300
"""Seconds for which an answer to a prefix may be kept and given to others (RFC 9111)."""


@blueprint.post("/lookups", responses={200: CheckReply, 429: Problem})
def create_lookup(body: LookupBody) -> Response:
    """Tell what is known of some URLs or files; one that is not known has the status `unknown`.

    The URLs come first, then the hashes, each in the order of the request.
    """
    charge(price_of_lookup(len(body.urls) + len(body.sha256)), at_once=True)
    checker = services().checker
    return reply(None, checker.lookup(body.urls) + checker.lookup_bytes(body.sha256))


@blueprint.get("/lookups/<prefix>", responses={200: PrefixReply, 304: None, 429: Problem})
def get_lookup(path: PrefixPath) -> Response:
    """Tell every known verdict on a URL whose hash begins so, without learning which was meant."""
    charge(price_of_lookup(1), at_once=True)
    matches = services().store.with_prefix(path.prefix)
    body = PrefixReply(prefix=path.prefix, verdicts=[_hashed(match) for match in matches])
    answer = Response(body.model_dump_json(), content_type="application/json")
    # What is told to a key's owner is not for those without one (RFC 9111, 3.5).
    if caller() == ANYONE:
        answer.cache_control.public = True
    else:
        answer.cache_control.private = True
    answer.cache_control.max_age = FRESH_FOR
    answer.vary.add("Origin")  # by which the CORS headers differ, also where there are none
    answer.set_etag(hashlib.sha256(answer.get_data()).hexdigest()[:32])
    return answer.make_conditional(request)  # type: ignore[return-value]  # it is this answer


def _hashed(match: Match) -> HashedVerdict:
    verdict = match.verdict
    return HashedVerdict(
        hash=match.hash,
        label=verdict.label,
        probability=verdict.probability,
        model_version=verdict.model_version,
        checked_at=verdict.checked_at,
        expires_at=datetime.fromtimestamp(match.expires_at, UTC),
    )
