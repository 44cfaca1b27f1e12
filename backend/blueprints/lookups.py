"""Lookups: what is known already; nothing is fetched."""

from __future__ import annotations

from flask import Response
from flask_openapi3 import APIBlueprint

from backend.blueprints.checks import reply
from backend.schemas.checks import CheckReply
from backend.schemas.lookups import LookupBody
from backend.services import services

blueprint = APIBlueprint("lookups", __name__, url_prefix="/v1")


@blueprint.post("/lookups", responses={200: CheckReply})
def create_lookup(body: LookupBody) -> Response:
    """Tell what is known of some URLs; a URL that is not known has the status `unknown`."""
    return reply(None, services().checker.lookup(body.urls))
