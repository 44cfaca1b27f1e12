"""Prints the schemas of the OpenAPI document, of which the extension's types are made.

The calls are left out: no type of the extension depends on them.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from backend.app import create_app
from settings import Settings


def schemas() -> str:
    """Return an OpenAPI document without calls, as JSON. It needs no running server."""
    with TemporaryDirectory() as folder:
        # Nothing connects to this Redis.
        app = create_app(Settings(redis_url="redis://localhost", data_dir=Path(folder)))
        with app.app_context():
            return json.dumps(app.api_doc | {"paths": {}}, indent=1)


if __name__ == "__main__":
    print(schemas())
