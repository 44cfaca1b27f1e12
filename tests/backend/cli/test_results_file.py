from __future__ import annotations

import codecs
import json
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from backend.cli.filtered_output import filtered_output
from backend.cli.inputs import Input
from backend.cli.output import ResultsError
from backend.cli.results_file import ResultsFile
from backend.formats import Csv, Format, JsonLines
from models.verdict import CheckItem, Label
from tests.backend.fake_api import claim, done, failed

TITLES = ["title", "status"]


def row(index: int, name: str, title: str = "t") -> Input:
    return Input(index, name, custom_id=f"id-{index}", columns={"title": title, "status": "x"})


ROWS = [
    row(0, "http://h/1,“a”.jpg"),
    row(1, "http://h/2.jpg", "=formula"),
    row(2, "http://h/3\u2028\x85.jpg", "two\nlines"),
    row(3, "http://h/2.jpg"),
    row(4, "", "an empty cell"),
]
ITEMS = [
    done(ROWS[0].name, 0.93, evidence=[claim("made by\r\na “generator”")]),
    failed(ROWS[1].name, "It said:\nno."),
    done(ROWS[2].name, 0.5),
    failed(ROWS[3].name, "It said:\nno."),
    failed(ROWS[4].name, "The row has no URL."),
]
RESULTS = list(zip(ROWS, ITEMS, strict=True))

Make = Callable[[], Format]
FORMS: dict[str, Make] = {
    "jsonl": lambda: JsonLines(TITLES),
    "csv": lambda: Csv(TITLES),
    "excel": lambda: Csv(TITLES, bom=True),
}
EACH_FORM = pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)


def write(
    path: Path,
    form: Format,
    found: Sequence[tuple[Input, CheckItem]] = RESULTS,
    rows: Sequence[Input] = ROWS,
) -> None:
    with ResultsFile(path, form, rows) as results:
        for each in found:
            results.add(*each)


@EACH_FORM
def test_what_was_written_is_known_again(tmp_path: Path, make: Make) -> None:
    write(path := tmp_path / "out", make())

    with ResultsFile(path, make(), ROWS) as results:
        assert results.left() == []
        assert results.tally.outcomes == {"ai": 1, "uncertain": 1, "failed": 3}
        assert results.tally.errors == {"http_status": 3}
        assert results.tally.details["http_status"].split() == ["It", "said:", "no."]


@EACH_FORM
def test_a_scan_killed_at_any_byte_goes_on_to_the_same_file(tmp_path: Path, make: Make) -> None:
    write(path := tmp_path / "out", make())
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with ResultsFile(path, make(), ROWS) as results:
            for left in results.left():
                results.add(left, ITEMS[left.index])
        assert path.read_bytes() == whole


def test_rows_that_finished_in_any_order_are_each_there_once(tmp_path: Path) -> None:
    write(path := tmp_path / "out", JsonLines(TITLES), [RESULTS[3], RESULTS[0]])

    with ResultsFile(path, JsonLines(TITLES), ROWS) as results:
        assert [left.index for left in results.left()] == [1, 2, 4], "though 1 and 3 have one URL"


