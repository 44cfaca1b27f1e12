"""`docs/reliability.md`: each promise names tests that exist, and no scenario is left out."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
NAMED = set(re.findall(r"`(test_\w+)`", (TESTS.parent / "docs/reliability.md").read_text()))


def _tests_in(folder: Path) -> set[str]:
    """Return the names of all tests in a folder."""
    found: set[str] = set()
    for path in folder.rglob("test_*.py"):
        found |= set(re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE))
    return found


def test_every_test_that_is_named_exists() -> None:
    assert NAMED
    assert NAMED - _tests_in(TESTS) == set()


def test_every_fault_that_is_tested_is_spoken_of() -> None:
    assert _tests_in(TESTS / "faults") - NAMED == set()


def test_every_promise_names_a_test() -> None:
    text = (TESTS.parent / "docs/reliability.md").read_text()
    rows = re.findall(r"^\| (?!fault|-)(.*) \|$", text, re.MULTILINE)
    assert len(rows) > 10
    assert [row for row in rows if "`test_" not in row.rpartition("|")[2]] == []
