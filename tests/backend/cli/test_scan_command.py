"""`assay scan` and `assay check`: what goes in, what comes out, and what is said of it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from backend.cli.images import LabelName
from backend.cli.output import ResultsError
from backend.cli.scan_command import Output
from backend.client.api_connection import server_address
from backend.formats import Csv, JsonLines
from models.verdict import Label
from tests.backend.conftest import Assay, command, lines, listed, results, table
from tests.backend.fake_api import FakeApi

ROWS = (
    "id,url,title,custom_id,status\n"
    "7,http://h/1.jpg,One,a,draft\n"
    "8,http://h/gone.jpg,=two,b,\n"
    "9,http://h/1.jpg,Three,c,draft\n"
    "10,,Four,d,draft\n"
)


@pytest.fixture
def rows(tmp_path: Path) -> str:
    (tmp_path / "rows.csv").write_text(ROWS)
    return "rows.csv"


# Every row and every column


def test_every_row_and_every_column_of_the_list_is_in_the_csv(
    assay: Assay, api: FakeApi, tmp_path: Path, rows: str
) -> None:
    done = assay("scan", rows, "-o", "o.csv", "--server", api.url, "--order", "input")

    assert done.returncode == 0, done.stderr
    found = table(tmp_path / "o.csv")
    own = ("index", "custom_id", "url", "status", "error_code", "id", "title", "list_status")
    assert [tuple(row[name] for name in own) for row in found] == [
        ("0", "a", "http://h/1.jpg", "done", "", "7", "One", "draft"),
        ("1", "b", "http://h/gone.jpg", "failed", "http_status", "8", "'=two", ""),
        ("2", "c", "http://h/1.jpg", "done", "", "9", "Three", "draft"),
        ("3", "d", "", "failed", "bad_url", "10", "Four", "draft"),
    ]
    assert api.asked == {"http://h/1.jpg": 1, "http://h/gone.jpg": 1}


def test_every_row_and_every_key_of_the_list_is_in_the_json_lines(
    assay: Assay, api: FakeApi, tmp_path: Path
) -> None:
    given = [
        {"url": "http://h/1.jpg", "custom_id": "a", "tags": ["x", 1], "verdict": "mine"},
        {"url": "http://h/1.jpg", "other": "é"},
    ]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, given)))

    assert assay("scan", "list.jsonl", "--server", api.url).returncode == 0

    first, second = sorted(results(tmp_path), key=lambda item: str(item["index"]))
    assert (first["custom_id"], first["tags"], first["list_verdict"]) == ("a", '["x",1]', "mine")
    assert isinstance(first["verdict"], dict)
    assert second["other"] == "é"
    assert "custom_id" not in second


def test_the_lists_order_is_kept_although_images_finish_in_another(
    assay: Assay, api: FakeApi, tmp_path: Path
) -> None:
    names = [f"{'slow' * (n % 3 == 0)}{n % 250}.jpg" for n in range(300)]
    done = assay("scan", listed(tmp_path, *names), "--server", api.url, "--order", "input")

    assert done.returncode == 0
    assert [item["index"] for item in results(tmp_path)] == list(range(300))
    assert [item["url"] for item in results(tmp_path)] == [f"http://h/{name}" for name in names]


def test_results_in_the_lists_order_are_written_as_soon_as_it_allows(
    api: FakeApi, tmp_path: Path
) -> None:
    names = listed(tmp_path, "1.jpg", "2.jpg", "stuck.jpg", "4.jpg")
    with subprocess.Popen(
        command("scan", names, "-o", "-", "--server", api.url, "--order", "input"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as scan:
        assert scan.stdout is not None
        assert [json.loads(scan.stdout.readline())["index"] for _ in range(2)] == [0, 1]
        api.released.set()
        assert [json.loads(line)["index"] for line in scan.stdout] == [2, 3]


def test_a_file_for_excel_begins_with_a_mark_and_is_gone_on_with(
    assay: Assay, api: FakeApi, tmp_path: Path, rows: str
) -> None:
    for _ in range(2):
        done = assay("scan", rows, "-o", "o.csv", "--excel", "--server", api.url)
        assert done.returncode == 0, done.stderr

    content = (tmp_path / "o.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfindex,")
    assert content.count(b"\xef\xbb\xbf") == 1
    assert len(content.splitlines()) == 5


def test_json_lines_are_nothing_for_excel(assay: Assay, rows: str) -> None:
    done = assay("scan", rows, "--excel")

    assert done.returncode == 2
    assert ".csv" in done.stderr


def test_a_name_that_tells_no_format_is_refused() -> None:
    with pytest.raises(ResultsError, match=r"\.jsonl or \.csv"):
        Output(Path("out.txt")).format([])


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        (Output(Path("out.JSONL")), JsonLines),
        (Output(Path("out.csv")), Csv),
        (Output(Path("out.csv"), form="jsonl"), JsonLines),
        (Output(Path("out"), form="csv"), Csv),
        (Output(Path("-")), JsonLines),
        (Output(Path("-"), bom=True), Csv),
    ],
)
def test_the_format_is_the_one_named_or_that_of_the_name(output: Output, kind: type) -> None:
    assert isinstance(output.format([]), kind)


# Pipes


def test_results_go_to_standard_output_and_all_else_beside_it(
    assay: Assay, api: FakeApi, tmp_path: Path, rows: str
) -> None:
    done = assay("scan", rows, "-o", "-", "--server", api.url)

    assert done.returncode == 0
    assert sorted(json.loads(line)["index"] for line in done.stdout.splitlines()) == [0, 1, 2, 3]
    assert "4 images" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [rows]


def test_a_list_goes_in_and_a_table_comes_out(assay: Assay, api: FakeApi) -> None:
    done = assay(
        *("scan", "-", "-o", "-", "--format", "csv", "--label", "ai", "--server", api.url),
        stdin=ROWS,
    )

    found = list(csv.DictReader(io.StringIO(done.stdout)))
    assert sorted(row["id"] for row in found) == ["7", "9"]
    assert "1 bad_url" in done.stderr, "what is left out is told of"


def test_who_reads_no_further_ends_the_scan_quietly(api: FakeApi, tmp_path: Path) -> None:
    names = listed(tmp_path, *(f"{n}.jpg" for n in range(2000)))
    with subprocess.Popen(
        command("scan", names, "-o", "-", "--server", api.url),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as scan:
        assert scan.stdout is not None
        assert scan.stderr is not None
        scan.stdout.readline()
        scan.stdout.close()
        said = scan.stderr.read()

    assert "Traceback" not in said
    assert "Error" not in said


# Addresses


def test_a_server_of_this_machine_needs_no_scheme(
    assay: Assay, api: FakeApi, tmp_path: Path
) -> None:
    names = listed(tmp_path, "1.jpg")

    done = assay("scan", names, "--server", api.url.removeprefix("http://"))

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "server",
    [
        "ftp://127.0.0.1:1",
        "http://",
        "127.0.0.1:99999",
        "assay.example:80",
        "[::1",
        "",
        "a b",
        "::",
    ],
)
def test_what_is_no_server_is_refused_in_our_own_words(server: str) -> None:
    with pytest.raises(ValueError, match="http://") as raised:
        server_address(server)

    assert repr(server)[1:-1] in str(raised.value)


def test_a_wrong_server_is_misuse(assay: Assay, tmp_path: Path) -> None:
    done = assay("scan", listed(tmp_path, "1.jpg"), "--server", "ftp://127.0.0.1:1")

    assert done.returncode == 2
    assert done.stderr.startswith("assay: 'ftp://127.0.0.1:1' is not the address of a server")


# What is there already


def test_a_second_list_is_not_mixed_into_the_results_of_the_first(
    assay: Assay, api: FakeApi, tmp_path: Path
) -> None:
    assert assay("scan", listed(tmp_path, "1.jpg", "2.jpg"), "--server", api.url).returncode == 0
    before = (tmp_path / "results.jsonl").read_bytes()

    done = assay("scan", listed(tmp_path, "3.jpg"), "--server", api.url)

    assert done.returncode == 1
    assert "holds results of another list" in done.stderr
    assert (tmp_path / "results.jsonl").read_bytes() == before
    assert "http://h/3.jpg" not in api.asked


def test_a_list_that_grew_is_gone_on_with(assay: Assay, api: FakeApi, tmp_path: Path) -> None:
    for names in (["1.jpg", "2.jpg"], ["1.jpg", "2.jpg", "1.jpg", "3.jpg"]):
        done = assay("scan", listed(tmp_path, *names), "--server", api.url)
        assert done.returncode == 0, done.stderr

    assert sorted(str(item["index"]) for item in results(tmp_path)) == ["0", "1", "2", "3"]
    assert api.asked["http://h/2.jpg"] == 1


def test_what_failed_is_tried_again_and_replaced(
    assay: Assay, api: FakeApi, tmp_path: Path
) -> None:
    names = listed(tmp_path, "1.jpg", "flaky.jpg", "gone.jpg", "flaky.jpg", "5.jpg")
    arguments = ("scan", names, "--server", api.url, "--order", "input")
    assert assay(*arguments).returncode == 0
    assert [item["status"] for item in results(tmp_path)].count("failed") == 3

    done = assay(*arguments, "--retry", "failed")

    assert done.returncode == 0, done.stderr
    assert [(item["index"], item["status"]) for item in results(tmp_path)] == [
        *((0, "done"), (1, "done"), (2, "failed"), (3, "done"), (4, "done")),
    ]
    assert api.asked["http://h/1.jpg"] == api.asked["http://h/5.jpg"] == 1
    assert "5 images: 4 likely AI · 0 uncertain · 0 no sign of AI · 1 failed" in done.stderr


def test_what_was_not_tried_again_counts_as_left(
    assay: Assay, api: FakeApi, tmp_path: Path
) -> None:
    arguments = ("scan", listed(tmp_path, "1.jpg", "flaky1.jpg", "flaky2.jpg"), "--server", api.url)
    assert assay(*arguments).returncode == 0
    api.quota = 1

    done = assay(*arguments, "--retry", "failed")

    assert done.returncode == 1
    assert "1 of 3 images is left." in done.stderr
    assert sorted(str(item["status"]) for item in results(tmp_path)) == ["done", "done", "failed"]


def test_trying_again_needs_a_file(assay: Assay, tmp_path: Path) -> None:
    done = assay("scan", listed(tmp_path, "1.jpg"), "-o", "-", "--retry", "failed")

    assert done.returncode == 2
    assert "-o" in done.stderr


def test_some_labels_alone_are_written_and_the_scan_is_gone_on_with(
    assay: Assay, api: FakeApi, tmp_path: Path, rows: str
) -> None:
    for _ in range(2):
        done = assay("scan", rows, "-o", "flagged.csv", "--label", "ai", "--server", api.url)
        assert done.returncode == 0, done.stderr

    assert sorted(row["id"] for row in table(tmp_path / "flagged.csv")) == ["7", "9"]
    assert len(lines(tmp_path / "flagged.all.jsonl")) == 4
    assert api.asked == {"http://h/1.jpg": 1, "http://h/gone.jpg": 1}
    assert "flagged.all.jsonl" in done.stderr


def test_some_labels_alone_are_written_in_the_lists_order(
    assay: Assay, api: FakeApi, tmp_path: Path
) -> None:
    names = [f"{'gone' * (n % 4 == 0)}{'slow' * (n % 3 == 0)}{n}.jpg" for n in range(60)]
    arguments = ("scan", listed(tmp_path, *names), "-o", "o.csv", "--label", "ai")
    arguments = (*arguments, "--order", "input", "--server", api.url)
    for api.quota, code, count in ((35, 1, 35), (None, 0, 60)):
        assert assay(*arguments).returncode == code
        flagged = [int(row["index"]) for row in table(tmp_path / "o.csv")]
        assert flagged == [n for n in range(count) if n % 4]
        assert [line["index"] for line in lines(tmp_path / "o.all.jsonl")] == list(range(count))


def test_the_labels_are_those_of_verdicts() -> None:
    assert [name.value for name in LabelName] == [label.value for label in Label]