@EACH_FORM
@pytest.mark.parametrize(
    "content",
    [
        b"Dear diary,\n",
        b"no line's end",
        b"url,title\nhttp://h/1,a\n",
        b'{"url": "http://h/1"}\n',
        b'{"url":"http://h/1","status":"failed","error":{"code":"timeout","detail":"No."}}\n',
        b"url,status,label\nhttp://h/1,done,ai\n",
        b'["http://h/1"]\n',
        b"\x00\xff\n",
        b"\n",
    ],
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(
    tmp_path: Path, make: Make, content: bytes
) -> None:
    path = tmp_path / "out"
    path.write_bytes(content)

    with (
        pytest.raises(ResultsError, match="line 1 is not a result of a list"),
        ResultsFile(path, make(), ROWS),
    ):
        pass
    assert path.read_bytes() == content


@EACH_FORM
def test_something_else_between_results_is_refused(tmp_path: Path, make: Make) -> None:
    write(path := tmp_path / "out", make(), RESULTS[:1])
    with path.open("a") as file:
        file.write("a note of mine\n")

    with (
        pytest.raises(ResultsError, match="is not a result of a list"),
        ResultsFile(path, make(), ROWS),
    ):
        pass


def test_a_csv_begun_with_or_without_the_mark_for_excel_is_gone_on_with(tmp_path: Path) -> None:
    for name, begun, gone_on in (("a", True, False), ("b", False, True)):
        path = tmp_path / name
        write(path, Csv(TITLES, bom=begun), RESULTS[:2])
        write(path, Csv(TITLES, bom=gone_on), RESULTS[2:])
        assert path.read_bytes().startswith(codecs.BOM_UTF8) is begun
        assert path.read_bytes().count(codecs.BOM_UTF8) == begun


# Results of another list


ANOTHER = {
    "another URL": [replace(ROWS[0], name="http://h/other.jpg"), *ROWS[1:]],
    "another order": [replace(s, index=4 - s.index) for s in reversed(ROWS)],
    "a row more at its beginning": [replace(s, index=i) for i, s in enumerate([ROWS[4], *ROWS])],
    "another custom_id": [replace(ROWS[0], custom_id="other"), *ROWS[1:]],
    "another cell": [replace(ROWS[0], columns={"title": "u", "status": "x"}), *ROWS[1:]],
    "fewer rows": ROWS[:2],
}


@EACH_FORM
@pytest.mark.parametrize("others", ANOTHER.values(), ids=ANOTHER)
def test_results_of_another_list_are_refused_and_left_as_they_are(
    tmp_path: Path, make: Make, others: list[Input]
) -> None:
    write(path := tmp_path / "out", make())
    whole = path.read_bytes()

    with (
        pytest.raises(ResultsError, match=r"holds results of another list: its line \d .* -o"),
        ResultsFile(path, make(), others),
    ):
        pass
    assert path.read_bytes() == whole


@EACH_FORM
def test_results_of_a_list_with_other_columns_are_refused(tmp_path: Path, make: Make) -> None:
    write(path := tmp_path / "out", make())
    others = [replace(s, columns={"title": s.columns["title"]}) for s in ROWS]
    form = JsonLines(["title"]) if isinstance(make(), JsonLines) else Csv(["title"])

    with pytest.raises(ResultsError), ResultsFile(path, form, others):
        pass


@EACH_FORM
def test_a_list_that_grew_at_its_end_is_gone_on_with(tmp_path: Path, make: Make) -> None:
    write(path := tmp_path / "out", make())

    with ResultsFile(path, make(), [*ROWS, row(5, "http://h/new.jpg")]) as results:
        assert [left.index for left in results.left()] == [5]


def file(index: int, name: str) -> Input:
    return Input(index, f"folder/{name}", Path("folder", name), in_folder=True)


@pytest.mark.parametrize("form", [JsonLines(), Csv()], ids=["jsonl", "csv"])
def test_files_that_are_new_anywhere_in_a_folder_are_left(tmp_path: Path, form: Format) -> None:
    before = [file(n, name) for n, name in enumerate("bdf")]
    write(path := tmp_path / "out", form, [(e, done(e.name)) for e in reversed(before)], before)

    rows = [Input(0, "http://h/1"), *(file(n, name) for n, name in enumerate("abcdefg", start=1))]
    with pytest.raises(ResultsError, match="another list"), ResultsFile(path, form, rows):
        pass  # what comes before the folder has moved, too

    with ResultsFile(path, form, [file(n, name) for n, name in enumerate("abcdefg")]) as results:
        left = results.left()
        assert {each.name for each in left} == {f"folder/{name}" for name in "aceg"}
        for each in left:
            results.add(each, done(each.name))
    indexes = [form.parse(line).row.index for line in path.read_bytes().splitlines()[-7:]]
    assert sorted(indexes) == list(range(7))


def test_a_folder_without_a_file_that_has_a_result_is_another_list(tmp_path: Path) -> None:
    before = [file(n, name) for n, name in enumerate("abc")]
    write(path := tmp_path / "out", JsonLines(), [(e, done(e.name)) for e in before], before)

    with (
        pytest.raises(ResultsError, match="another list"),
        ResultsFile(path, JsonLines(), [file(0, "b"), file(1, "c"), file(2, "d")]),
    ):
        pass


# Failures that are tried again


@EACH_FORM
def test_what_failed_is_replaced_where_it_stands(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "out"
    write(path, make())
    path.chmod(0o640)
    before = path.read_bytes().splitlines(keepends=True)

    with ResultsFile(path, make(), ROWS) as results:
        again = results.retry_failed()
        assert [each.index for each in again] == [1, 3, 4]
        assert results.tally.outcomes == {"ai": 1, "uncertain": 1}
        results.add(again[0], done(again[0].name, 0.01))
        results.add(again[1], failed(again[1].name, "Gone for good."))
        assert path.read_bytes().splitlines(keepends=True) == before, "until the end"
        assert results.tally.outcomes == {"ai": 1, "uncertain": 1, "real": 1, "failed": 1}

    after = path.read_bytes().splitlines(keepends=True)
    header = len(after) - len(ROWS)
    changed = {number - header for number, line in enumerate(after) if line != before[number]}
    assert changed == {1, 3}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]
    with ResultsFile(path, make(), ROWS) as results:
        assert results.tally.outcomes == {"ai": 1, "uncertain": 1, "real": 1, "failed": 2}
        assert [each.index for each in results.retry_failed()] == [3, 4]


def test_what_was_tried_again_is_kept_when_the_scan_fails(tmp_path: Path) -> None:
    write(path := tmp_path / "out", JsonLines(TITLES))

    def fail_half_way() -> None:
        with ResultsFile(path, JsonLines(TITLES), ROWS) as results:
            again = results.retry_failed()
            results.add(again[0], done(again[0].name))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    with ResultsFile(path, JsonLines(TITLES), ROWS) as results:
        assert results.tally.outcomes == {"ai": 2, "uncertain": 1, "failed": 2}


def test_a_link_to_the_results_stays_one(tmp_path: Path) -> None:
    write(tmp_path / "there", JsonLines(TITLES))
    path = tmp_path / "out"
    path.symlink_to("there")

    with ResultsFile(path, JsonLines(TITLES), ROWS) as results:
        again = results.retry_failed()
        results.add(again[0], done(again[0].name))

    assert path.is_symlink()
    assert path.read_bytes() == (tmp_path / "there").read_bytes()
    assert json.loads((tmp_path / "there").read_bytes().splitlines()[1])["status"] == "done"


# In the list's order


@pytest.mark.parametrize("kept", [[], [0], [0, 1, 2], [0, 1, 2, 3, 4]])
def test_results_in_the_lists_order_can_be_gone_on_with_so(tmp_path: Path, kept: list[int]) -> None:
    write(path := tmp_path / "out", JsonLines(TITLES), [RESULTS[i] for i in kept])

    with ResultsFile(path, JsonLines(TITLES), ROWS) as results:
        results.keep_in_order()


@pytest.mark.parametrize("kept", [[1], [0, 2], [1, 0], [4, 3, 2, 1, 0]])
def test_results_in_another_order_are_not_mixed_with_it(tmp_path: Path, kept: list[int]) -> None:
    write(path := tmp_path / "out", JsonLines(TITLES), [RESULTS[i] for i in kept])

    with (
        ResultsFile(path, JsonLines(TITLES), ROWS) as results,
        pytest.raises(ResultsError, match="order of finishing"),
    ):
        results.keep_in_order()


# Some labels alone


@EACH_FORM
def test_some_labels_alone_stand_in_the_file_and_everything_beside_it(
    tmp_path: Path, make: Make
) -> None:
    path = tmp_path / "flagged"
    for part in (RESULTS[3:], RESULTS[:3]):
        with filtered_output(path, make(), ROWS, TITLES, {Label.AI}) as results:
            for each in part:
                results.add(*each)

    def found(labels: set[Label]) -> list[int]:
        with filtered_output(path, make(), ROWS, TITLES, labels) as results:
            assert results.left() == []
        lines = path.read_bytes().splitlines(keepends=True)[bool(make().header) :]
        return [make().parse(line).row.index for line in lines]

    assert found({Label.AI}) == [0]
    assert found({Label.AI, Label.UNCERTAIN}) == [0, 2], "another choice needs no other scan"
    assert found({Label.REAL}) == []
    assert len((tmp_path / "flagged.all.jsonl").read_bytes().splitlines()) == len(ROWS)


def test_a_scan_that_fails_leaves_what_it_has_of_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "flagged.csv"

    def fail_half_way() -> None:
        with filtered_output(path, Csv(TITLES), ROWS, TITLES, {Label.AI}) as results:
            results.add(*RESULTS[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert len(path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize("content", [b"Dear diary,\n", None], ids=["something else", "a scan's"])
def test_a_file_without_its_record_is_not_replaced_by_some_labels(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(content) if content else write(path, Csv(TITLES))
    before = path.read_bytes()

    with (
        pytest.raises(ResultsError, match="the record of all results"),
        filtered_output(path, Csv(TITLES), ROWS, TITLES, {Label.AI}),
    ):
        pass
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_somebody_wrote_into_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with filtered_output(path, Csv(TITLES), ROWS, TITLES, {Label.AI}) as results:
        results.add(*RESULTS[0])
    with path.open("a") as file:
        file.write("a note of mine\n")

    with (
        pytest.raises(ResultsError, match="not a result of a list"),
        filtered_output(path, Csv(TITLES), ROWS, TITLES, {Label.AI}),
    ):
        pass
    assert path.read_bytes().endswith(b"a note of mine\n")


# The file itself


def test_two_scans_into_one_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with (
        ResultsFile(path, Csv(TITLES), ROWS),
        pytest.raises(ResultsError, match="Another scan"),
        ResultsFile(path, Csv(TITLES), ROWS),
    ):
        pass
    write(path, Csv(TITLES))


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot be written: No such"):
        ResultsFile(tmp_path / "none" / "out.csv", Csv(), []).__enter__()


def test_a_url_that_fills_a_megabyte_is_known_again(tmp_path: Path) -> None:
    long = Input(0, f"http://h/{'a' * 2**20}")
    write(path := tmp_path / "out.csv", Csv(), [(long, failed(long.name))], [long])

    with ResultsFile(path, Csv(), [long]) as results:
        assert results.left() == []
