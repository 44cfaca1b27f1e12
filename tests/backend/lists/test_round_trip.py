"""Lists give exactly what was written, and no bytes break the reader."""

from __future__ import annotations

import codecs
import csv
import io
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException

from backend.cli.inputs import InputError
from backend.middleware.problems import InvalidRequestError
from tests.backend.lists.reading import by_file, by_http

TEXT = st.text("abz09é日😀 .-_~%&=+,;|'\"#()[]{}<>?/:@", max_size=20)
URL = TEXT.map(lambda text: f"https://h.example/{text}z")
EMOJI = f"https://h.example/{20 * '😀'}z"
"""In UTF-16 each of these emoji has a zero byte, where ASCII has none."""
NOTE = st.one_of(TEXT.map(str.strip), st.sampled_from(["", "two\nlines"]))
ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
}
UNMARKED = ("utf-16-le", "utf-16-be")
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
PREFACE = st.lists(st.sampled_from(["", "# ours", '# by "us", today', "  "]), max_size=3)
EDITIONS = st.sampled_from(
    [*((name, mark) for name, mark in ENCODINGS.items()), *((name, b"") for name in UNMARKED)]
)


def encoded(text: str, edition: tuple[str, bytes]) -> bytes:
    encoding, mark = edition
    return mark + text.encode(encoding)


@given(urls=st.lists(URL, min_size=1), end=LINE_ENDS, preface=PREFACE, edition=EDITIONS)
@example(urls=[EMOJI], end="\n", preface=[], edition=("utf-16-le", b""))
@example(urls=[EMOJI], end="\n", preface=[], edition=("utf-16-be", b""))
def test_plain_text_gives_exactly_its_urls(
    urls: list[str], end: str, preface: list[str], edition: tuple[str, bytes]
) -> None:
    data = encoded(end.join([*preface, *urls]), edition)
    assert [source.name for source in by_file(data, "list.txt")] == urls
    assert by_http(data, "text/plain") == urls


@given(
    rows=st.lists(st.tuples(URL, NOTE, NOTE), min_size=1),
    separator=st.sampled_from(",;\t|"),
    title=st.sampled_from(["url", "URL", " Url ", "Image URL", "image_url", "Link", "src"]),
    place=st.integers(0, 2),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=LINE_ENDS,
    preface=PREFACE,
    tells=st.booleans(),
    edition=EDITIONS,
)
def test_a_table_gives_exactly_its_urls_and_columns(
    rows: list[tuple[str, str, str]],
    separator: str,
    title: str,
    place: int,
    quoting: Any,
    end: str,
    preface: list[str],
    tells: bool,
    edition: tuple[str, bytes],
) -> None:
    def placed(url: str, first: str, second: str) -> list[str]:
        cells = [cell.replace("\n", end) for cell in (first, second)]
        cells.insert(place, url)
        return cells

    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)
    if tells:
        text.write(f"sep={separator}{end}")
    text.write("".join(line + end for line in preface))
    writer.writerow(placed(title, "title", "note"))
    writer.writerows(placed(*row) for row in rows)
    data = encoded(text.getvalue(), edition)

    expected = [url for url, _, _ in rows]
    for name in ("list.csv", "list.txt", "list"):
        found = by_file(data, name)
        assert [each.name for each in found] == expected
        # A cell's white space at its start is not kept, as after a comma in hand-written lists.
        assert [(source.columns["title"], source.columns["note"]) for source in found] == [
            (first.replace("\n", end), second.replace("\n", end)) for _, first, second in rows
        ]
    assert by_http(data, "text/csv") == by_http(data, "text/plain") == expected


@given(
    rows=st.lists(st.tuples(URL, NOTE), min_size=1),
    separator=st.sampled_from(",;\t|"),
    url_first=st.booleans(),
    end=LINE_ENDS,
    edition=EDITIONS,
)
def test_a_table_without_a_header_gives_exactly_its_urls_where_its_cells_are_quoted(
    rows: list[tuple[str, str]],
    separator: str,
    url_first: bool,
    end: str,
    edition: tuple[str, bytes],
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator=end)
    writer.writerows(row if url_first else row[::-1] for row in rows)
    data = encoded(text.getvalue(), edition)

    expected = [url for url, _ in rows]
    assert [source.name for source in by_file(data, "list.csv")] == expected
    assert by_http(data, "text/csv") == by_http(data, "text/plain") == expected


@given(
    urls=st.lists(URL, min_size=1),
    wrap=st.sampled_from(["texts", "objects", "lines", "body", "several"]),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
    end=LINE_ENDS,
    edition=EDITIONS,
)
def test_json_gives_exactly_its_urls(
    urls: list[str],
    wrap: str,
    indent: int | None,
    ascii_only: bool,
    end: str,
    edition: tuple[str, bytes],
) -> None:
    objects = [{"n": n, "url": url, "tags": ["a", url]} for n, url in enumerate(urls)]
    body = {"texts": urls, "objects": objects, "body": {"urls": urls}}.get(wrap)
    if body is not None:
        text = json.dumps(body, indent=indent, ensure_ascii=ascii_only)
    else:
        indent = indent if wrap == "several" else None
        text = "\n".join(
            json.dumps(each, indent=indent, ensure_ascii=ascii_only) for each in objects
        )
    data = encoded(text.replace("\n", end), edition)

    found = by_file(data, "list.json")
    assert [each.name for each in found] == urls
    if wrap in ("objects", "lines", "several"):
        tags = [json.dumps(["a", url], ensure_ascii=False, separators=(",", ":")) for url in urls]
        assert [dict(source.columns) for source in found] == [
            {"n": str(n), "tags": tag} for n, tag in enumerate(tags)
        ]
    assert by_http(data, "text/plain") == urls
    if wrap == "lines":
        assert by_http(data, "application/jsonl") == urls
    if wrap == "body":
        assert by_http(data, "application/json") == urls


@given(
    st.one_of(st.binary(), st.text().map(str.encode), st.text("htp:/a.jgurl,;\t|\"'#[]{}\r\n\0 "))
)
@example(b"\xff\xfe\xff")
@example(b"\xff\xfe\0\0h")
@example(b'url\n"')
@example(b'"a\nb\x1b",c\n')
@example(b"sep=\n")
@example(b"sep=:\nurl\nhttp://h/a")
@example(b'["')
@example(b'{"url": "http://h/\\ud800"}')
@example(b"\xef\xbb\xbf")
@example("a\u2028b".encode("utf-16"))
def test_nothing_is_read_with_a_traceback_and_no_address_is_made_up(data: bytes | str) -> None:
    raw = data.encode() if isinstance(data, str) else data
    for name in ("list.csv", "list.tsv", "list.jsonl", "list"):
        try:
            by_file(raw, name)
        except InputError as error:
            said = str(error).encode()  # no half of a surrogate pair
        else:
            said = b""
        assert b"\n" not in said
    for content_type in ("text/csv", "text/plain", "application/jsonl", "application/json"):
        try:
            found = by_http(raw, content_type)
        except (InvalidRequestError, HTTPException):
            continue
        if b'"' not in raw and b"\0" not in raw:
            assert all(url in raw.decode(errors="replace") for url in found)
