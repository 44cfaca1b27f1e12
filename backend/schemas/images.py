"""Requests of uploads; the reply is that of checks."""

from __future__ import annotations

from flask_openapi3 import FileStorage
from pydantic import BaseModel, Field

from backend.schemas.checks import LONGEST_WAIT
from workers.queue import Queue


class ImageForm(BaseModel):
    """An image file to be judged; of multipart/form-data."""

    image: FileStorage = Field(description="The file; 20 MiB at most.")
    wait: float = Field(default=0, ge=0, le=LONGEST_WAIT)
    queue: Queue = "interactive"
