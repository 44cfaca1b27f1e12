"""Uploads: image files that are not on the web."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus

from flask import Response, abort, request
from pydantic import ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from backend.blueprints.checks import begin_check, reply
from backend.middleware.auth import caller
from backend.middleware.bodies import read_chunks, refuse_compressed
from backend.middleware.problems import InvalidRequestError, Problem
from backend.middleware.quotas import charge
from backend.middleware.validation import invalid
from backend.openapi import calls
from backend.schemas.checks import CheckReply
from backend.schemas.images import IMAGE, REQUEST_BODY, ImageQuery
from backend.services import services
from workers.fetching.sockets import Limits
from workers.storage.checks import CheckRecord
from workers.storage.verdict_cache import CacheEntry, upload_address

blueprint = calls("images", "Image files that are not on the web.")

MAX_IMAGE = Limits.max_bytes
"""Bytes; the same as for fetched images."""
_FORM_OVERHEAD = 2**16
_CHUNK_SIZE = 2**16
_FORM = "multipart/form-data"


@blueprint.before_request
def allow_an_image() -> None:
    """Raise the limit of the body's size for this call."""
    # One extra byte, because werkzeug refuses a stream that is exactly as long as the limit.
    extra = _FORM_OVERHEAD if request.mimetype == _FORM else 1
    request.max_content_length = MAX_IMAGE + extra


@blueprint.post(
    "/images",
    responses={200: CheckReply, 202: CheckReply, 429: Problem},
    openapi_extensions={"requestBody": REQUEST_BODY},
)
def create_image(query: ImageQuery) -> Response:
    """Check an image file. Its item's `url` is `sha256:` and the hash of its bytes.

    The file is the body itself, or the field `image` of a form. The form may also have the fields
    `wait` and `queue` instead of the query.
    """
    file, options = _read(query)
    with services().uploads.receive(file) as upload:
        charge(1, interactive=True)
        address = upload_address(upload.sha256)
        verdict = services().stores.cache.verdict(upload.sha256)  # from any URL
        if verdict is not None:
            services().stores.cache.save_entry(address, CacheEntry(at=time.time(), verdict=verdict))
        else:
            upload.keep()
    record = CheckRecord(
        urls=(address,),
        created_at=time.time(),
        owner=caller().id,
        queue=options.queue,
        uploaded=True,
    )
    response = reply(*begin_check(record, options.wait))
    if response.status_code == HTTPStatus.OK:
        # Nothing is pending, for example because a failure is cached. No worker deletes the file.
        services().uploads.drop(upload.sha256)
    return response


def _read(query: ImageQuery) -> tuple[Iterator[bytes], ImageQuery]:
    """Return the file's chunks and the options.

    Raises:
        UnsupportedMediaType: the body has another media type.
        InvalidRequestError: the form does not have exactly one file.
    """
    refuse_compressed(request)
    if request.mimetype == _FORM:
        return _form_file(), _form_options()
    if request.mimetype.startswith("image/") or request.mimetype == "application/octet-stream":
        return read_chunks(request), query
    raise UnsupportedMediaType(
        f"The Content-Type must be image/…, application/octet-stream or {_FORM}."
    )


def _form_file() -> Iterator[bytes]:
    files = request.files.getlist(IMAGE)
    if unknown := [name for name in request.files if name != IMAGE]:
        raise InvalidRequestError(
            "form", f"The file must be in the field {IMAGE!r}, not {unknown[0][:60]!r}."
        )
    if IMAGE in request.form:
        raise InvalidRequestError(f"form.{IMAGE}", f"{IMAGE} must be a file, not text.")
    if len(files) != 1:
        detail = "must be one file." if files else "is needed."
        raise InvalidRequestError(f"form.{IMAGE}", f"{IMAGE} {detail}")
    return iter(partial(files[0].stream.read, _CHUNK_SIZE), b"")


def _form_options() -> ImageQuery:
    try:
        return ImageQuery.model_validate({**request.args, **request.form})
    except ValidationError as error:
        abort(invalid(error, "form", ImageQuery))
