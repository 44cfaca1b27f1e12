"""The worst of the web in one job: every item has its own fate, and nothing else comes of it."""

from __future__ import annotations

import itertools
import json
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import requests

from backend.supervisor import Supervisor
from models.errors import ErrorCode
from tests.bombs import GZIP_BOMB, ZLIB_BOMB
from tests.conftest import until
from tests.models.image_files import (
    TIFF_BOMB,
    bmp_bytes,
    gif_bytes,
    jpeg_segment,
    picture,
    png,
    png_chunk,
    webp_canvas,
    with_jpeg_segment,
    with_png_chunk,
)
from tests.pictures import drawing, encoded
from tests.workers.fetching.servers import OK, ScriptedServer, Step, answer, redirect

MIB = 2**20
LONGEST = 180.0
"""Seconds for the whole job on a busy machine: its slowest items take 15 each, side by side."""
DEAF = "127.0.3.1"
"""The address of the host that is dead."""
JOB = "the job is done, and no stalling server holds it up"
GOOD = None
"""The code of what has a verdict."""

PNG, JPEG, GIF, WEBP = (encoded(picture(), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP"))

# Each on a host of its own, so that none waits for another's manners.
SERVERS: dict[str, tuple[ErrorCode | None, list[Step]]] = {
    "accepts and says nothing": (ErrorCode.TIMEOUT, [60.0]),
    "slow headers": (ErrorCode.TIMEOUT, [OK + b"X: ", *(b"a", 1.0) * 60]),
    "one byte a second": (ErrorCode.TIMEOUT, [OK + b"\r\n", *(b"a", 1.0) * 60]),
    "early EOF": (ErrorCode.CONNECT_FAILURE, [b""]),
    "Content-Length that lies small": (
        ErrorCode.CORRUPT_IMAGE,
        [OK + b"Content-Length: 99\r\n\r\n" + PNG],
    ),
    "Content-Length that lies large": (
        ErrorCode.CONNECT_FAILURE,
        [OK + b"Content-Length: 99999\r\n\r\n" + PNG],
    ),
    "Content-Length negative": (GOOD, [OK + b"Content-Length: -1\r\n\r\n" + PNG]),
    "Content-Length twice": (
        ErrorCode.CONNECT_FAILURE,
        [OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n" + PNG],
    ),
    "chunked without end": (
        ErrorCode.TOO_LARGE,
        [OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"10000\r\n" + bytes(65_538)] * 400],
    ),
    "a chunk of -5": (
        ErrorCode.CONNECT_FAILURE,
        [OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n"],
    ),
    "body over the cap": (ErrorCode.TOO_LARGE, [OK + b"\r\n", *[bytes(MIB)] * 30]),
    "gzip bomb": (
        ErrorCode.TOO_LARGE,
        [OK + b"Content-Encoding: gzip\r\n\r\n", GZIP_BOMB],
    ),
    "deflate bomb": (
        ErrorCode.TOO_LARGE,
        [OK + b"Content-Encoding: deflate\r\n\r\n", ZLIB_BOMB],
    ),
    "brotli bomb": (
        ErrorCode.UNSUPPORTED_FORMAT,
        [answer(b"\xce\xff\xff\x0f" * 100, "Content-Encoding: br")],
    ),
    "a loop of redirects": (ErrorCode.TOO_MANY_REDIRECTS, [redirect("/again")]),
    "a redirect to a private literal": (
        ErrorCode.BLOCKED_ADDRESS,
        [redirect("http://169.254.169.254/latest/meta-data/")],
    ),
    "a redirect to file:": (ErrorCode.BAD_URL, [redirect("file:///etc/passwd")]),
    "a redirect without Location": (ErrorCode.HTTP_STATUS, [answer(b"", status="302 Found")]),
    "HTML called image/png": (
        ErrorCode.NOT_AN_IMAGE,
        [answer(b"<!doctype html><title>no</title>", "Content-Type: image/png")],
    ),
    "JSON called image/png": (
        ErrorCode.NOT_AN_IMAGE,
        [answer(b'{"error": "hot-link"}', "Content-Type: image/png")],
    ),
    "image called text/html": (GOOD, [answer(PNG, "Content-Type: text/html")]),
    "nonsense Content-Type": (GOOD, [answer(PNG, "Content-Type: a/b/c;;=")]),
}
STATUSES = (204, 205, 304, 403, 404, 410, 500, 502)


def wrong_crc() -> bytes:
    data = bytearray(PNG)
    data[data.index(b"IDAT") + 9] ^= 1
    return bytes(data)


BYTES: dict[str, tuple[ErrorCode | None, bytes]] = {
    "none": (ErrorCode.NOT_AN_IMAGE, b""),
    "one": (ErrorCode.NOT_AN_IMAGE, b"\xff"),
    "random": (ErrorCode.NOT_AN_IMAGE, random.Random(1).randbytes(5000)),
    "truncated JPEG": (ErrorCode.CORRUPT_IMAGE, JPEG[: len(JPEG) // 2]),
    "truncated PNG": (ErrorCode.CORRUPT_IMAGE, PNG[: len(PNG) // 2]),
    "truncated WebP": (ErrorCode.CORRUPT_IMAGE, WEBP[: len(WEBP) // 2]),
    "truncated GIF": (ErrorCode.CORRUPT_IMAGE, GIF[: len(GIF) // 2]),
    "JPEG followed by ZIP": (GOOD, JPEG + b"PK\x03\x04" + bytes(1000)),
    "GIF with JavaScript": (ErrorCode.CORRUPT_IMAGE, b"GIF89a/*" + bytes(10) + b"*/=1;alert(1)//"),
    "SVG with entities": (
        ErrorCode.UNSUPPORTED_FORMAT,
        b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "&b;&b;"><!ENTITY b "x">]><svg>&a;',
    ),
    "PDF": (ErrorCode.NOT_AN_IMAGE, b"%PDF-1.7\n1 0 obj"),
    "50,000 × 50,000 one-bit PNG": (
        ErrorCode.TOO_MANY_PIXELS,
        png(50_000, 50_000, 1, 0, bytes(100_000)),
    ),
    "a pixel bomb in GIF": (ErrorCode.TOO_MANY_PIXELS, gif_bytes(65_535, 65_535)),
    "a pixel bomb in BMP": (ErrorCode.TOO_MANY_PIXELS, bmp_bytes(50_000, 50_000)),
    "a pixel bomb in TIFF": (
        ErrorCode.TOO_MANY_PIXELS,
        TIFF_BOMB,
    ),
    "a pixel bomb in ICO": (ErrorCode.UNSUPPORTED_FORMAT, b"\0\0\1\0\xff\xff" + bytes(16_000)),
    "a pixel bomb in WebP": (ErrorCode.TOO_MANY_PIXELS, webp_canvas(16_000, 16_000)),
    "zTXt bomb": (
        GOOD,
        with_png_chunk(PNG, png_chunk(b"zTXt", b"prompt\0\0" + ZLIB_BOMB)),
    ),
    "iCCP bomb": (
        ErrorCode.CORRUPT_IMAGE,
        with_png_chunk(PNG, png_chunk(b"iCCP", b"bomb\0\0" + ZLIB_BOMB)),
    ),
    "GIF of 10,000 frames": (
        GOOD,
        GIF[:-1] + (b"\x2c" + bytes(4) + b"\1\0\1\0\0\2\2\x44\1\0") * 9_999 + b";",
    ),
    "wrong CRC": (ErrorCode.CORRUPT_IMAGE, wrong_crc()),
    "broken EXIF": (GOOD, with_jpeg_segment(JPEG, jpeg_segment(0xE1, b"Exif\0\0nonsense"))),
    "1 × 1": (ErrorCode.TOO_SMALL, encoded(picture(1, 1), "PNG")),
    "63 × 63": (ErrorCode.TOO_SMALL, encoded(picture(63, 63), "PNG")),
    "10,000 × 64": (GOOD, encoded(picture(10_000, 64), "PNG")),
}


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port that answers no knock: its queue is full, so the system drops what comes."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server((DEAF, 0), backlog=0))
        port = int(listener.getsockname()[1])
        for _ in range(4):
            knock = sockets.enter_context(socket.socket())
            knock.setblocking(False)
            knock.connect_ex((DEAF, port))
        yield port


@pytest.fixture
def web() -> Iterator[dict[str, tuple[str, ErrorCode | None]]]:
    """The URL of every family, and the code that it must end with."""
    with ExitStack() as servers:
        # On addresses of its own: what the stack remembers of other tests' ports is of other hosts.
        addresses = (f"127.0.2.{number}" for number in itertools.count(1))

        def serve(*script: Step, **paths: list[Step]) -> ScriptedServer:
            server = ScriptedServer(*script, host=next(addresses), **paths)  # type: ignore[arg-type]
            return servers.enter_context(server)

        urls: dict[str, tuple[str, ErrorCode | None]] = {}
        for name, (code, script) in SERVERS.items():
            urls[name] = (serve(*script).url("a.png"), code)
        site = serve(**{str(s): [answer(PNG, status=f"{s} Status")] for s in STATUSES})
        for status in STATUSES:
            urls[f"status {status}"] = (site.url(str(status)), ErrorCode.HTTP_STATUS)
        site = serve(**{str(n): [answer(data)] for n, (_, data) in enumerate(BYTES.values())})
        for number, (name, (code, _)) in enumerate(BYTES.items()):
            urls[name] = (site.url(str(number)), code)
        site = serve(**{str(n): [answer(encoded(drawing(n)))] for n in range(10)})
        for number in range(10):
            urls[f"good {number}"] = (site.url(str(number)), GOOD)
        port = servers.enter_context(deaf_port())
        for number in range(100 - len(urls)):
            urls[f"of a dead host {number}"] = (
                f"http://{DEAF}:{port}/{number}",
                ErrorCode.CONNECT_FAILURE,
            )
        yield urls


def check(api: str, urls: list[str]) -> list[dict[str, Any]]:
    """The items of one check."""
    reply = requests.post(f"{api}/v1/checks", json={"urls": urls}, timeout=30)
    where = api + reply.headers["Location"]
    until(lambda: requests.get(where, timeout=30).status_code == 200, JOB, LONGEST)
    return list(requests.get(where, timeout=30).json()["items"])


def scan(api: str, urls: list[str]) -> list[dict[str, Any]]:
    """The results of one scan."""
    reply = requests.post(f"{api}/v1/scans", json={"urls": urls}, timeout=30)
    where = f"{api}/v1/scans/{reply.json()['id']}"
    until(lambda: requests.get(where, timeout=30).json()["status"] == "done", JOB, LONGEST)
    lines = requests.get(f"{where}/results", timeout=30).text.splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("do", [check, scan])
def test_the_worst_of_the_web_in_one_job_harms_nothing_else(
    stack: Supervisor,
    web: dict[str, tuple[str, ErrorCode | None]],
    do: Callable[[str, list[str]], list[dict[str, Any]]],
) -> None:
    names = list(web)
    random.Random(7).shuffle(names)
    before = [process.pid for process in stack.worker_processes()]

    items = do(stack.url, [web[name][0] for name in names])

    assert [item["url"] for item in items] == [web[name][0] for name in names]
    codes = {
        name: item.get("error", {}).get("code") for name, item in zip(names, items, strict=True)
    }
    dead = {codes.pop(name) for name in names if name.startswith("of a dead host")}
    # Those that found it dead waited for it; the others were told that it is left alone.
    assert dead <= {ErrorCode.CONNECT_FAILURE, ErrorCode.TIMEOUT}
    assert codes == {name: code for name, (_, code) in web.items() if name in codes}
    assert [process.pid for process in stack.worker_processes()] == before, "no process was lost"
