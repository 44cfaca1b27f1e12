"""Requests of uploads. The reply is that of checks."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from backend.schemas.checks import LONGEST_WAIT
from workers.scheduling.queues import Queue

IMAGE = "image"
"""The form field with the file."""


class ImageQuery(BaseModel):
    """Options of an upload, in the query or as fields of the form."""

    model_config = ConfigDict(extra="forbid")

    wait: float = Field(
        default=0, ge=0, le=LONGEST_WAIT, description="Seconds to wait for the verdict."
    )
    queue: Queue = Field(
        default="interactive", description="`bulk` has a lower priority than `interactive`."
    )


_FILE = {"type": "string", "format": "binary"}
REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "description": "The file, at most 20 MiB, as the body itself or in a form.",
    "content": {
        "image/*": {"schema": _FILE},
        "application/octet-stream": {"schema": _FILE},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    IMAGE: _FILE,
                    **ImageQuery.model_json_schema()["properties"],
                },
                "required": [IMAGE],
                "additionalProperties": False,
            }
        },
    },
}
"""The request body of `POST /v1/images` for OpenAPI. `backend.blueprints.images` reads it."""
