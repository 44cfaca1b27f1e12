"""Replies of the operations calls."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Missing = Literal["store", "broker", "worker", "weights"]


class Health(BaseModel):
    """The API process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether images can be checked, and what is missing if not."""

    status: Literal["ready", "not_ready", "draining"] = Field(
        description="`draining`: this server is stopping and should get no new requests."
    )
    model_version: str = Field(description="The model version in use.")
    workers: int = Field(description="Live workers.")
    missing: list[Missing] = Field(
        description="Empty when ready. `worker`: no worker with this model version serves checks."
    )
