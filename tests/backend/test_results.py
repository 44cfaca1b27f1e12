from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from backend.results import ResultsError, ResultsFile
from models.members import MEMBERS
from models.verdict import CheckItem
from tests.backend.fake_api import claim, done, failed

ITEMS = [
    done("http://h/1,“a”.jpg", 0.93, evidence=[claim("made by\r\na “generator”")]),
    failed("http://h/2.jpg", "It said:\nno."),
    done("http://h/3\u2028\x85.jpg", 0.5),
    done("folder/4.jpg", 0.01),
]
SUFFIXES = pytest.mark.parametrize("suffix", [".jsonl", ".csv"])


def write(path: Path, items: list[CheckItem]) -> None:
    with ResultsFile(path) as results:
        for item in items:
            results.add(item)


@SUFFIXES
def test_what_was_written_is_known_again(tmp_path: Path, suffix: str) -> None:
    write(path := tmp_path / f"out{suffix}", ITEMS)

    with ResultsFile(path) as results:
        assert results.known == {item.url for item in ITEMS}
        assert results.tally.outcomes == {"ai": 1, "uncertain": 1, "real": 1, "failed": 1}
        assert results.tally.errors == {"http_status": 1}


@SUFFIXES
def test_a_scan_killed_at_any_byte_goes_on_to_the_same_file(tmp_path: Path, suffix: str) -> None:
    write(path := tmp_path / f"out{suffix}", ITEMS)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with ResultsFile(path) as results:
            for item in ITEMS:
                if item.url not in results.known:
                    results.add(item)
        assert path.read_bytes() == whole


@SUFFIXES
@pytest.mark.parametrize(
    "content",
    [
        b"Dear diary,\n",
        b"no line's end",
        b"url,title\nhttp://h/1,a\n",
        b'{"url": "http://h/1"}\n',
        b'["http://h/1"]\n',
        b"\x00\xff\n",
        b"\n",
    ],
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_bytes(content)

    with pytest.raises(ResultsError, match="line 1 is no result of a scan"), ResultsFile(path):
        pass
    assert path.read_bytes() == content


@SUFFIXES
def test_something_else_between_results_is_refused(tmp_path: Path, suffix: str) -> None:
    write(path := tmp_path / f"out{suffix}", ITEMS[:1])
    with path.open("a") as file:
        file.write("a note of mine\n")

    with pytest.raises(ResultsError, match="is no result of a scan"), ResultsFile(path):
        pass


def test_two_scans_into_one_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with (
        ResultsFile(path),
        pytest.raises(ResultsError, match="Another scan"),
        ResultsFile(path),
    ):
        pass
    write(path, ITEMS)


def test_a_name_that_tells_no_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"\.jsonl or \.csv"):
        ResultsFile(tmp_path / "out.txt")


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot be written: No such"):
        ResultsFile(tmp_path / "none" / "out.csv").__enter__()


def test_a_json_line_is_the_apis_item(tmp_path: Path) -> None:
    write(path := tmp_path / "out.jsonl", ITEMS)

    lines = path.read_text(encoding="utf-8").split("\n")

    assert [json.loads(line) for line in lines[:-1]] == [
        item.model_dump(mode="json", exclude_none=True) for item in ITEMS
    ]


def test_a_csv_row_has_a_column_for_every_member_and_fits_on_a_line(tmp_path: Path) -> None:
    write(path := tmp_path / "out.csv", [ITEMS[1], ITEMS[0]])

    with path.open(newline="", encoding="utf-8") as file:
        bad, good = csv.DictReader(file)

    assert len(path.read_bytes().split(b"\n")) == 4, "header, two rows, and nothing after the last"
    assert set(MEMBERS) <= set(good)
    assert bad["error_code"] == "http_status"
    assert bad["error_detail"] == "It said: no."
    assert bad["label"] == ""
    assert good["label"] == "ai"
    assert float(good["probability"]) == pytest.approx(0.93)
    assert good["evidence"] == "c2pa: made by a “generator”"
    assert good["checked_at"] == "2026-01-02T03:04:05+00:00"


def test_a_url_that_fills_a_megabyte_is_known_again(tmp_path: Path) -> None:
    item = failed(f"http://h/{'a' * 2**20}")
    write(path := tmp_path / "out.csv", [item])

    with ResultsFile(path) as results:
        assert results.known == {item.url}


FORMULAS = ["=1+1", "+1", "-1", "@a", "\ta", "'=1", "''@a", "'a", "http://h/=1"]


def test_no_cell_of_a_csv_is_a_formula_and_each_url_is_known_again(tmp_path: Path) -> None:
    items = [*map(failed, FORMULAS), done("http://h/1", evidence=[claim("x")])]
    write(path := tmp_path / "out.csv", items)

    with path.open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
    with ResultsFile(path) as results:
        assert results.known == {*FORMULAS, "http://h/1"}
