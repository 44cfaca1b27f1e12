"""The package as others install it: the client alone, and nothing left out."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib import import_module
from importlib.metadata import packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import assay.client

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SERVED = ("assay", "backend", "models", "workers")

LOADED = """
import sys, assay.client
print(*sorted({name.split('.')[0] for name in sys.modules}))
"""


def needs(distribution: str) -> set[str]:
    """Return what a distribution without its extras needs, and what that needs in turn."""
    found = set()
    for line in requires(distribution) or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found |= {canonicalize_name(requirement.name), *needs(requirement.name)}
    return found


def test_the_client_loads_nothing_but_what_comes_with_it() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOADED], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    distributions = packages_distributions()
    third_party = {
        canonicalize_name(name) for module in loaded for name in distributions.get(module, ())
    }
    assert {"pydantic", "requests"} <= third_party
    assert third_party - {"assay", "setuptools"} <= needs("assay")


def test_every_public_name_is_the_client_s_own() -> None:
    behind = import_module("backend.client")
    assert assay.client.__all__ == behind.__all__
    for name in behind.__all__:
        assert getattr(assay.client, name) is getattr(behind, name)


def test_every_package_is_installed_and_typed() -> None:
    listed = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    there = {
        ".".join(path.relative_to(ROOT).parent.parts)
        for top in SERVED
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert all(any(fnmatch(name, pattern) for pattern in listed) for name in there)
    for top in SERVED:
        assert (ROOT / top / "py.typed").exists()
        assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"][top]


def test_every_file_of_the_pages_is_installed() -> None:
    web = ROOT / "backend" / "web"
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["backend.web"]
    for path in web.rglob("*.*"):
        name = path.relative_to(web).as_posix()
        if path.suffix not in (".py", ".pyc"):
            assert any(fnmatch(name, pattern) for pattern in patterns), name


def test_the_container_is_made_of_every_package() -> None:
    taken = (ROOT / ".dockerignore").read_text().split()
    for top in SERVED:
        assert f"!{top}" in taken
