"""Servers that stall, lie or flood: a typed error within the deadline."""

from __future__ import annotations

import gzip
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import ErrorCode
from tests.bombs import DEFLATE_BOMB, GZIP_BOMB, GZIP_IN_GZIP_BOMB, MANY_MEMBERS, ZLIB_BOMB
from tests.workers.fetching.conftest import PATIENT, code_of
from tests.workers.fetching.servers import OK, Serve, Step, answer
from workers.fetching.client import Fetched, Fetcher, FetchError

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")  # no socket is left open

LATER = 10.0
"""Seconds, far beyond every limit here."""


def drip(*, every: float = 0.1) -> list[Step]:
    """One byte at a time, never too slow for one read, for ever."""
    return [step for _ in range(int(LATER / every)) for step in (b"a", every)]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([LATER], id="accepts and says nothing"),
        pytest.param([b"HTTP/1.1 200 OK\r\nX: ", *drip()], id="slow headers"),
        pytest.param([*(b"HTTP/1.1 100 Continue\r\n\r\n", 0.1) * 100], id="continue for ever"),
        pytest.param([OK + b"\r\n", *drip()], id="one byte a second"),
        pytest.param(
            [OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\na\r\n", 0.1] * 100],
            id="chunked without end, slowly",
        ),
        pytest.param([OK + b"Content-Length: 9\r\n\r\nabc", LATER], id="stops in the middle"),
        pytest.param(
            [OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"a" * 999)[:20], LATER],
            id="stops in the middle of gzip",
        ),
    ],
)
def test_a_server_that_stalls_times_out(serve: Serve, hasty: Fetcher, script: list[Step]) -> None:
    """The server would go on for ten seconds; its thread ends when the test does."""
    assert code_of(hasty, serve(*script).url()) == ErrorCode.TIMEOUT


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([b""], id="early EOF, before the headers"),
        pytest.param([OK + b"Content-Length: 9\r\n\r\nabc"], id="Content-Length that lies large"),
        pytest.param(
            [OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"], id="Content-Length twice"
        ),
        pytest.param(
            [OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc"], id="early EOF, in a chunk"
        ),
        pytest.param([OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"], id="chunks of no length"),
        pytest.param(
            [OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n"], id="a chunk of -5"
        ),
        pytest.param(
            [OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 99 + b"\r\nabc"],
            id="a chunk of more than there is",
        ),
        pytest.param(
            [OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nabc"],
            id="Content-Length of 5,000 digits",
        ),
        pytest.param([b"SSH-2.0-OpenSSH_9.2\r\n"], id="no HTTP"),
        pytest.param([b"HTTP/9.9 200 OK\r\n\r\nabc"], id="another HTTP"),
        pytest.param([b"HTTP/1.1 -200 OK\r\n\r\nabc"], id="a negative status"),
        pytest.param([b"HTTP/1.1 200 " + b"a" * 70_000 + b"\r\n\r\nabc"], id="a reason of 70 KB"),
        pytest.param([OK + b"A: b\r\n" * 200 + b"\r\nabc"], id="200 headers"),
        pytest.param([OK + b"A: " + b"b" * 70_000 + b"\r\n\r\nabc"], id="a header of 70 KB"),
    ],
)
def test_an_answer_that_breaks_off_or_lies_is_a_connect_failure(
    serve: Serve, fetcher: Fetcher, script: list[Step]
) -> None:
    assert code_of(fetcher, serve(*script).url()) == ErrorCode.CONNECT_FAILURE


@pytest.mark.parametrize("length", ["1", "-1", "abc"])
def test_a_content_length_that_lies_small_gives_the_bytes_that_came(
    serve: Serve, fetcher: Fetcher, length: str
) -> None:
    fetched = fetcher.get(serve(OK + f"Content-Length: {length}\r\n\r\nabc".encode()).url())

    assert fetched is not None
    assert fetched.data == (b"a" if length == "1" else b"abc")


def test_headers_that_end_early_leave_an_empty_file(serve: Serve, fetcher: Fetcher) -> None:
    fetched = fetcher.get(serve(OK + b"Content-Len").url())

    assert fetched is not None
    assert fetched.data == b""


TOKENS = [
    *(b"\r\n", b"\r", b"\n", b"\0", b" ", b"\t", b":", b";", b",", b"-", b"+", b"_", b"%", b"\xff"),
    *(b"9" * 30, b"0x", b"chunked", b"gzip", b"deflate", b"HTTP/1.1 ", b"200", b"304", b"100"),
    *(b"Content-Length: ", b"Transfer-Encoding: ", b"Content-Encoding: ", b"\xe2\x80\xa8"),
]
GOOD_ANSWERS = [
    answer(b"data", 'ETag: "1"', "Last-Modified: yesterday"),
    OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n3;x=y\r\nabc\r\n0\r\nT: x\r\n\r\n",
    OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello" * 100),
]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(GOOD_ANSWERS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5), st.sampled_from(TOKENS)), max_size=4),
)
def test_whatever_is_answered_a_fetch_gives_a_file_or_a_typed_error(
    serve: Serve, fetcher: Fetcher, good: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    data = bytearray(good)
    for place, length, token in changes:
        start = int(place * len(data))
        data[start : start + length] = token
    site = serve(bytes(data))

    with suppress(FetchError):
        fetched = fetcher.get(site.url(), etag='"1"')
        assert fetched is None or len(fetched.data) <= PATIENT.max_bytes


@pytest.mark.parametrize(
    "value", [b"a" * 60_000, b"\0\x01", b"\xff\x85"], ids=["60 KB", "NUL", "not printable"]
)
@pytest.mark.parametrize("name", [b"ETag", b"Last-Modified"])
def test_a_validator_that_is_none_is_not_kept(
    serve: Serve, fetcher: Fetcher, name: bytes, value: bytes
) -> None:
    """It would lie in the store, and be sent back, for a month."""
    site = serve(OK + name + b": " + value + b"\r\nContent-Length: 4\r\n\r\ndata")

    assert fetcher.get(site.url()) == Fetched(b"data", None, None, url=site.url())


MEBIBYTE = 2**20


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([OK + b"Content-Length: 100001\r\n\r\n", LATER], id="announced"),
        pytest.param([OK + b"\r\n", b"a" * MEBIBYTE], id="body over the cap"),
        pytest.param(
            [
                OK + b"Transfer-Encoding: chunked\r\n\r\n",
                b"10\r\n" + b"a" * 16 + b"\r\n",
                *([b"10\r\n" + b"a" * 16 + b"\r\n"] * 20_000),
            ],
            id="chunked without end",
        ),
        pytest.param(
            [OK, b"A: " + b"b" * 60_000 + b"\r\n", *[b"C: " + b"d" * 60_000 + b"\r\n"] * 20],
            id="headers without end",
        ),
        pytest.param(
            [OK + b"Content-Encoding: gzip\r\n\r\n", GZIP_BOMB],
            id="gzip bomb",
        ),
        pytest.param(
            [OK + b"Content-Encoding: deflate\r\n\r\n", ZLIB_BOMB],
            id="deflate bomb",
        ),
        pytest.param(
            [OK + b"Content-Encoding: deflate\r\n\r\n", DEFLATE_BOMB],
            id="deflate bomb without a header",
        ),
        pytest.param(
            [OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"") * 50_000],
            id="gzip of 50,000 empty members",
        ),
        pytest.param(
            [
                OK + b"Content-Encoding: gzip, gzip\r\n\r\n",
                GZIP_IN_GZIP_BOMB,
            ],
            id="gzip bomb in gzip",
        ),
        pytest.param(
            [
                OK + b"Content-Encoding: gzip, gzip\r\n\r\n",
                gzip.compress(MANY_MEMBERS),
            ],
            id="gzip of two million empty members in gzip",
        ),
        pytest.param(
            [
                OK + b"Content-Encoding: gzip\r\n\r\n",
                gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * MEBIBYTE,
            ],
            id="gzip that unpacks to nothing for ever",
        ),
    ],
)
def test_more_than_the_limit_is_too_large(
    serve: Serve, fetcher: Fetcher, script: list[Step]
) -> None:
    assert code_of(fetcher, serve(*script).url()) == ErrorCode.TOO_LARGE


def test_a_file_as_large_as_the_limit_is_fetched(serve: Serve, fetcher: Fetcher) -> None:
    fetched = fetcher.get(serve(answer(b"a" * PATIENT.max_bytes)).url())

    assert fetched is not None
    assert len(fetched.data) == PATIENT.max_bytes
