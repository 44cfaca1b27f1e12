"""Lookups: what is known already; nothing is fetched."""

from __future__ import annotations

from flask import Response
from flask_openapi3 import APIBlueprint

from backend.auth import SECURITY
from backend.blueprints.checks import reply
from backend.limits import charge, price_of_lookup
from backend.schemas.checks import CheckReply
from backend.schemas.lookups import LookupBody
from backend.services import services

blueprint = APIBlueprint("lookups", __name__, url_prefix="/v1", abp_security=SECURITY)


@blueprint.post("/lookups", responses={200: CheckReply})
def create_lookup(body: LookupBody) -> Response:
    """Tell what is known of some URLs; a URL that is not known has the status `unknown`."""
    charge(price_of_lookup(len(body.urls)), at_once=True)
    return reply(None, services().checker.lookup(body.urls))
