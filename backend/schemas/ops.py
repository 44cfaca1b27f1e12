"""Replies of the calls that operate the service."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Missing = Literal["store", "broker", "worker", "weights"]


class Health(BaseModel):
    """The API process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether images can be judged, and what is missing if not."""

    status: Literal["ready", "not_ready", "draining"] = Field(
        description="`draining`: this server is ending, and takes nothing new."
    )
    model_version: str = Field(description="The version of the ensemble that judges.")
    workers: int = Field(description="Workers that showed life just now.")
    missing: list[Missing] = Field(
        description="Empty when ready. `worker`: none serves people with this model version."
    )
