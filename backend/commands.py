"""What all commands share: how they read the settings, and how they end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:  # takes a while to import, and `assay --help` does not need it
    from settings import Settings

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit codes."""


def fail(sentence: str, code: int) -> NoReturn:
    """Say why, and exit with the code."""
    from backend.console import messages

    messages().print(f"assay: {sentence}", style="red", markup=False)
    sys.exit(code)


def read_settings(*, shared: bool = False) -> Settings:
    """Read the settings; those of a role that is run alone must name the Redis that all share."""
    from pydantic import ValidationError

    from settings import Settings, get_settings

    try:
        settings = get_settings()
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        about = Settings.model_fields[name].description
        fail(f"ASSAY_{name.upper()} cannot be {fault['input']!r}: {fault['msg']}. {about}", MISUSED)
    if shared and settings.redis_url is None:
        fail("set ASSAY_REDIS_URL to the Redis that all roles share, or use: assay serve", MISUSED)
    return settings
