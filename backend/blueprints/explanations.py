"""Explanations of a verdict: a picture of where the image looks AI-made, and sentences."""

from __future__ import annotations

import time
import uuid
from typing import Any

from flask import Response, request
from pydantic import BaseModel
from werkzeug.exceptions import Conflict, GatewayTimeout, NotFound, UnsupportedMediaType

from backend.blueprints.checks import origin_of
from backend.blueprints.images import MAX_IMAGE
from backend.drain import draining
from backend.middleware.bodies import read_chunks, refuse_compressed
from backend.middleware.problems import InvalidRequestError, Problem
from backend.middleware.quotas import charge, lookup_cost
from backend.openapi import calls
from backend.schemas.explanations import (
    PICTURE,
    REQUEST_BODY,
    ExplanationPath,
    ExplanationQuery,
    ExplanationReply,
)
from backend.services import services
from models.errors import CheckError
from models.sentences import sentences
from models.verdict import Verdict
from workers.scheduling.queues import ExplanationJob, enqueue_explanation

blueprint = calls("explanations", "What a verdict rests on.")

TIMEOUT = 25.0
"""Seconds for which the API waits for a picture. A fetch may take 15, the map takes 2."""
MAX_AGE = 600
"""Seconds for which the client may keep the picture."""
_ABANDONED_AFTER = 120.0
"""Seconds after which a file for which nobody waits any more is deleted."""
_REPLIES: dict[str | int, type[BaseModel] | dict[str, Any] | None] = {
    200: PICTURE,
    **dict.fromkeys((404, 409, 429, 504), Problem),
}


@blueprint.get("/images/<sha256>/explanation", responses=_REPLIES)
def get_explanation(path: ExplanationPath, query: ExplanationQuery) -> Response:
    """Draw where an image on the web looks AI-made. It is fetched again, and must not have changed.

    Each part of the image is judged as if it were an image of its own.
    """
    charge(1, interactive=True)
    _verdict(path.sha256)
    try:
        url = services().checks.canonical(query.url)
    except CheckError as error:
        raise InvalidRequestError("query.url", error.detail) from error
    return _picture(_job(path.sha256, url=url, referer=origin_of(query.page)))


@blueprint.post(
    "/images/<sha256>/explanation",
    responses=_REPLIES,
    openapi_extensions={"requestBody": REQUEST_BODY},
)
def create_explanation(path: ExplanationPath) -> Response:
    """Draw where an image file looks AI-made. Send the file again, because none are kept."""
    request.max_content_length = MAX_IMAGE + 1
    refuse_compressed(request)
    if not (
        request.mimetype.startswith("image/") or request.mimetype == "application/octet-stream"
    ):
        raise UnsupportedMediaType("The Content-Type must be image/… or application/octet-stream.")
    job = _job(path.sha256)
    with services().explanation_files.receive(read_chunks(request)) as upload:
        charge(1, interactive=True)
        _verdict(path.sha256)
        if upload.sha256 != path.sha256:
            raise Conflict("The file is not the image with this SHA-256.")
        upload.keep(job["id"])
    return _picture(job)


@blueprint.get(
    "/images/<sha256>/explanation/text",
    responses={200: ExplanationReply, 404: Problem, 429: Problem},
)
def get_explanation_text(path: ExplanationPath) -> Response:
    """Say what decided, how often such a verdict was wrong, and what was not looked at."""
    charge(lookup_cost(1), interactive=True)
    verdict = _verdict(path.sha256)
    body = ExplanationReply(
        sha256=path.sha256, decided_by=verdict.decided_by, sentences=sentences(verdict)
    )
    return Response(body.model_dump_json(), content_type="application/json")


def _verdict(sha256: str) -> Verdict:
    """Return the cached verdict of these bytes.

    Raises:
        NotFound: there is none.
    """
    verdict = services().stores.cache.verdict(sha256)
    if verdict is None:
        raise NotFound("There is no verdict on an image with this SHA-256. Check the image first.")
    return verdict


def _job(sha256: str, url: str | None = None, referer: str | None = None) -> ExplanationJob:
    return {
        "id": uuid.uuid4().hex,
        "sha256": sha256,
        "url": url,
        "referer": referer,
        "deadline": time.time() + TIMEOUT,
    }


def _picture(job: ExplanationJob) -> Response:
    """Have a worker draw the picture, and return it.

    Raises:
        NotFound: the image is not at hand.
        Conflict: the image has changed.
        GatewayTimeout: no worker was done in time.
    """
    store, files = services().stores.explanations, services().explanation_files
    name = f"{job['id']}.png"
    files.sweep(_ABANDONED_AFTER)
    try:
        enqueue_explanation(services().celery, job)
        deadline = time.monotonic() + TIMEOUT
        outcome = None
        while outcome is None and time.monotonic() < deadline and not draining():
            outcome = store.wait(job["id"], deadline)
        if outcome is None:
            raise GatewayTimeout("The picture was not drawn in time. Try again later.")
        if outcome.status == "changed":
            raise Conflict("The image at this URL is no longer the one that was judged.")
        if outcome.status == "failed":
            raise NotFound(f"The image is not at hand. {outcome.detail}")
        response = Response(files.get(name), content_type="image/png")
    finally:
        files.drop(name)
    response.cache_control.private = True
    response.cache_control.max_age = MAX_AGE
    response.vary.add("Origin")  # the CORS headers depend on it, even if there are none
    return response
