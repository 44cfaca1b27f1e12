"""The packages for the stores."""

from __future__ import annotations

import json
import os
import runpy
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

EXTENSION = Path(__file__).parents[1] / "extension"
VERSION = tomllib.loads((EXTENSION.parent / "pyproject.toml").read_text())["project"]["version"]
PACK: dict[str, Any] = runpy.run_path(str(EXTENSION / "pack.py"))


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    files = [tmp_path / "b.txt", tmp_path / "folder" / "a.txt"]
    packed = []
    for order, mode, time in ((1, 0o644, 1_000_000_000), (-1, 0o600, 1_700_000_000)):
        for path in files:
            path.write_text("text " * 100)
            path.chmod(mode)
            os.utime(path, (time, time))
        entries = PACK["read"](files[::order], tmp_path)
        packed.append(PACK["pack"](entries, tmp_path / f"{order}.zip").read_bytes())
    assert packed[0] == packed[1]


def test_every_package_is_complete(tmp_path: Path) -> None:
    if not (EXTENSION / ".output" / "firefox-mv3" / "manifest.json").exists():
        pytest.skip("The extension is not built: make extension")
    _, _, explained = (EXTENSION / "README.md").read_text().partition("| permission | why |")
    chrome, firefox, sources = PACK["main"](tmp_path)
    for path in (chrome, firefox):
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read("manifest.json"))
            texts = json.loads(archive.read("_locales/en/messages.json"))
        assert path.stem.endswith(f"-{VERSION}")
        assert manifest["version"] == VERSION
        assert "key" not in manifest  # the Chrome Web Store refuses it
        asked = {*manifest["permissions"], *manifest["host_permissions"]}
        asked |= {*manifest["optional_host_permissions"]}
        assert {name for name in asked if f"`{name}`" not in explained} == set()
        # The stores' limits: 132 characters in Chrome's, 250 in Firefox's.
        assert 20 < len(texts["extension_description"]["message"]) <= 132
    with zipfile.ZipFile(sources) as archive:
        names = set(archive.namelist())
    needed = {
        "wxt.config.ts",
        "package.json",
        "package-lock.json",
        ".npmrc",
        "PRIVACY.md",
        "README.md",
    }
    assert {"pyproject.toml", *(f"extension/{name}" for name in needed)} <= names
    assert not [name for name in names if "node_modules" in name or "/.output" in name]
