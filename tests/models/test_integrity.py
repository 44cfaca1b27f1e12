"""The integrity check of the weight files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from models.integrity import WeightFiles
from models.manifest import WEIGHTS, load_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the light members."""
    for files in load_manifest().files_for("never").values():
        for name in files.names:
            shutil.copy(WEIGHTS / name, tmp_path)
    return tmp_path


def test_the_shipped_weights_are_whole() -> None:
    assert WeightFiles(load_manifest(), "auto").damaged() == []


def test_weights_that_never_judge_are_not_missed(folder: Path) -> None:
    assert WeightFiles(load_manifest(), "never", folder).damaged() == []
    missing = WeightFiles(load_manifest(), "always", folder).damaged()
    assert missing == ["clip_lower", "clip_upper", "clip_shallow", "clip", "parts"]


def test_a_changed_byte_is_found_and_so_is_its_mending(folder: Path) -> None:
    files = WeightFiles(load_manifest(), "never", folder)
    assert files.damaged() == []
    path = folder / "cnn.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(path, (1, 1))
    assert files.damaged() == ["cnn"]
    path.unlink()
    assert files.damaged() == ["cnn"]
    path.write_bytes(whole)
    assert files.damaged() == []
