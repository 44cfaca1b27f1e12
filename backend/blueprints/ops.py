"""Operations: whether it is alive, and ready."""

from __future__ import annotations

from flask import Response, redirect, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel
from werkzeug.wrappers import Response as AnyResponse

from backend.openapi import operation_id
from backend.problems import Problem
from backend.schemas.ops import Health, Readiness
from backend.services import services

blueprint = APIBlueprint(
    "ops",
    __name__,
    abp_tags=[Tag(name="ops", description="Whether it is alive, and ready.")],
    abp_responses={400: Problem, 403: Problem, 421: Problem},
    operation_id_callback=operation_id,
)

METRICS = {
    "description": "Figures of the whole service, summed over its processes.",
    "content": {
        "text/plain": {"schema": {"type": "string"}},
        "application/openmetrics-text": {"schema": {"type": "string"}},
    },
}


@blueprint.get("/", doc_ui=False)
def home() -> AnyResponse:
    """Show who comes by with a browser what can be done here."""
    return redirect("/openapi")


@blueprint.get("/healthz", responses={200: Health})
def healthz() -> Response:
    """Tell that the API process answers."""
    return _json(Health(), 200)


@blueprint.get("/readyz", responses={200: Readiness, 503: Readiness})
def readyz() -> Response:
    """Tell whether images can be judged, and what is missing if not."""
    found = services().operations.readiness()
    return _json(found, 200 if found.status == "ready" else 503)


@blueprint.get("/metrics", responses={200: METRICS, 401: Problem, 503: Problem})
def metrics() -> Response:
    """Tell Prometheus what the whole service does, in its own format or as OpenMetrics."""
    body, content_type = services().operations.metrics(request.headers.get("Accept", ""))
    return Response(body, content_type=content_type)


def _json(body: BaseModel, status: int) -> Response:
    return Response(body.model_dump_json(), status, content_type="application/json")
