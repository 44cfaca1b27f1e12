"""What is not a list, what cannot be read, and pipes."""

from __future__ import annotations

import gzip
import io
import os
import threading
import zipfile
from pathlib import Path

import pytest
from werkzeug.exceptions import BadRequest

from backend.cli.inputs import InputError, read_inputs
from backend.lists import ListError, NotAListError
from backend.middleware.problems import InvalidRequestError
from tests.backend.lists.reading import PNG, A, B, by_file, by_http, entries


def zipped(*names: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 500)
    return data.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
NO_LISTS = {
    "xlsx": (zipped("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"), "Excel workbook"),
    "xls": (OLE + "Workbook".encode("utf-16-le"), "Excel workbook"),
    "doc": (OLE, "Office document"),
    "docx": (zipped("[Content_Types].xml", "word/document.xml"), "Word document"),
    "zip": (zipped("urls.txt"), "ZIP archive"),
    "gzip": (gzip.compress(A.encode()), "gzip"),
    "PDF": (b"%PDF-1.7\n", "PDF"),
    "RTF": (b"{\\rtf1\\ansi http://h/a}", "RTF"),
    "HTML": (f'\n<!DOCTYPE html><html><img src="{A}"></html>'.encode(), "web page"),
    "HTML without a type": (f'<html>\n<img src="{A}"></html>'.encode(), "web page"),
    "HTML in UTF-16": (f"<p>{A}</p>".encode("utf-16"), "web page"),
    "site map": (f'<?xml version="1.0"?><urlset><loc>{A}'.encode(), "XML"),
    "image": (PNG, "an image"),
    "program": (b"\x7fELF\x02\x01\x01" + bytes(99), "binary"),
    "random bytes": (bytes(range(256)) * 9, "binary"),
    "zeros": (bytes(999), "binary"),
}


@pytest.mark.parametrize("kind", NO_LISTS)
@pytest.mark.parametrize("content_type", ["text/csv", "text/plain", "application/jsonl"])
def test_what_is_no_list_is_named(kind: str, content_type: str) -> None:
    data, words = NO_LISTS[kind]
    with pytest.raises(BadRequest, match=words):
        by_http(data, content_type)
    if kind != "image":  # which is scanned
        with pytest.raises(InputError, match=words):
            by_file(data, "list.csv")


def test_an_opendocument_spreadsheet_is_named() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(NotAListError, match="OpenDocument spreadsheet"):
        entries(data.getvalue())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("example.com/a.jpg\n//example.com/b.jpg\n", "line 1: .*https:// before it"),
        ("\nwww.example.com\n", "line 2: .*https:// before it"),
        ("localhost:8000/a.jpg", "https:// before it"),
        ("example.com/a.jpg,example.com/b.jpg", "https:// before it"),
        ("Dear all,\nplease find attached", "line 1: Not a URL"),
        ("ftp://h/a.jpg\n", "Only http and https"),
        ("data:image/png;base64," + "A" * 150_000, "Only http and https"),
        ("['http://h/a.jpg']", "Not a URL"),
        ("[1, 2]", "neither a text nor an object"),
        ("folder/none.jpg", "no such file"),
    ],
)
def test_a_list_of_which_no_row_is_an_image_is_no_list(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        by_file(text.encode(), "list.txt")
    with pytest.raises((BadRequest, InvalidRequestError)):
        by_http(text.encode(), "text/plain")


def test_a_row_that_is_no_image_among_others_has_a_fault() -> None:
    text = f"{A}\nexample.com/b.jpg\nnone.jpg\nftp://h/c.jpg\n"
    faults = [source.fault for source in by_file(text.encode(), "list.txt")]
    assert faults[0] is None
    assert "put https:// before it" in str(faults[1])
    assert "no such file" in str(faults[2])
    assert "Only http and https" in str(faults[3])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (f"url;titre\n{A};été\n".encode("cp1252"), "line 2: Not valid UTF-8.*CSV UTF-8"),
        (f"été;url\n1;{A}\n".encode("cp1252"), "line 1: Not valid UTF-8"),
        (f"{A}\n{B}".encode("utf-16")[:-1], "line 2: Not valid UTF-16"),
        (f'url,n\n{A},1\n{A},"b\n{B},2\n'.encode(), "line 4: .*begins in line 3"),
        (f'url,n\n{A},"b"c\n'.encode(), "line 2: Not valid CSV"),
        (b'["http://h/a",\n"http://h/b"\n"http://h/c"]', "line 3: Not valid JSON"),
        (b'["http://h/a",\n', "line 2: Not valid JSON"),
        (b'["http://h/a"]\n]', "line 2: Not valid JSON"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        by_file(data, "list.csv")
    with pytest.raises(InvalidRequestError, match=words):
        by_http(data, "text/csv")


def test_the_line_is_named_far_behind_the_start_as_well() -> None:
    text = f"{A}\n" * 20_000
    for data, words in (
        (text.encode() + b"http://h/\xe9\n", "line 20001: Not valid UTF-8"),
        (text.encode() + b"http://h/" + b"a" * 2**20 + b"\n", "line 20001: This is longer"),
    ):
        with pytest.raises(ListError, match=words):
            entries(data)


# Pipes


class Endless(io.RawIOBase):
    """A pipe in which one line never ends."""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        assert size >= 0, "all of it was asked for"
        return b"a" * size


def test_a_line_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": Endless()}))
    with pytest.raises(InputError, match="standard input, line 1: This is longer than 16,777,216"):
        read_inputs(["-"])


def test_a_list_comes_through_a_pipe_of_any_length(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    given = [f"http://h/{n}.jpg" for n in range(20_000)]
    writer = threading.Thread(target=lambda: pipe.write_text("url;n\n" + ";1\n".join(given)))
    writer.start()
    found = read_inputs([str(pipe)])
    writer.join()
    assert [each.name for each in found] == given
