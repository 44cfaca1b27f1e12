"""Feedback: corrections by people. They are stored for training and change no verdict."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response
from werkzeug.exceptions import NotFound

from backend.middleware.auth import caller
from backend.middleware.problems import Problem
from backend.middleware.quotas import charge
from backend.openapi import calls
from backend.schemas.feedback import FeedbackBody, FeedbackReply
from backend.services import services
from models.feedback import Feedback, feedback_id
from models.verdict import Verdict

blueprint = calls("feedback", "Corrections of verdicts, for training. They change no verdict.")


@blueprint.post(
    "/feedback", responses={201: FeedbackReply, 200: FeedbackReply, 404: Problem, 429: Problem}
)
def create_feedback(body: FeedbackBody) -> Response:
    """Report what an image is. Status 200 instead of 201 replaces your earlier feedback on it.

    Feedback is stored with the contested verdict and used to train the next models. It changes no
    verdict and nobody else sees it.
    """
    charge(1, interactive=True)
    url, verdict = _contested(body)
    store = services().stores.feedback
    owner = caller().id
    earlier = store.get(feedback_id(owner, verdict.image.sha256))
    feedback = Feedback(
        owner=owner,
        url=url or (earlier.url if earlier else None),
        says=body.says,
        how=body.how,
        source=body.source,
        comment=body.comment,
        verdict=verdict,
        received_at=datetime.now(UTC),
    )
    status = 201 if store.add(feedback) else 200
    reply = FeedbackReply.of(feedback)
    return Response(
        reply.model_dump_json(exclude_none=True), status, content_type="application/json"
    )


def _contested(body: FeedbackBody) -> tuple[str | None, Verdict]:
    """Return the canonical URL, if a URL was given, and the contested verdict.

    Raises:
        werkzeug.exceptions.NotFound: there is no verdict.
    """
    if body.url is not None:
        found = services().checks.verdict_at(body.url)
        if found is not None:
            return found
    elif body.sha256 is not None and (verdict := services().stores.cache.verdict(body.sha256)):
        return None, verdict
    raise NotFound("Assay has no verdict for this image. Check it first.")
