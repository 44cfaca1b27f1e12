"""Replies of the operations calls."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from models.processor import Precision

Missing = Literal["store", "broker", "worker", "weights"]


class Health(BaseModel):
    """The API process answers."""

    status: Literal["ok"] = "ok"


class LabelThresholds(BaseModel):
    """What separates the labels: `real` below the first probability, `ai` from the second on."""

    real: float = Field(ge=0, le=1)
    ai: float = Field(ge=0, le=1)


class Readiness(BaseModel):
    """Whether images can be checked, and what is missing if not."""

    status: Literal["ready", "not_ready", "draining"] = Field(
        description="`draining`: this server is stopping and should get no new requests."
    )
    model_version: str = Field(description="The model version in use.")
    thresholds: LabelThresholds = Field(description="The thresholds of this model version.")
    workers: int = Field(description="Live workers.")
    precisions: list[Precision] = Field(
        description="In which arithmetic they compute, each once. Their processors decide it."
    )
    missing: list[Missing] = Field(
        description="Empty when ready. `worker`: no worker with this model version serves checks."
    )
