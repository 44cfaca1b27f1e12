"""Uploads: images that have no public URL."""

from __future__ import annotations

import hashlib
import time

from flask import Response, request
from werkzeug.exceptions import UnprocessableEntity

from backend.auth import caller
from backend.blueprints.checks import begin_check
from backend.limits import charge
from backend.openapi import calls
from backend.problems import InvalidRequestError, Problem
from backend.schemas.checks import CheckReply
from backend.schemas.images import ImageForm
from backend.services import services
from workers.fetch.dial import Limits
from workers.store import CheckRecord, Known, upload_address

blueprint = calls("images", "Image files that are not on the web.")

LARGEST_IMAGE = Limits.max_bytes
"""Bytes; the same as for fetched images."""
_ROOM_FOR_THE_FORM = 2**16
_LONGEST_FIELD = 100
"""Characters of the fields beside the file: a number and a word."""


@blueprint.before_request
def allow_an_image() -> None:
    """Let this call's body be larger than the others', but for the fields beside the image.

    They are parsed as JSON on the way, which fails in many ways on what is deep or long.
    """
    request.max_content_length = LARGEST_IMAGE + _ROOM_FOR_THE_FORM
    if {*request.form, *request.files} - ImageForm.model_fields.keys():
        raise InvalidRequestError("form", f"Its fields are {', '.join(ImageForm.model_fields)}.")
    if any(len(text) > _LONGEST_FIELD for text in request.form.values()):
        raise UnprocessableEntity("A field of the form is too long.")


@blueprint.post("/images", responses={200: CheckReply, 202: CheckReply, 429: Problem})
def create_image(form: ImageForm) -> Response:
    """Check an image file; its item's `url` is `sha256:` and the hash of its bytes."""
    charge(1, at_once=True)
    data = form.image.read()
    sha256 = hashlib.sha256(data).hexdigest()
    address = upload_address(sha256)
    if verdict := services().store.verdict(sha256):  # no matter at which URL it was found
        services().store.finish(address, Known(at=time.time(), verdict=verdict))
    else:
        services().spool.put(sha256, data)
    record = CheckRecord(
        urls=(address,),
        created_at=time.time(),
        owner=caller().id,
        queue=form.queue,
        uploaded=True,
    )
    return begin_check(record, form.wait)
