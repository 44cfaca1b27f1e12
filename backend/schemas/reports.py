"""Requests and replies of reports."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

LONGEST_NAME = 256


class CheckReportQuery(BaseModel):
    """How the report calls the image."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(
        default=None,
        max_length=LONGEST_NAME,
        description="The name of an uploaded file, which the server does not know. The report "
        "shows it in place of the address.",
    )


REPORT: dict[str, Any] = {
    "description": "A report for people: one HTML file that loads nothing.",
    "content": {"text/html": {"schema": {"type": "string"}}},
}
"""The reply, for OpenAPI."""
