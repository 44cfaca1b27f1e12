"""Hostile requests, over real sockets to the real server (the family "Requests").

Each is refused in words, at once and with a status that is not 500; afterwards the API still
answers others. What needs no socket is in `middleware/test_origin_policy.py`.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from pytest_httpserver import HTTPServer

from backend.supervisor import Supervisor, is_ready
from models.errors import ErrorCode
from tests.conftest import until
from tests.pictures import drawing, encoded

pytestmark = pytest.mark.slow

MIB = 2**20
CLOSE = b"Host: localhost\r\nConnection: close\r\n"
BODY = CLOSE + b"Content-Type: application/json\r\n"
FORM = CLOSE + b"Content-Type: multipart/form-data; boundary=x\r\n"
RAW = CLOSE + b"Content-Type: image/png\r\n"


class Wire:
    """Sends bytes to the API and reads what comes, as no HTTP library would."""

    def __init__(self, stack: Supervisor) -> None:
        parts = urlsplit(stack.url)
        self._address = (parts.hostname, parts.port)

    def connect(self) -> socket.socket:
        return socket.create_connection(self._address, timeout=60)

    def ask(self, head: bytes, *body: bytes) -> tuple[int, bytes]:
        """Send all that the server takes; its answer's status, and its body."""
        with self.connect() as peer:
            try:
                for part in (head, b"\r\n", *body):
                    peer.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has heard enough
            answer = b""
            try:
                while piece := peer.recv(65_536):
                    answer += piece
            except ConnectionResetError:
                assert answer, "no answer before the connection was closed"
        head, _, text = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), text


@pytest.fixture
def wire(stack: Supervisor) -> Iterator[Wire]:
    """The wire; after the test the API is as well as before."""
    yield Wire(stack)
    stack.check()
    until(lambda: is_ready(stack.url), "it is ready")


def chunks(size: int, times: int) -> Iterator[bytes]:
    for _ in range(times):
        yield b"%x\r\n" % size + bytes(size) + b"\r\n"


def length(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n" % len(body)


def field(name: str, text: bytes, file: bool = False) -> bytes:
    called = f'form-data; name="{name}"' + ('; filename="../../a"' if file else "")
    return b"--x\r\nContent-Disposition: " + called.encode() + b"\r\n\r\n" + text + b"\r\n"


# A body of 100 MiB


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *((b"checks", BODY), (b"lookups", BODY), (b"scans", BODY)),
        *((b"images", FORM), (b"images", RAW)),
    ],
)
def test_a_body_of_100_mib_is_refused_by_its_announcement(
    wire: Wire, path: bytes, kind: bytes
) -> None:
    """Nothing of it is sent, and nothing is waited for."""
    head = b"POST /v1/" + path + b" HTTP/1.1\r\n" + kind + b"Content-Length: 104857600\r\n"
    status, body = wire.ask(head)
    assert status == 413
    assert json.loads(body)["status"] == 413


@pytest.mark.parametrize(
    ("path", "kind"),
    [(b"checks", BODY), (b"scans", BODY), (b"images", FORM), (b"images", RAW)],
)
def test_a_body_of_100_mib_in_chunks_is_not_kept(
    wire: Wire, stack: Supervisor, path: bytes, kind: bytes
) -> None:
    before = api_memory(stack)
    head = b"POST /v1/" + path + b" HTTP/1.1\r\n" + kind + b"Transfer-Encoding: chunked\r\n"
    status, _ = wire.ask(head, *chunks(MIB, 100))
    assert status in (413, 422)
    grown = api_memory(stack) - before
    assert grown < 60 * MIB, f"the API grew by {grown // MIB} MiB"


def api_memory(stack: Supervisor) -> int:
    """Bytes that the API's processes hold."""
    (api,) = (part for part in stack.processes if part.name == "api")
    parent = psutil.Process(api.process.pid)
    return sum(each.memory_info().rss for each in (parent, *parent.children()))


# Malformed requests


