"""Judging in the process of the command line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from backend.cli.local import LocalChecker
from tests.conftest import settings_at
from tests.pictures import encoded, photograph


def test_a_verdict_lasts_as_long_as_these_settings_say(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(photograph()))
    item = LocalChecker(settings_at(tmp_path, verdict_ttl=1000)).check_file(str(tmp_path / "a.jpg"))
    assert item.verdict is not None
    assert item.verdict.expires_at - item.verdict.checked_at == timedelta(seconds=1000)
