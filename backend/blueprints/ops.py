"""Operations: whether it is alive, and ready."""

from __future__ import annotations

from typing import Literal

from flask import Response, redirect
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel
from redis import RedisError
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
    """Tell whether images can be judged: the store answers and a worker lives."""
    store = services().store
    try:
        workers = len(store.live_workers())
    except RedisError:
        return _readiness(0, missing=["store", "worker"])
    return _readiness(workers, missing=[] if workers else ["worker"])


def _readiness(workers: int, missing: list[Literal["store", "worker"]]) -> Response:
    body = Readiness(
        status="not_ready" if missing else "ready",
        model_version=services().model_version,
        workers=workers,
        missing=missing,
    )
    return _json(body, 503 if missing else 200)


def _json(body: BaseModel, status: int) -> Response:
    return Response(body.model_dump_json(), status, content_type="application/json")