@pytest.mark.parametrize(
    ("head", "body", "statuses"),
    [
        pytest.param(b"FOO /v1/checks HTTP/1.1\r\n" + CLOSE, b"", {405}, id="wrong method FOO"),
        pytest.param(b"TRACE /v1/checks HTTP/1.1\r\n" + CLOSE, b"", {405}, id="wrong method TRACE"),
        pytest.param(
            b"CONNECT 10.0.0.1:80 HTTP/1.1\r\n" + CLOSE, b"", {400, 404, 405}, id="CONNECT"
        ),
        pytest.param(b"GET /../../etc/passwd HTTP/1.1\r\n" + CLOSE, b"", {404}, id="dot segments"),
        pytest.param(
            b"GET /openapi/..%2f..%2f..%2fetc/passwd HTTP/1.1\r\n" + CLOSE,
            b"",
            {404},
            id="encoded dot segments",
        ),
        pytest.param(b"GET /v1/checks/%00 HTTP/1.1\r\n" + CLOSE, b"", {404}, id="NUL in an id"),
        pytest.param(
            b"GET /" + b"a" * 16_000 + b" HTTP/1.1\r\n" + CLOSE, b"", {414}, id="16 KB path"
        ),
        pytest.param(
            b"GET /healthz HTTP/1.1\r\n" + CLOSE + b"A: b\r\n" * 1_000,
            b"",
            {431},
            id="1,000 headers",
        ),
        pytest.param(
            b"GET /healthz HTTP/1.1\r\n" + CLOSE + b"A: " + b"b" * 65_536 + b"\r\n",
            b"",
            {431},
            id="a header of 64 KB",
        ),
        pytest.param(
            b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n" + CLOSE,
            b"",
            {400, 421},
            id="a foreign Host before ours",
        ),
        pytest.param(
            b"GET /healthz HTTP/1.1\r\n" + CLOSE + b"Host: evil.example\r\n",
            b"",
            {400, 421},
            id="a foreign Host after ours",
        ),
        pytest.param(
            b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n"
            b"Connection: close\r\n",
            b"",
            {421},
            id="a foreign Host, forwarded",
        ),
        pytest.param(
            b"POST /v1/checks HTTP/1.1\r\n" + BODY + b"Content-Length: 3\r\nContent-Length: 4\r\n",
            b"{}{}",
            {400},
            id="two lengths",
        ),
        pytest.param(
            b"POST /v1/checks HTTP/1.1\r\n"
            + BODY
            + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            b"0\r\n\r\n",
            {400},
            id="a length and chunks",
        ),
        pytest.param(
            b"POST /v1/checks HTTP/1.1\r\n" + BODY + b"Content-Length: -3\r\n",
            b"",
            {400},
            id="a negative length",
        ),
        pytest.param(
            b"POST /v1/checks HTTP/1.1\r\n" + BODY + b"Transfer-Encoding: chunked\r\n",
            b"-5\r\nabcde\r\n",
            {400},
            id="a chunk of -5",
        ),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", b"", {400}, id="TLS"),
    ],
)
def test_what_is_no_proper_request_is_refused(
    wire: Wire, head: bytes, body: bytes, statuses: set[int]
) -> None:
    status, answer = wire.ask(head, body)
    assert status in statuses
    assert b"root:" not in answer


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param(b"json", b'{"urls": ' + b"[" * 200_000, id="deep nesting in JSON"),
        pytest.param(b"json", b'{"urls": ["' + b"a" * 20 * MIB + b'"]}', id="a text of 20 MiB"),
        pytest.param(b"json", b'{"urls": [' + b"9" * 5_000 + b"]}", id="5,000 digits"),
        pytest.param(b"jsonl", b'{"url": ' + b"[" * 8_000, id="deep nesting in JSON Lines"),
        pytest.param(b"jsonl", b'{"url": "' + b"a" * MIB + b'"}', id="a line of 1 MiB"),
        pytest.param(b"jsonl", b"\n" * 20 * MIB, id="20 MiB of empty lines"),
        pytest.param(b"csv", b'url\n"' + b"a\n" * MIB, id="a quotation that never ends"),
        pytest.param(b"csv", b"url" + b",a" * 100_000, id="100,000 columns"),
        pytest.param(b"text", b"ftp://a/\n" * 50_001, id="50,001 lines"),
        pytest.param(b"text", b"a" * 20 * MIB, id="a line of 20 MiB"),
        pytest.param(b"text", b"http://a/\xff", id="no UTF-8"),
    ],
)
def test_a_scan_of_what_is_no_list_is_refused(wire: Wire, kind: bytes, body: bytes) -> None:
    names = {b"json": b"application/json", b"jsonl": b"application/jsonl", b"csv": b"text/csv"}
    head = b"POST /v1/scans HTTP/1.1\r\n" + CLOSE
    head += b"Content-Type: " + names.get(kind, b"text/plain") + b"\r\n" + length(body)
    status, answer = wire.ask(head, body)
    assert status in (400, 422)
    assert json.loads(answer)["errors"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"urls": ["ftp://a/"], "wait": NaN}', id="NaN"),
        pytest.param(b'{"urls": ["ftp://a/"], "wait": 1e999}', id="infinity"),
        pytest.param(b'{"urls": ["ftp://a/"], "wait": ' + b"9" * 5_000 + b"}", id="5,000 digits"),
        pytest.param(b'{"urls": ["http://a/\\ud800"]}', id="half a surrogate pair"),
        pytest.param(b'{"urls": ["http://a/\xff"]}', id="no UTF-8"),
        pytest.param(b'\xef\xbb\xbf{"urls": ["ftp://a/"]}', id="a byte order mark"),
        pytest.param('{"urls": ["ftp://a/"]}'.encode("utf-16"), id="UTF-16"),
        pytest.param(
            b'{"urls": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", id="deep nesting in a field"
        ),
        pytest.param(json.dumps("[" * 100_000).encode(), id="deep nesting in a string"),
    ],
)
def test_json_that_is_odd_is_refused(wire: Wire, body: bytes) -> None:
    status, answer = wire.ask(b"POST /v1/checks HTTP/1.1\r\n" + BODY + length(body), body)
    assert status in (400, 422)  # it is not JSON, or not an object
    assert json.loads(answer)["errors"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(field("image", b"text") + b"--x--\r\n", 422, id="text for a file"),
        pytest.param(
            field("image", b"x", file=True) + field("wait", b"[" * 50_000) + b"--x--\r\n",
            422,
            id="deep nesting in a field",
        ),
        pytest.param(
            field("image", b"x", file=True) + field("wait", b"9" * 5_000) + b"--x--\r\n",
            422,
            id="5,000 digits",
        ),
        pytest.param(
            field("image", b"x", file=True) + field("wait", b"nan") + b"--x--\r\n", 422, id="NaN"
        ),
        pytest.param(field("a", b"b") * 10_000 + b"--x--\r\n", 413, id="10,000 fields"),
        pytest.param(field("a" * 900_000, b"b") + b"--x--\r\n", 413, id="a name of 900 KB"),
        pytest.param(b"--x", 422, id="early end"),
        pytest.param(b"", 422, id="no body"),
    ],
)
def test_a_form_that_is_odd_is_refused(wire: Wire, body: bytes, status: int) -> None:
    told, answer = wire.ask(b"POST /v1/images HTTP/1.1\r\n" + FORM + length(body), body)
    assert told == status
    assert json.loads(answer)["status"] == status


