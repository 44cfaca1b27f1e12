"""Requests of uploads; the reply is that of checks."""

from __future__ import annotations

from flask_openapi3 import FileStorage
from pydantic import BaseModel, ConfigDict, Field, field_validator

from backend.schemas.checks import LONGEST_WAIT
from workers.queue import Queue


class ImageForm(BaseModel):
    """An image file to be judged; of multipart/form-data."""

    model_config = ConfigDict(extra="forbid")

    image: FileStorage = Field(description="The file; 20 MiB at most.")
    wait: float = Field(default=0, ge=0, le=LONGEST_WAIT)
    queue: Queue = "interactive"

    @field_validator("image")
    @classmethod
    def _is_a_file(cls, image: object) -> object:
        """Refuse a field of text; flask-openapi3 takes anything for a file."""
        if isinstance(image, str):
            raise ValueError("A file is needed, and this is a text.")
        return image
