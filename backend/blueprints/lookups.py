"""Lookups: cached verdicts only. Nothing is fetched."""

from __future__ import annotations

from flask import Response, request

from backend.lookup_service import prefix_body, prefix_headers
from backend.middleware.auth import ANYONE, caller
from backend.middleware.problems import Problem
from backend.middleware.quotas import charge, lookup_cost
from backend.openapi import calls
from backend.schemas.checks import CheckReply
from backend.schemas.lookups import LookupBody, PrefixPath, PrefixReply
from backend.services import services

blueprint = calls("lookups", "Cached verdicts only. Nothing is fetched.")


@blueprint.post("/lookups", responses={200: CheckReply, 429: Problem})
def create_lookup(body: LookupBody) -> Response:
    """Return cached verdicts for URLs or files. An item without one has the status `unknown`.

    URLs come first, then hashes, each in the order of the request.
    """
    charge(lookup_cost(len(body.urls) + len(body.sha256)), interactive=True)
    lookup = services().checks.lookup(body.urls, body.sha256)
    values = services().stores.cache.read(lookup.names)
    return Response(lookup.body(values), content_type="application/json")


@blueprint.get("/lookups/<prefix>", responses={200: PrefixReply, 304: None, 429: Problem})
def get_lookup(path: PrefixPath) -> Response:
    """Return all cached verdicts for URLs whose hash starts with the prefix.

    The server does not learn which URL you are interested in.
    """
    charge(lookup_cost(1), interactive=True)
    matches = services().stores.cache.lookup_prefix(path.prefix)
    body = prefix_body(path.prefix, matches)
    response = Response(body, content_type="application/json")
    response.headers.extend(prefix_headers(body, has_key=caller() != ANYONE))
    response.make_conditional(request)
    del response.headers["Date"]  # the server writes one
    return response
