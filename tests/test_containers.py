"""The container image and the compose file, held to the code as far as no engine is needed."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from backend.cli.main import app
from settings import Settings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PACKAGES: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][
    "setuptools"
]["packages"]["find"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "assay"]


def parse(arguments: list[str]) -> None:
    """Read a command line of `assay` as it would be read, and do nothing.

    Raises:
        click.UsageError: it is none.
    """
    group = typer.main.get_command(app)
    with group.make_context("assay", arguments[:1]) as context:
        name, command, _ = group.resolve_command(context, arguments[:1])  # type: ignore[attr-defined]
        command.make_context(name, arguments[1:], parent=context)


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_assays(name: str) -> None:
    parse(shlex.split(SERVICES[name]["command"]))


def test_the_image_without_a_command_runs_one_too() -> None:
    (command,) = re.findall(r'^CMD \["(\w+)"\]$', DOCKERFILE, re.MULTILINE)
    parse([command])


def test_every_variable_is_a_setting_that_may_have_this_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_image = dict(re.findall(r"(ASSAY_\w+)=(\S+)", DOCKERFILE))
    assert of_image
    for name in OURS:
        of_service = {**of_image, **SERVICES[name]["environment"]}
        for variable, value in of_service.items():
            assert variable.removeprefix("ASSAY_").lower() in Settings.model_fields, variable
            default = re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", str(value))
            monkeypatch.setenv(variable, default)
        assert Settings().redis_url == "redis://valkey:6379/0"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_and_can_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_image_is_built_once_and_never_pulled() -> None:
    assert [name for name in SERVICES if "build" in SERVICES[name]] == ["api"]
    assert {SERVICES[name]["pull_policy"] for name in OURS} == {"never"}


def test_nobody_is_root() -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users
    assert "0" not in users
    assert not [name for name in SERVICES if str(SERVICES[name].get("user")) in ("root", "0")]


def test_only_the_api_is_reachable_and_from_this_machine_alone() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"api": ["127.0.0.1:8750:8750"]}


def test_a_worker_is_kept_free_for_people_who_wait() -> None:
    reserved = [name for name in OURS if SERVICES[name]["command"] == "worker --queue interactive"]
    shared = [name for name in OURS if SERVICES[name]["command"] == "worker"]
    assert len(reserved) == len(shared) == 1


def test_the_image_is_made_of_every_package_that_serves_and_of_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    folders = {pattern.rstrip("*") for pattern in PACKAGES["include"]}
    assert kept == folders | {"LICENSE", "README.md", "pyproject.toml", "settings.py"}
    assert "*" in lines, "all else is left out"
    assert not [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    ], "a folder without __init__.py is not installed"
