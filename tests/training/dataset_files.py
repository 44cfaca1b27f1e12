"""Writes image files for datasets."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.pictures import encoded


def put(path: Path, image: Image.Image | bytes, **options: object) -> Path:
    """Write an image in the format of its suffix, or write bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}.get(path.suffix, "")
    path.write_bytes(image if isinstance(image, bytes) else encoded(image, kind, **options))
    return path
