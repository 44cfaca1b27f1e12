"""Feedback: what people know better. It is kept for training, and changes no verdict."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response
from werkzeug.exceptions import NotFound

from backend.auth import caller
from backend.limits import charge
from backend.openapi import calls
from backend.problems import Problem
from backend.schemas.feedback import FeedbackBody, FeedbackReply
from backend.services import services
from models.feedback import Feedback, feedback_id
from models.verdict import Verdict

blueprint = calls("feedback", "What people know better; it changes no verdict.")


@blueprint.post(
    "/feedback", responses={201: FeedbackReply, 200: FeedbackReply, 404: Problem, 429: Problem}
)
def create_feedback(body: FeedbackBody) -> Response:
    """Say what an image is; 200 instead of 201 if you said something of it before.

    It is kept with the verdict that it contests, for the training of the next models. It changes no
    verdict, and nobody else is told. What you say later of the same image takes its place.
    """
    charge(1, at_once=True)
    url, verdict = _contested(body)
    store = services().feedback
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
    """Return the canonical URL, if one was given, and the verdict that is contested.

    Raises:
        werkzeug.exceptions.NotFound: there is none.
    """
    if body.url is not None:
        found = services().checker.verdict_at(body.url)
        if found is not None:
            return found
    elif body.sha256 is not None and (verdict := services().store.verdict(body.sha256)):
        return None, verdict
    raise NotFound("Assay knows no verdict on this image; check it first.")
