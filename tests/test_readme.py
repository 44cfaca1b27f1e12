"""The README and the table of settings, compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

from models.manifest import load_manifest
from settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()


def test_the_table_of_settings_names_every_setting_and_no_other() -> None:
    named = set(re.findall(r"^\| `ASSAY_(\w+)`", SETTINGS, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_members_named_are_those_that_are_shipped() -> None:
    for member in load_manifest().members:
        assert f"`{member.name}`" in README


def test_every_file_that_is_linked_is_there() -> None:
    for link in re.findall(r"\]\(([\w/.-]+)\)", README):
        assert (ROOT / link).exists(), link
