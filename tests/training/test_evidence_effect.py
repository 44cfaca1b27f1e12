"""The tables of what evidence does to labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.evidence import find_evidence
from models.verdict import Label
from tests.models.test_evidence import SETTINGS, png_with
from tests.pictures import encoded, photograph
from training import evidence_effect
from training.evidence_effect import effect_table, judge, marks_table

MARKED, PLAIN = png_with(parameters=SETTINGS), encoded(photograph())


def test_the_tables_count_marks_and_labels_before_after_and_with_forged_marks() -> None:
    judged = [
        judge("ai", "WebUI", find_evidence(MARKED), Label.UNCERTAIN, 0.7),
        judge("ai", "WebUI", find_evidence(MARKED), Label.REAL, 0.1),
        judge("real", "camera", find_evidence(PLAIN), Label.UNCERTAIN, 0.7),
        judge("real", "camera", find_evidence(PLAIN), Label.REAL, 0.1),
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


def test_folders_are_read_by_label_and_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, data in (("ai/WebUI/x.png", MARKED), ("real/a/b/y.jpg", PLAIN), ("z.txt", b"")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "real/a/notes.txt").write_text("no image")
    monkeypatch.setattr("sys.argv", ["evidence_effect", str(tmp_path)])
    evidence_effect.main()
    printed = capsys.readouterr().out
    assert "| ai | WebUI | 1 | 0 | 0 | 1 |" in printed
    assert "| real | a | 1 |" in printed
