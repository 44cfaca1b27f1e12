"""String types with a pattern and a sentence that describes it."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

Id = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{32}$"})]
"""The id of a check or a scan. It is not validated: an invalid id is an unknown id."""
MAX_URL = 8192
"""Characters of a URL that a request may hold. URLs over 4,096 characters are never fetched."""


def text_like(pattern: str, words: str) -> tuple[Any, Any]:
    """Return annotations of a string that must match: ``Annotated[str, *text_like(…)]``.

    Args:
        pattern: a regular expression without anchors, for Python and OpenAPI.
        words: the error message, such as ``must be …``.
    """
    regex = re.compile(pattern)

    def check(text: str) -> str:
        if regex.fullmatch(text) is None:
            raise ValueError(words)
        return text

    schema = {"type": "string", "pattern": f"^{pattern}$"}
    return AfterValidator(check), WithJsonSchema(schema)