def test_a_file_s_name_names_no_file_here(wire: Wire, stack: Supervisor) -> None:
    before = set(stack.settings.data_dir.parent.iterdir())
    body = field("image", encoded(drawing(70)), file=True) + b"--x--\r\n"
    status, _ = wire.ask(b"POST /v1/images HTTP/1.1\r\n" + FORM + length(body), body)
    assert status in (200, 202)
    assert set(stack.settings.data_dir.parent.iterdir()) == before


def test_a_line_of_1_mib_is_one_bad_url(wire: Wire) -> None:
    body = json.dumps({"urls": ["http://example.com/" + "a" * (MIB - 100)]}).encode()
    status, answer = wire.ask(b"POST /v1/checks HTTP/1.1\r\n" + BODY + length(body), body)
    assert status == 200
    assert json.loads(answer)["items"][0]["error"]["code"] == ErrorCode.BAD_URL


def test_urls_that_no_parser_agrees_on_are_bad_ones(wire: Wire) -> None:
    urls = ["http://-1.2.3.4/", "http://1_0.2.3.4/", "http://a/\0", "http://[::1", "\x85", ""]
    body = json.dumps({"urls": urls}).encode()
    status, answer = wire.ask(b"POST /v1/checks HTTP/1.1\r\n" + BODY + length(body), body)
    assert status == 200
    codes = [item["error"]["code"] for item in json.loads(answer)["items"]]
    assert codes == [ErrorCode.BAD_URL] * len(urls)


