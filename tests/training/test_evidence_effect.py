"""The tables of what evidence does to labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.evidence import find_evidence
from models.verdict import Label
from tests.models.test_evidence import SETTINGS, png_with
from tests.pictures import encoded, photograph
from training import evidence_effect
from training.evidence_effect import Original, effect_table, judge, marks_table, strongest

MARKED, PLAIN = png_with(parameters=SETTINGS), encoded(photograph())


def test_the_tables_count_marks_and_labels_before_after_and_with_forged_marks() -> None:
    judged = [
        Original(*of, strongest(evidence), judge(evidence, pixels, probability))
        for of, evidence in (
            (("ai", "WebUI"), find_evidence(MARKED)),
            (("real", "camera"), find_evidence(PLAIN)),
        )
        for pixels, probability in ((Label.UNCERTAIN, 0.7), (Label.REAL, 0.1))
    ]
    marks, effect = marks_table(judged).splitlines(), effect_table(judged).splitlines()
    assert marks[2:] == [
        "| ai | WebUI | 2 | 0 | 0 | 2 | 0 | 0 | 1 |",
        "| real | camera | 2 | 0 | 0 | 0 | 2 | 0 | 0 |",
    ]
    assert effect[2:] == [
        "| ai | pixels alone | 2 | 0 | 1 | 1 |",
        "| ai | with evidence | 2 | 1 | 0 | 1 |",
        "| ai | with a forged mark in each | 2 | 1 | 0 | 1 |",
        "| real | pixels alone | 2 | 0 | 1 | 1 |",
        "| real | with evidence | 2 | 0 | 1 | 1 |",
        "| real | with a forged mark in each | 2 | 1 | 0 | 1 |",
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two originals, and files that are none."""
    for name, data in (("ai/WebUI/x.png", MARKED), ("real/a/b/y.jpg", PLAIN), ("z.txt", b"")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "real/a/notes.txt").write_text("no image")
    return tmp_path


def test_folders_are_read_by_label_and_generator(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["evidence_effect", str(folder)])
    evidence_effect.main()
    printed = capsys.readouterr().out
    assert "| ai | WebUI | 1 | 0 | 0 | 1 | 0 |" in printed
    assert "| real | a | 1 |" in printed
    assert "with a forged mark in each" in printed


def test_marks_are_counted_without_classifying(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["evidence_effect", str(folder), "--marks-only"])
    evidence_effect.main()
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| ai | WebUI | 1 | 0 | 0 | 1 | 0 |",
        "| real | a | 1 | 0 | 0 | 0 | 1 |",
    ]
