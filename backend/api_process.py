"""Starts gunicorn. This module does not import the API, so that the start stays quick."""

from __future__ import annotations

import os
import resource
import sys

from settings import Settings

SERVE = (sys.executable, "-m", "gunicorn", "--config", "python:backend.gunicorn_conf")
"""The command that serves an application like the API."""


def run_api(settings: Settings) -> None:
    """Replace this process by gunicorn serving the API."""
    _allow_many_connections()
    os.execv(  # noqa: S606
        sys.executable, [*SERVE, "--bind", settings.bind, "backend.gunicorn_conf:application()"]
    )


def _allow_many_connections() -> None:
    """Raise the limit of open files: a waiting client also has a connection to Redis."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
