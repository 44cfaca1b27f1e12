"""Operations: health, readiness and metrics."""

from __future__ import annotations

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel

from backend.middleware.problems import Problem
from backend.openapi import operation_id
from backend.schemas.ops import Health, Readiness
from backend.services import services

blueprint = APIBlueprint(
    "ops",
    __name__,
    abp_tags=[Tag(name="ops", description="Health, readiness and metrics.")],
    abp_responses={400: Problem, 403: Problem, 421: Problem},
    operation_id_callback=operation_id,
)

METRICS = {
    "description": "Metrics of the whole service, summed over all processes and machines.",
    "content": {
        "text/plain": {"schema": {"type": "string"}},
        "application/openmetrics-text": {"schema": {"type": "string"}},
    },
}


@blueprint.get("/healthz", responses={200: Health})
def healthz() -> Response:
    """Report that the API process answers."""
    return _json(Health(), 200)


@blueprint.get("/readyz", responses={200: Readiness, 503: Readiness})
def readyz() -> Response:
    """Report whether images can be checked, and what is missing if not."""
    readiness = services().readiness.run()
    return _json(readiness, 200 if readiness.status == "ready" else 503)


@blueprint.get("/metrics", responses={200: METRICS, 401: Problem, 503: Problem})
def metrics() -> Response:
    """Return metrics in the Prometheus or the OpenMetrics format."""
    body, content_type = services().exporter.metrics(request.headers.get("Accept", ""))
    return Response(body, content_type=content_type)


def _json(body: BaseModel, status: int) -> Response:
    return Response(body.model_dump_json(), status, content_type="application/json")
