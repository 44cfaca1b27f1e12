from __future__ import annotations

import codecs
import csv
import io
import json

import pytest

from backend.cli.inputs import Input
from backend.cli.output import result_line
from backend.formats import COLUMNS, Csv, Format, JsonLines, Row, names_among_ours
from backend.schemas.scans import ScanLine
from models.verdict import CheckItem
from tests.backend.fake_api import claim, done, failed

OURS = {"url": "mine", "status": "mine", "verdict": "mine", "index": "mine", "label": "mine"}
FORMULAS = ["=1+1", "+1", "-1", "@a", "\ta", "'=1", "''@a", "'a", "http://h/=1"]
AWKWARD = [
    "",
    "page",
    "place",
    " ",
    "a,b;c",
    'a "word"',
    "two\r\nlines",
    "\u2028\x85\x00",
    "\ud800",
    *FORMULAS,
]
FORMATS = pytest.mark.parametrize("make", [JsonLines, Csv], ids=["jsonl", "csv"])


def line(form: Format, row: Input, item: CheckItem | None = None) -> bytes:
    return result_line(form, row, item or done(row.name))


def table(*lines: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(lines).decode(), newline="")))


@FORMATS
@pytest.mark.parametrize("text", AWKWARD)
def test_every_row_is_known_again_and_fits_on_a_line(make: type[JsonLines], text: str) -> None:
    url = text.encode(errors="replace").decode().replace("\r\n", "%0A")  # as the reader leaves it
    source = Input(3, url, None, custom_id=url or None, columns={"note": text, text: "a"})
    form = make(list(source.columns))

    written = line(form, source)

    assert written.count(b"\n") == 1
    assert written.endswith(b"\n")
    row = Row(source.index, source.name, source.custom_id, source.columns)
    assert form.parse(written).row == form.row(row)


@FORMATS
def test_rows_that_differ_in_anything_are_told_apart(make: type[JsonLines]) -> None:
    form = make(["note"])
    rows = [
        Row(index, url, custom_id, {"note": note})
        for index in (0, 1)
        for url in ("http://h/1", "http://h/2")
        for custom_id in ("a", "b")
        for note in ("x", "y")
    ]

    assert all((form.row(a) == form.row(b)) is (a is b) for a in rows for b in rows)


@FORMATS
def test_a_failure_is_known_with_its_reason(make: type[JsonLines]) -> None:
    form = make()
    item = failed("http://h/1", "It answered 404.")
    found = form.parse(line(form, Input(0, item.url), item))

    assert (found.outcome, found.error, found.detail) == (
        *("failed", "http_status", "It answered 404."),
    )


def test_a_json_line_is_the_apis_with_the_lists_columns_after_it() -> None:
    source = Input(4, "http://h/1", custom_id="a-1", columns={"title": "One", "status": "draft"})
    item = done("http://h/1")

    written = json.loads(line(JsonLines(["title", "status"]), source, item))

    api = ScanLine(**item.model_dump(), index=4, custom_id="a-1")
    assert written == {
        **api.model_dump(mode="json", exclude_none=True),
        "title": "One",
        "list_status": "draft",
    }
    assert list(written)[-2:] == ["title", "list_status"]


def test_a_csv_row_has_our_columns_and_then_the_lists() -> None:
    source = Input(4, "http://h/1", custom_id="a-1", columns={"title": "One", "status": "draft"})
    form = Csv(["title", "status"])
    said = [claim("made by\r\na “generator”")]

    good, bad = table(
        form.header,
        line(form, source, done("http://h/1", 0.93, decided_by="marks", evidence=said)),
        line(form, source, failed("http://h/1", "It said:\nno.")),
    )

    assert list(good) == [*COLUMNS, "title", "list_status"]
    assert (good["index"], good["custom_id"], good["url"]) == ("4", "a-1", "http://h/1")
    assert (good["title"], good["list_status"], good["status"]) == ("One", "draft", "done")
    assert (good["label"], good["decided_by"]) == ("ai", "marks")
    assert float(good["probability"]) == pytest.approx(0.93)
    assert good["evidence"] == "c2pa: made by a “generator”"
    assert good["checked_at"] == "2026-01-02T03:04:05+00:00"
    assert (bad["label"], bad["error_code"]) == ("", "http_status")
    assert bad["error_detail"] == "It said: no."


def test_a_csv_names_the_members_that_judged_and_no_others() -> None:
    form = Csv()
    item = done("http://h/1", members={"clip": 0.91234, "cnn": 0.5})

    (row,) = table(form.header, line(form, Input(0, "http://h/1"), item))

    assert row["members"] == "clip=0.9123; cnn=0.5000"


def test_a_row_without_one_of_the_lists_columns_leaves_it_empty() -> None:
    form = Csv(["a", "b"])
    (row,) = table(form.header, line(form, Input(0, "http://h/1", columns={"b": "2"})))

    assert (row["a"], row["b"]) == ("", "2")


def test_excel_sees_utf_8_by_the_mark_before_the_header() -> None:
    assert Csv(bom=True).header == codecs.BOM_UTF8 + Csv().header
    assert not Csv().header.startswith(codecs.BOM_UTF8)


def test_no_cell_of_a_csv_is_a_formula_not_even_a_title() -> None:
    form = Csv(FORMULAS)
    lines = [form.header] + [
        line(form, Input(0, each, custom_id=each, columns=dict.fromkeys(FORMULAS, each)), item)
        for each in FORMULAS
        for item in (failed(each, each), done(each, evidence=[claim(each)]))
    ]

    cells = [cell for row in csv.reader(io.StringIO(b"".join(lines).decode())) for cell in row]

    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]


@pytest.mark.parametrize(
    ("titles", "names"),
    [
        (["title", "Status"], ["title", "Status"]),
        (list(OURS), [f"list_{name}" for name in OURS]),
        (["page", "place"], ["page", "place"]),
        (["status", "list_status"], ["list_list_status", "list_status"]),
        (["list_status", "status"], ["list_status", "list_list_status"]),
        (["", "\ud800", "\udfff"], ["", "�", "list_�"]),
    ],
)
def test_names_among_ours_all_differ(titles: list[str], names: list[str]) -> None:
    assert list(names_among_ours(titles).values()) == names