def test_a_url_given_100_times_is_fetched_once(stack: Supervisor, site: HTTPServer) -> None:
    site.expect_request("/a.png").respond_with_data(encoded(drawing(71), "PNG"))
    url = site.url_for("/a.png")
    body = {"urls": [url] * 100, "wait": 20}
    answer = requests.post(f"{stack.url}/v1/checks", json=body, timeout=60)
    until(lambda: len(site.log) > 0, "it is fetched")
    assert [item["url"] for item in answer.json()["items"]] == [url] * 100
    assert len(site.log) == 1


# Clients that disconnect


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="before a word"),
        pytest.param(b"POST /v1/che", id="in the first line"),
        pytest.param(b"POST /v1/checks HTTP/1.1\r\nHost: loc", id="in the headers"),
        pytest.param(
            b"POST /v1/checks HTTP/1.1\r\n" + BODY + b'Content-Length: 999\r\n\r\n{"urls"',
            id="in the body",
        ),
        pytest.param(
            b"POST /v1/checks HTTP/1.1\r\n" + BODY + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
            id="in a chunk",
        ),
        pytest.param(
            b"POST /v1/images HTTP/1.1\r\n" + FORM + b"Content-Length: 9999\r\n\r\n--x\r\nContent-",
            id="in a form",
        ),
        pytest.param(
            b"POST /v1/images HTTP/1.1\r\n" + RAW + b"Content-Length: 9999\r\n\r\n\x89PNG",
            id="in an image",
        ),
    ],
)
def test_clients_that_disconnect_cost_nothing(wire: Wire, stack: Supervisor, sent: bytes) -> None:
    for _ in range(100):  # more than there are places for requests
        with wire.connect() as peer:
            peer.sendall(sent)
    until(lambda: is_ready(stack.url), "others are served")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\nA", id="in the headers"),
        pytest.param(
            b"POST /v1/checks HTTP/1.1\r\n" + BODY + b"Content-Length: 999\r\n\r\n{",
            id="in the body",
        ),
    ],
)
def test_clients_that_stop_halfway_keep_nobody_out(
    wire: Wire, stack: Supervisor, sent: bytes
) -> None:
    with ExitStack() as peers:
        for _ in range(200):
            peers.enter_context(wire.connect()).sendall(sent)
        until(lambda: is_ready(stack.url), "others are served meanwhile")


def test_what_was_asked_for_is_done_though_who_asked_has_gone(
    wire: Wire, stack: Supervisor, site: HTTPServer
) -> None:
    site.expect_request("/a.png").respond_with_data(encoded(drawing(72), "PNG"))
    url = site.url_for("/a.png")
    body = json.dumps({"urls": [url], "wait": 20}).encode()
    with wire.connect() as peer:
        peer.sendall(b"POST /v1/checks HTTP/1.1\r\n" + BODY + length(body) + b"\r\n" + body)
        until(lambda: len(site.log) > 0, "the fetch began")

    def known() -> bool:
        answer = requests.post(f"{stack.url}/v1/lookups", json={"urls": [url]}, timeout=30)
        return bool(answer.json()["items"][0]["status"] == "done")

    until(known, "the verdict is there")
