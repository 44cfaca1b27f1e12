"""What a scan is of, as it comes in by HTTP: every form, every fault, and what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterable

import pytest
from werkzeug import Request
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    RequestEntityTooLarge,
    ServiceUnavailable,
    UnsupportedMediaType,
)
from werkzeug.test import EnvironBuilder

from backend import scan_parser
from backend.middleware.problems import InvalidRequestError
from backend.scan_parser import MAX_BODY, parse_scan, receive
from workers.storage.scans.records import ScanItem

ONE, TWO = "http://h/1", "http://h/2"


def request_of(body: bytes, content_type: str, **headers: str) -> Request:
    builder = EnvironBuilder("/v1/scans", method="POST", data=body, content_type=content_type)
    builder.headers.extend(headers)
    request = Request(builder.get_environ())
    request.max_content_length = MAX_BODY
    return request


def read(
    body: str | bytes, content_type: str, column: str | None = None, *, force: bool = False
) -> tuple[list[ScanItem], bool]:
    data = body if isinstance(body, bytes) else body.encode()
    with receive(request_of(data, content_type)) as received:
        items, force, *_ = parse_scan(received, column, force=force)
        return list(items), force


FORMS = {
    "json": ("application/json", '{"urls": ["http://h/1", "http://h/2"]}'),
    "json items": ("application/json", '{"items": [{"url": "http://h/1"}, {"url": "http://h/2"}]}'),
    "json lines": ("application/jsonl", '{"url": "http://h/1"}\n{"url": "http://h/2"}\n'),
    "ndjson": ("application/x-ndjson", '{"url": "http://h/1"}\n\n{"url": "http://h/2", "n": 1}'),
    "csv": ("text/csv", "title,url\r\n,http://h/1\r\n,http://h/2\r\n"),
    "csv of one column": ("text/csv; charset=utf-8", "address\nhttp://h/1\nhttp://h/2\n"),
    "csv without a header": ("text/csv", "http://h/1\nhttp://h/2\n"),
    "csv of several lines a row": ("text/csv", 'url,title\nhttp://h/1,"a\nb"\n\nhttp://h/2,\n'),
    "csv with a mark": ("text/csv", "\ufeffurl,id\nhttp://h/1,1\nhttp://h/2,2\n"),
    "text": ("text/plain", "# ours\nhttp://h/1\n\n  http://h/2  "),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_its_urls_in_order(form: str) -> None:
    content_type, body = FORMS[form]
    assert read(body, content_type) == ([ScanItem(ONE), ScanItem(TWO)], False)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", '{"items": [{"custom_id": "a", "url": "http://h/1"}]}'),
        ("application/jsonl", '{"url": "http://h/1", "custom_id": "a"}'),
        ("text/csv", "custom_id,url\na,http://h/1"),
    ],
)
def test_an_item_keeps_its_own_name(content_type: str, body: str) -> None:
    assert read(body, content_type)[0] == [ScanItem(ONE, "a")]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/jsonl", '{"image": "http://h/1", "url": 3}'),
        ("text/csv", "a,image\n,http://h/1"),
    ],
)
def test_another_column_can_be_named(content_type: str, body: str) -> None:
    assert read(body, content_type, "image")[0] == [ScanItem(ONE)]


@pytest.mark.parametrize(
    "body", ['{"force": true, "urls": ["http://h/1"]}', '{"urls": ["http://h/1"], "force": true}']
)
def test_json_itself_can_ask_to_fetch_again(body: str) -> None:
    assert read(body, "application/json") == ([ScanItem(ONE)], True)


def test_what_is_no_url_is_an_item_that_will_fail_and_no_fault_of_the_list() -> None:
    urls = ["", "ftp://h/1", "no url", "=1+1"]
    assert read(json.dumps({"urls": urls}), "application/json")[0] == [ScanItem(u) for u in urls]


FAULTS = [
    ("application/json", b"", "body", "JSON"),
    ("application/json", b"\xff", "body", "JSON"),
    ("application/json", b'{"urls": ["http://h/1"', "body", "JSON"),
    ("application/json", b'{"urls": ["http://h/1"]} {}', "body", "JSON"),
    ("application/json", b'["http://h/1"]', "body", "object"),
    ("application/json", b'"http://h/1"', "body", "object"),
    ("application/json", b"{}", "body", "URL"),
    ("application/json", b'{"urls": []}', "body", "URL"),
    ("application/json", b'{"url": ["http://h/1"]}', "body", "urls"),
    ("application/json", b'{"urls": "http://h/1"}', "body.urls", "list"),
    ("application/json", b'{"urls": {"a": 1}}', "body.urls", "list"),
    ("application/json", b'{"urls": ["a", 3]}', "body.urls.1", "list"),
    ("application/json", b'{"urls": ["a", ["b"]]}', "body.urls.1", "list"),
    ("application/json", b'{"urls": ["a", {"url": "b"}]}', "body.urls.1", "list"),
    ("application/json", b'{"urls": [' + b"1" * 5000 + b"]}", "body", "JSON"),
    ("application/json", b'{"urls": ["a"], "urls": ["b"]}', "body.urls", "urls"),
    ("application/json", b'{"urls": ["a"], "items": []}', "body.items", "urls"),
    ("application/json", b'{"urls": ["a"], "force": "yes"}', "body.force", "true"),
    ("application/json", b'{"items": ["a"]}', "body.items.0", "url"),
    ("application/json", b'{"items": [{}]}', "body.items.0", "url"),
    ("application/json", b'{"items": [{"url": 1}]}', "body.items.0", "url"),
    ("application/json", b'{"items": [{"url": "a", "id": 1}]}', "body.items.0", "url"),
    ("application/json", b'{"items": [{"url": "a", "custom_id": 1}]}', "body.items.0", "custom_id"),
    ("application/json", b'{"urls": ["' + b"a" * 8193 + b'"]}', "body.urls.0", "8,192"),
    ("application/json", b'{"urls": ["' + b"a" * 2**20 + b'"]}', "body", "8,192"),
    ("application/jsonl", b"", "body", "URL"),
    ("application/jsonl", b'{"url": "a"}\n{"ur', "line 2", "JSON"),
    ("application/jsonl", b'{"url": "a"}\n\n["a"]', "line 3", "JSON"),
    ("application/jsonl", b'{"image": "a"}', "line 1", "column="),
    ("application/jsonl", b'{"url": "a"}\n{"url": 1}', "line 2", "'url'"),
    ("application/jsonl", b'{"url": ""}', "line 1", "URL"),
    ("application/jsonl", b'{"url": "a", "custom_id": 1}', "line 1", "custom_id"),
    ("application/jsonl", b'{"url": "http://h/\\ud800"}', "line 1", "Unicode"),
    ("application/jsonl", b'{"url": ' + b"[" * 4096 + b"}", "line 1", "JSON"),
    ("application/jsonl", b'{"url": "a", "custom_id": "' + b"i" * 257 + b'"}', "line 1", "256"),
    ("text/csv", b"", "body", "URL"),
    ("text/csv", b"url\n", "body", "URL"),
    ("text/csv", b"id,image\n1,http://h/1\n", "line 1", "id, image"),
    ("text/csv", b"id,url\n1,http://h/1\n2\n", "line 3", "URL"),
    ("text/csv", b"id,url\n1,\n", "line 2", "URL"),
    ("text/csv", b'url\n"http://h/1\nhttp://h/2\n', "line 3", "CSV"),
    ("text/csv", b'url\n"' + b"a,\n" * 70_000 + b'"\n', "line", "CSV"),
    ("text/plain", b"\n# nothing\n", "body", "URL"),
    ("text/plain", b"http://h/1\nhttp://h/\xe9\n", "line 2", "UTF-8"),
    ("text/plain", b"http://h/1\nhttp://h/" + b"a" * 2**20 + b"\n", "line 2", "8,192 bytes"),
    ("text/plain", b"http://h/1\rhttp://h/2" + b"a" * 8192, "line 2", "8,192 bytes"),
    ("text/plain", b"\n" * 500_001, "line 500001", "500,000 lines"),
]


@pytest.mark.parametrize(
    ("content_type", "body", "field", "words"),
    FAULTS,
    ids=[f"{t.partition('/')[2]}: {b[:30]!r}" for t, b, _, _ in FAULTS],
)
def test_a_fault_is_named_with_its_place(
    content_type: str, body: bytes, field: str, words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words) as fault:
        read(body, content_type)
    assert fault.value.field == field if field != "line" else fault.value.field.startswith("line ")


def test_a_column_of_a_plain_text_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="column"):
        read(ONE, "text/plain", "url")


MANY = 50_000
FULL = {
    "json": ("application/json", lambda n: json.dumps({"urls": [ONE] * n})),
    "json items": ("application/json", lambda n: json.dumps({"items": [{"url": ONE}] * n})),
    "json lines": ("application/jsonl", lambda n: '{"url": "http://h/1"}\n' * n),
    "csv": ("text/csv", lambda n: "url\n" + "http://h/1\n" * n),
    "text": ("text/plain", lambda n: "http://h/1\n" * n),
}


@pytest.mark.parametrize("form", FULL)
def test_fifty_thousand_urls_are_taken_and_one_more_is_refused(form: str) -> None:
    content_type, write = FULL[form]
    assert len(read(write(MANY), content_type)[0]) == MANY
    with pytest.raises(InvalidRequestError, match="50,000") as fault:
        read(write(MANY + 1), content_type)
    assert fault.value.field.rpartition(" ")[2].rpartition(".")[2] in ("50000", "50001", "50002")


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("", {}),
        ("application/octet-stream", {}),
        ("multipart/form-data; boundary=x", {}),
        ("text/html", {}),
        ("text/csv; charset=latin-1", {}),
        ("text/csv", {"Content-Encoding": "gzip"}),
    ],
)
def test_what_is_no_list_is_refused_by_its_type(content_type: str, headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType), receive(request_of(b"x", content_type, **headers)):
        pass


class Pieces:
    """A body as a server hands it on, piece by piece, which may break."""

    def __init__(self, pieces: Iterable[bytes | Exception]) -> None:
        self._pieces = iter(pieces)

    def read(self, _size: int = -1) -> bytes:
        piece = next(self._pieces, b"")
        if isinstance(piece, Exception):
            raise piece
        return piece


def streamed(pieces: Iterable[bytes | Exception], length: int | None = None) -> Request:
    request = request_of(b"", "text/plain")
    request.environ |= {"wsgi.input": Pieces(pieces), "wsgi.input_terminated": True}
    request.environ["CONTENT_LENGTH"] = "" if length is None else str(length)
    return request


def refusal_of(request: Request) -> HTTPException:
    with pytest.raises(HTTPException) as refusal, receive(request) as body:
        list(parse_scan(body, None, force=False)[0])
    return refusal.value


def test_a_body_that_says_it_is_too_large_is_refused_unread() -> None:
    request = streamed([AssertionError("read")], MAX_BODY + 1)
    assert isinstance(refusal_of(request), RequestEntityTooLarge)


def test_a_body_that_turns_out_too_large_is_refused() -> None:
    assert isinstance(refusal_of(streamed([b"a" * 2**14] * 2049)), RequestEntityTooLarge)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"http://h/1\nhttp"],
        [b"http://h/1\n", ConnectionResetError()],
        [b"http://h/1\n", RuntimeError("the server's own: a bad chunk")],
    ],
    ids=["short", "reset", "bad chunk"],
)
def test_a_body_that_breaks_off_is_not_taken_for_the_whole(pieces: list[bytes]) -> None:
    assert isinstance(refusal_of(streamed(pieces, 1000)), BadRequest)


def test_a_full_disk_is_told_as_something_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scan_parser, "SpooledTemporaryFile", full)
    refusal = refusal_of(streamed([b"http://h/1\n"]))
    assert isinstance(refusal, ServiceUnavailable)
    assert refusal.retry_after


def test_the_same_request_has_the_same_fingerprint_and_no_other_has() -> None:
    def fingerprint(body: bytes, content_type: str, query: str = "") -> str:
        request = request_of(body, content_type)
        request.query_string = query.encode()
        with receive(request) as received:
            return received.fingerprint

    first = fingerprint(b"url\na\n", "text/csv")
    assert first == fingerprint(b"url\na\n", "text/csv; charset=utf-8")
    others = {
        fingerprint(b"url\nb\n", "text/csv"),
        fingerprint(b"url\na\n", "text/plain"),
        fingerprint(b"url\na\n", "text/csv", "force=true"),
    }
    assert len({first, *others}) == 4


HOSTILE = {
    "empty lists": "b'{\"urls\":[' + b'[],' * 11_000_000 + b'[]]}', 'application/json'",
    "deep": "b'{\"urls\":' + b'[' * (MAX_BODY - 99), 'application/json'",
    "deep in an item": "b'{\"items\":[{\"a\":' + b'[' * (MAX_BODY - 99), 'application/json'",
    "many keys": "b'{' + b'\"force\":true,' * 2_500_000, 'application/json'",
    "one string": "b'{\"urls\":[\"' + b'a' * (MAX_BODY - 99) + b'\"]}', 'application/json'",
    "blanks": "b'{' + b' ' * (MAX_BODY - 99) + b'}', 'application/json'",
    "one line": "b'a' * MAX_BODY, 'text/plain'",
    "one cell": "b'url\\n\"' + b'a\\n' * (MAX_BODY // 2 - 9), 'text/csv'",
    "quotes": "b'url\\n' + b'\"\"' * (MAX_BODY // 2 - 9), 'text/csv'",
    "commas": "b'url' + b',' * 8000 + b'\\n' + (b',' * 8000 + b'\\n') * 4000, 'text/csv'",
    "columns": "b'url' + b',a' * 16_000_000, 'text/csv'",
    "columns of short rows": (
        "b'url' + b',a' * 4000 + b'\\nhttp:,1' * 49_000 + b'\\n,1', 'text/csv'"
    ),
    "array of arrays": "b'[' + b'[],' * 11_000_000 + b'[]]', 'text/plain'",
    "deep array": "b'[' * MAX_BODY, 'text/plain'",
    "one text in an array": "b'[\"' + b'a' * (MAX_BODY - 4) + b'\"]', 'text/plain'",
    "blanks in an array": "b'[\"' + b' ' * (MAX_BODY - 4) + b'\"]', 'text/plain'",
    "objects": "b'{\"a\":1}' * 4_000_000, 'text/plain'",
    "zeros": "bytes(MAX_BODY), 'text/csv'",
    "UTF-16": "b'a\\0' * (MAX_BODY // 2), 'text/plain'",
    "empty lines": "b'\\n' * MAX_BODY, 'text/plain'",
}


@pytest.mark.slow
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_no_body_costs_more_memory_than_itself(body: str) -> None:
    """In a process of its own, which holds the body once, as the test's own source of bytes."""
    code = textwrap.dedent(f"""
        import resource
        from tests.backend.test_scan_parser import *
        request = request_of({body})
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        before = peak()
        try:
            with receive(request) as received:
                for _ in parse_scan(received, None, force=False)[0]:
                    pass
        except (BadRequest, InvalidRequestError) as error:
            print(error)
        else:
            raise AssertionError("taken")
        assert peak() - before < 64, f"{{peak() - before}} MiB"
    """)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
