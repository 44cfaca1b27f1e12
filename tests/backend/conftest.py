"""The API in this process, and the command line with a server for it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pytest_httpserver import HTTPServer
from redis import Redis

from backend.api_keys import KeyStore
from backend.processes import environment
from tests.backend.fake_api import FakeApi
from tests.backend.running import Finished, run_here
from tests.conftest import settings_at

Assay = Callable[..., Finished]


@pytest.fixture
def app_with(
    redis: Redis,  # noqa: ARG001 - makes it empty
    valkey_url: str,
    tmp_path: Path,
) -> Callable[..., Flask]:
    """Make an API with an empty Valkey: ``app_with(rate_limit="1/day")``."""
    from backend.app import create_app  # tests of the command line do not need it

    return lambda **more: create_app(settings_at(tmp_path, **{"redis_url": valkey_url, **more}))


@pytest.fixture
def client_with(app_with: Callable[..., Flask]) -> Callable[..., FlaskClient]:
    """Make a client of such an API."""
    return lambda **more: app_with(**more).test_client()


@pytest.fixture
def client(app_with: Callable[..., Flask]) -> FlaskClient:
    """A client of an API with default settings."""
    return app_with().test_client()


@pytest.fixture
def keys(redis: Redis) -> KeyStore:
    return KeyStore(redis)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def api(site: HTTPServer) -> FakeApi:
    return FakeApi(site)


@pytest.fixture
def assay(tmp_path: Path, free_port: int) -> Assay:
    """Run `assay` in a folder of its own, where no server runs unless `bind` says so.

    It runs in this process, or in a new one if options of `subprocess.run` are given.
    """

    def run(*arguments: str, bind: str = "", stdin: str | bytes = "", **more: object) -> Finished:
        settings = settings_at(tmp_path / "data").model_copy(
            update={"bind": bind or f"127.0.0.1:{free_port}", "worker_processes": 1}
        )
        variables = {**environment(settings), "COLUMNS": "200"}
        given = stdin.encode() if isinstance(stdin, str) else stdin
        if not more:
            return run_here(arguments, variables, tmp_path, given)
        done = subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env=variables,
            input=given,
            capture_output=True,
            timeout=240,
            **more,  # type: ignore[call-overload]
        )
        return Finished(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "backend.cli", *arguments]


def listed(folder: Path, *names: str) -> str:
    """Write a list of URLs, and return its file's name."""
    (folder / "list.txt").write_text("".join(f"http://h/{name}\n" for name in names))
    return "list.txt"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def results(folder: Path, name: str = "results.jsonl") -> list[dict[str, object]]:
    return lines(folder / name)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
