"""The types of the extension, which are generated from the API's schemas."""

from __future__ import annotations

import subprocess
from pathlib import Path

from backend.openapi_schemas import schemas

EXTENSION = Path(__file__).parents[2] / "extension"


def test_the_types_of_the_extension_are_those_of_the_api() -> None:
    generator = EXTENSION / "node_modules" / ".bin" / "openapi-typescript"
    made = subprocess.run(
        [generator], input=schemas(), capture_output=True, text=True, check=True, timeout=120
    )
    committed = (EXTENSION / "lib" / "api-types.ts").read_text()
    assert made.stdout.strip() == committed.strip(), "run `make api-types`, and commit the result"
