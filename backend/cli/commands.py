"""Shared by all commands: settings, signals and exit codes."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:  # takes a while to import
    from settings import Settings

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit codes."""


def fail(sentence: str, code: int) -> NoReturn:
    """Print a sentence, and exit with the code."""
    from backend.cli.console import messages

    messages().print(f"assay: {sentence}", style="red", markup=False)
    sys.exit(code)


def stop_in_order() -> None:
    """Treat SIGTERM and SIGHUP like Ctrl-C, so that the process ends what it started."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)


def read_settings(*, shared: bool = False) -> Settings:
    """Read the settings. With `shared`, they must have a Redis URL."""
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
        fail("set ASSAY_REDIS_URL to the shared Redis, or use: assay serve", MISUSED)
    return settings
