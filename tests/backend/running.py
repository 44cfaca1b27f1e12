"""Runs the command line as people do, with given settings."""

from __future__ import annotations

import subprocess
import sys

from backend.stack import environment
from settings import Settings

Finished = subprocess.CompletedProcess[str]


def assay(settings: Settings, *arguments: str) -> Finished:
    """Run `assay`, and wait until it ends."""
    return subprocess.run(
        [sys.executable, "-m", "backend.cli", *arguments],
        env={**environment(settings), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=240,
    )
