"""Encodings, statuses and Retry-After: what an answer means."""

from __future__ import annotations

import gzip
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from models.errors import ErrorCode
from tests.workers.fetching.conftest import code_of
from tests.workers.fetching.servers import OK, Serve, answer
from workers.fetching import RetryLaterError
from workers.fetching.client import Fetcher, FetchError, retry_after

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")  # no socket is left open


ZLIB = zlib.compress(b"data")
GZIP = gzip.compress(b"data")


def name_of(value: str | bytes) -> str:
    """Name a parameter; gzip's bytes differ from second to second."""
    return value if isinstance(value, str) else f"{len(value)} bytes"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", GZIP),
        ("GZip", GZIP),
        ("x-gzip", GZIP),
        ("gzip", GZIP + b"something after its end"),
        ("deflate", ZLIB),
        ("deflate", ZLIB[2:-4]),  # RFC 1951 alone, as some servers have it
        ("gzip, gzip", gzip.compress(GZIP)),
        ("deflate,gzip", gzip.compress(ZLIB)),
        ("gzip\r\nContent-Encoding: gzip", gzip.compress(GZIP)),
    ],
    ids=name_of,
)
@pytest.mark.parametrize("chunked", [False, True], ids=["", "chunked"])
def test_an_encoding_that_was_not_asked_for_is_undone(
    serve: Serve, fetcher: Fetcher, encoding: str, body: bytes, chunked: bool
) -> None:
    if chunked:
        head = f"Content-Encoding: {encoding}\r\nTransfer-Encoding: chunked\r\n\r\n"
        site = serve(OK + head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    else:
        site = serve(answer(body, f"Content-Encoding: {encoding}"))

    fetched = fetcher.get(site.url())

    assert fetched is not None
    assert fetched.data == b"data"


@pytest.mark.parametrize(
    "encoding",
    [
        *("", "none", "identity", "identity,identity", "binary", "utf-8", "aws-chunked", "7bit"),
        *("compress", "x-compress", "nonsense", "\xff", "image/jpeg", "gzip gzip", "gzip;q=1"),
        *("gzip, nonsense", "nonsense, gzip", "identity, gzip", "gzip, identity", "br, nonsense"),
        *(",", ", gzip", "gzip,", '"gzip"', "gzip\r\nContent-Encoding: nonsense", "a," * 20_000),
    ],
)
def test_an_unknown_encoding_is_ignored_with_all_that_stand_beside_it(
    serve: Serve, fetcher: Fetcher, encoding: str
) -> None:
    """So does Chromium: the bytes are taken as they are."""
    site = serve(answer(b"data", f"Content-Encoding: {encoding}"))

    fetched = fetcher.get(site.url())

    assert fetched is not None
    assert fetched.data == b"data"


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "BR", "gzip, br", "br, gzip", ", ".join(["gzip"] * 5000)]
)
def test_an_encoding_that_is_not_undone_is_an_unsupported_format(
    serve: Serve, fetcher: Fetcher, encoding: str
) -> None:
    """Whatever the bytes are: a brotli bomb is never handed to a decoder."""
    site = serve(answer(b"\xce\xff\xff\x0f" * 100, f"Content-Encoding: {encoding}"))

    assert code_of(fetcher, site.url()) == ErrorCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"data"),
        ("deflate", b"\xff\xd8\xff"),
        ("gzip, gzip", GZIP),
        ("deflate", GZIP),
        ("gzip", GZIP[:10] + b"\xff" * 9),
    ],
    ids=name_of,
)
def test_what_cannot_be_unpacked_is_a_damaged_file_and_no_failed_connection(
    serve: Serve, fetcher: Fetcher, encoding: str, body: bytes
) -> None:
    site = serve(answer(body, f"Content-Encoding: {encoding}"))

    assert code_of(fetcher, site.url()) == ErrorCode.CORRUPT_IMAGE


@pytest.mark.parametrize(
    "status", [200, 201, 202, 203, 206, 207, 208, 218, 226, 250, 299], ids=lambda s: f"{s} X"
)
def test_every_status_of_success_brings_a_file(serve: Serve, fetcher: Fetcher, status: int) -> None:
    fetched = fetcher.get(serve(answer(b"data", status=f"{status} X")).url())

    assert fetched is not None
    assert fetched.data == b"data"


@pytest.mark.parametrize(
    "status",
    [
        "204 No Content",
        "205 Reset Content",
        "300 Multiple Choices",
        "304 Not Modified",
        "305 Use Proxy",
        "401 U",
        "403 F",
        "404 Not Found",
        "410 Gone",
        "429 Too Many Requests",
        "500 E",
        "502 B",
        "503 S",
        "999 Odd",
    ],
)
def test_a_status_without_success_or_without_a_body_is_told(
    serve: Serve, fetcher: Fetcher, status: str
) -> None:
    with pytest.raises(FetchError) as refused:
        fetcher.get(serve(answer(b"data", status=status)).url("secret?token=1"))

    assert refused.value.code == ErrorCode.HTTP_STATUS
    assert status[:3] in refused.value.detail
    assert "token" not in refused.value.detail


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_a_server_that_says_when_to_come_again_is_heard(
    serve: Serve, fetcher: Fetcher, status: str
) -> None:
    with pytest.raises(RetryLaterError) as refused:
        fetcher.get(serve(answer(b"", "Retry-After: 7", status=status)).url())

    assert refused.value.seconds == 7
    assert refused.value.code == ErrorCode.HTTP_STATUS


@pytest.mark.parametrize("status", ["404 Not Found", "500 E", "999 Odd"])
def test_other_statuses_give_no_time_to_come_again(
    serve: Serve, fetcher: Fetcher, status: str
) -> None:
    with pytest.raises(FetchError) as refused:
        fetcher.get(serve(answer(b"", "Retry-After: 7", status=status)).url())

    assert not isinstance(refused.value, RetryLaterError)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("0", 0, 0),
        ("120", 120, 120),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0, 0),
        ("Sun Nov  6 08:49:37 1994", 0, 0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 0, 0),
        ("9" * 5000, float("inf"), float("inf")),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 2.5e11, 2.6e11),
    ],
)
def test_a_time_to_come_again_is_seconds_or_any_of_http_s_dates(
    value: str, least: float, most: float
) -> None:
    seconds = retry_after(value)
    assert seconds is not None
    assert least <= seconds <= most


@pytest.mark.parametrize(("ahead", "least", "most"), [(3600, 3000, 3600), (-60, 0, 0)])
def test_a_date_is_the_seconds_until_then(ahead: int, least: float, most: float) -> None:
    date = datetime.now(UTC) + timedelta(seconds=ahead)
    seconds = retry_after(format_datetime(date, usegmt=True))
    assert seconds is not None
    assert least <= seconds <= most


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "-1",
        "1.5",
        "+1",
        "1e3",
        "٣",
        "²",
        "Sun, 99 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 9999999999 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 +99999999999999",
        "1, 2",
        "\x00",
    ],
)
def test_what_is_no_time_to_come_again_counts_for_nothing(value: str) -> None:
    assert retry_after(value) is None


@pytest.mark.parametrize("kind", ["image/png", "text/html", "nonsense", "a/b/c;;=", ""])
def test_the_content_type_decides_nothing(serve: Serve, fetcher: Fetcher, kind: str) -> None:
    fetched = fetcher.get(serve(answer(b"<html>", f"Content-Type: {kind}")).url())

    assert fetched is not None
    assert fetched.data == b"<html>"
