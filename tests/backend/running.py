"""Runs the command line in this process, because a new one imports for two seconds."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from backend.cli.main import main
from backend.processes import environment
from settings import Settings, get_settings  # noqa: TID251

Finished = subprocess.CompletedProcess[str]
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def assay(settings: Settings, *arguments: str, **variables: str) -> Finished:
    """Run `assay`, with more environment variables."""
    return run_here(arguments, {**environment(settings), "COLUMNS": "200", **variables})


def run_here(
    arguments: tuple[str, ...],
    variables: Mapping[str, str],
    folder: Path | None = None,
    stdin: bytes = b"",
) -> Finished:
    """Run `assay` with these arguments, environment variables, folder and standard input."""
    outputs = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in "12"]
    handlers = [signal.getsignal(number) for number in _SIGNALS]
    get_settings.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - variables.keys():
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.chdir(folder or Path.cwd())
        patch.setattr(sys, "argv", ["assay", *arguments])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        patch.setattr(sys, "stdout", outputs[0])
        patch.setattr(sys, "stderr", outputs[1])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            get_settings.cache_clear()
            for number, handler in zip(_SIGNALS, handlers, strict=True):
                signal.signal(number, handler)
    out, err = (output.buffer.getvalue().decode() for output in outputs)  # type: ignore[attr-defined]
    return Finished(["assay", *arguments], code, out, err)
