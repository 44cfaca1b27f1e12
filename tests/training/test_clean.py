"""Cleaning: which files are removed, and that every removal has a finding."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from tests.pictures import PHOTOGRAPHS, drawing, encoded, photograph
from tests.training.dataset_files import put
from training.datasets.__main__ import main
from training.datasets.clean import Finding, Reason, clean
from training.datasets.dataset_manifest import Row, read_csv, read_folder
from training.datasets.inspection import inspect_files


def cleaned(folder: Path, min_side: int = 64) -> tuple[list[Row], dict[str, Finding]]:
    """Clean a folder. Return the findings by relative path."""
    rows = read_folder(folder, "set", "photo")
    kept, findings = clean(inspect_files(rows, min_side, "reading"))
    assert {row.path for row in rows} == {row.path for row in kept} | {
        finding.row.path for finding in findings
    }
    by_path = {finding.row.path.relative_to(folder).as_posix(): finding for finding in findings}
    assert len(by_path) == len(findings)
    return kept, by_path


def reasons(findings: dict[str, Finding]) -> dict[str, Reason]:
    return {path: finding.reason for path, finding in findings.items()}


def noisy_grey(size: tuple[int, int], spread: float) -> Image.Image:
    """A grey image with this standard deviation of the brightness."""
    return Image.effect_noise(size, spread).convert("RGB")


def test_each_fault_is_named(tmp_path: Path) -> None:
    whole = encoded(photograph("coffee"))
    put(tmp_path / "REAL/good.jpg", photograph("astronaut"))
    put(tmp_path / "REAL/cut.jpg", whole[: len(whole) // 2])
    put(tmp_path / "REAL/words.jpg", b"not an image at all")
    put(tmp_path / "REAL/drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    put(tmp_path / "REAL/small.png", drawing(1, (63, 200)))
    put(tmp_path / "REAL/blank.png", noisy_grey((200, 200), 1))
    put(tmp_path / "REAL/flat.png", noisy_grey((200, 200), 4))
    put(tmp_path / "REAL/soft.png", photograph("rocket").filter(ImageFilter.GaussianBlur(12)))
    put(tmp_path / "nowhere.png", drawing(2))
    kept, findings = cleaned(tmp_path)

    assert [row.path.name for row in kept] == ["good.jpg"]
    assert reasons(findings) == {
        "REAL/cut.jpg": Reason.CORRUPT,
        "REAL/words.jpg": Reason.NOT_AN_IMAGE,
        "REAL/drawing.svg": Reason.UNSUPPORTED,
        "REAL/small.png": Reason.TINY,
        "REAL/blank.png": Reason.BLANK,
        "REAL/flat.png": Reason.FLAT,
        "REAL/soft.png": Reason.BLURRED,
        "nowhere.png": Reason.UNLABELLED,
    }


def test_a_file_that_a_csv_names_and_nobody_has_is_named(tmp_path: Path) -> None:
    rows = read_csv(put(tmp_path / "list.csv", b"path,label\ngone.jpg,real\n"), "photo")
    (kept, (finding,)) = clean(inspect_files(rows, 64, "reading"))

    assert not kept
    assert finding.reason is Reason.NOT_AN_IMAGE
    assert "No such file" in finding.detail


def test_a_dataset_of_small_images_says_how_small_they_may_be(tmp_path: Path) -> None:
    put(tmp_path / "REAL/cifar.png", photograph("chelsea").resize((32, 32)))

    assert reasons(cleaned(tmp_path)[1]) == {"REAL/cifar.png": Reason.TINY}
    assert reasons(cleaned(tmp_path, min_side=32)[1]) == {}


def test_different_pictures_all_stay(tmp_path: Path) -> None:
    for name in PHOTOGRAPHS:
        put(tmp_path / f"REAL/{name}.jpg", photograph(name))
    for seed in range(8):
        put(tmp_path / f"FAKE/{seed}.png", drawing(seed))
    kept, findings = cleaned(tmp_path)

    assert len(kept) == 12
    assert not findings


def test_the_same_bytes_stay_once(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        put(tmp_path / f"FAKE/{name}.png", drawing(1))
    kept, findings = cleaned(tmp_path)

    assert [row.path.name for row in kept] == ["a.png"]
    assert reasons(findings) == dict.fromkeys(("FAKE/b.png", "FAKE/c.png"), Reason.DUPLICATE)
    assert {finding.other for finding in findings.values()} == {kept[0]}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_re_encoded_smaller_copy_goes_and_the_larger_one_stays(tmp_path: Path, name: str) -> None:
    picture = photograph(name)
    small = picture.resize((picture.width // 2, picture.height // 2))
    put(tmp_path / "REAL/a.jpg", small, quality=50)
    put(tmp_path / "REAL/b.webp", picture, quality=60)
    kept, findings = cleaned(tmp_path)

    assert [row.path.name for row in kept] == ["b.webp"]
    assert reasons(findings) == {"REAL/a.jpg": Reason.NEAR_DUPLICATE}
    assert findings["REAL/a.jpg"].other == kept[0]


def test_train_loses_against_val_and_both_against_test(tmp_path: Path) -> None:
    picture = photograph("coffee")
    put(tmp_path / "train/REAL/1.png", picture)
    put(tmp_path / "val/REAL/2.jpg", picture, quality=80)
    put(tmp_path / "test/REAL/3.jpg", picture, quality=60)
    put(tmp_path / "train/FAKE/4.png", drawing(1))
    put(tmp_path / "val/FAKE/5.png", drawing(1))
    kept, findings = cleaned(tmp_path)

    assert {row.path.name for row in kept} == {"3.jpg", "5.png"}
    assert reasons(findings) == {
        "train/REAL/1.png": Reason.NEAR_DUPLICATE,
        "val/REAL/2.jpg": Reason.NEAR_DUPLICATE,
        "train/FAKE/4.png": Reason.DUPLICATE,
    }


def test_an_image_of_both_labels_goes_under_both(tmp_path: Path) -> None:
    put(tmp_path / "REAL/a.png", photograph("rocket"))
    put(tmp_path / "FAKE/b.jpg", photograph("rocket"), quality=70)
    put(tmp_path / "FAKE/c.png", drawing(1))
    put(tmp_path / "REAL/c.png", drawing(1))
    put(tmp_path / "REAL/d.png", drawing(2))
    kept, findings = cleaned(tmp_path)

    assert [row.path.name for row in kept] == ["d.png"]
    assert set(reasons(findings).values()) == {Reason.CONFLICT}
    assert len(findings) == 4


def test_a_given_test_stays_whole_and_what_is_found_there_is_said(tmp_path: Path) -> None:
    put(tmp_path / "test/REAL/1.png", drawing(1))
    put(tmp_path / "test/REAL/2.png", drawing(1))
    put(tmp_path / "test/REAL/3.png", photograph("coffee"))
    put(tmp_path / "test/REAL/blank.png", noisy_grey((200, 200), 1))
    put(tmp_path / "test/REAL/broken.png", b"\x89PNG\r\n\x1a\n")
    put(tmp_path / "train/FAKE/3.png", photograph("coffee"))
    kept, findings = cleaned(tmp_path)

    assert [row.path.name for row in kept] == ["1.png", "2.png", "3.png", "blank.png"]
    assert {path: (finding.reason, finding.kept) for path, finding in findings.items()} == {
        "test/REAL/2.png": (Reason.DUPLICATE, True),
        "test/REAL/3.png": (Reason.CONFLICT, True),
        "test/REAL/blank.png": (Reason.BLANK, True),
        "test/REAL/broken.png": (Reason.CORRUPT, False),
        "train/FAKE/3.png": (Reason.CONFLICT, False),
    }


def test_the_command_writes_what_stays_what_goes_and_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, (label, source) in enumerate(
        (label, source) for label in ("REAL", "FAKE") for source in "abc"
    ):
        put(tmp_path / f"mine/{label}/{label}-{source}/1.png", drawing(seed))
    put(tmp_path / "mine/REAL/REAL-a/2.png", drawing(0))
    put(tmp_path / "mine/readme.txt", b"Mine.")
    main(["check", str(tmp_path / "mine"), "--corpus", "art", "--out", str(tmp_path / "out")])
    kept = read_csv(tmp_path / "out/manifest.csv", "photo")
    with (tmp_path / "out/findings.csv").open(newline="") as file:
        findings = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    report = (tmp_path / "out/report.md").read_text()

    assert {(row.split, row.label, row.corpus) for row in kept} == {
        (split, label, "art") for split in ("train", "val", "test") for label in ("ai", "real")
    }
    assert findings["2.png"]["reason"] == "duplicate"
    assert findings["2.png"]["other"] == str(tmp_path / "mine/REAL/REAL-a/1.png")
    assert findings["readme.txt"]["reason"] == "not_an_image"
    assert "8 files: 6 kept, 2 removed" in report
    assert "| duplicate | 0 | 1 | 0 | 0 |" in report
    assert "| not_an_image | 0 | 0 | 1 | 0 |" in report
    assert report in capsys.readouterr().out


def test_several_places_are_cleaned_together_each_with_its_own_smallest_side(
    tmp_path: Path,
) -> None:
    put(tmp_path / "fetched/cifake/train/REAL/1.png", photograph("rocket").resize((32, 32)))
    put(tmp_path / "fetched/cartoon-cats-dogs/cats/1.png", photograph("coffee"))
    put(tmp_path / "fetched/cartoon-cats-dogs/cats/2.png", photograph().resize((32, 32)))
    put(tmp_path / "mine/REAL/1.jpg", photograph("coffee"))
    put(tmp_path / "mine/REAL/2.jpg", photograph("chelsea"))
    paths = ["cifake", "cartoon-cats-dogs", str(tmp_path / "mine")]
    options = ["--fetched", str(tmp_path / "fetched"), "check", "--out", str(tmp_path / "out")]
    main([*options, *paths])
    kept = read_csv(tmp_path / "out/manifest.csv", "photo")
    report = (tmp_path / "out/report.md").read_text()

    assert [(row.source, row.label, row.split) for row in kept] == [
        ("cifake", "real", "train"),
        ("mine", "real", "train"),
    ]
    assert "| tiny | 1 | 0 | 0 | 0 |" in report
    assert "| conflict | 1 | 1 | 0 | 0 |" in report
    assert "**`train` has no ai image.**" in report


def test_a_dataset_of_unknown_label_is_not_guessed(tmp_path: Path) -> None:
    put(tmp_path / "art-styles/comic/1.png", drawing(1))
    command = ["--fetched", str(tmp_path), "check", "art-styles", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="give --label"):
        main(command)
    main([*command, "--label", "real"])

    assert [row.label for row in read_csv(tmp_path / "out/manifest.csv", "photo")] == ["real"]
