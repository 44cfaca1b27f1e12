"""What is unpacked of a body stays within its limit while it is unpacked, too."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from models.errors import ErrorCode
from tests.bombs import DEFLATE_BOMB, GZIP_BOMB, GZIP_IN_GZIP_BOMB, MANY_MEMBERS, ZLIB_BOMB
from workers.fetching import FetchError
from workers.fetching.codings import unpack

MEBIBYTE = 2**20


@pytest.mark.parametrize(
    ("header", "body"),
    [
        pytest.param("gzip", GZIP_BOMB, id="gzip"),
        pytest.param("deflate", ZLIB_BOMB, id="zlib"),
        pytest.param("deflate", DEFLATE_BOMB, id="deflate"),
        pytest.param("gzip, gzip", GZIP_IN_GZIP_BOMB, id="gzip in gzip"),
        pytest.param("gzip, deflate", zlib.compress(MANY_MEMBERS, 1), id="many members"),
    ],
)
def test_a_bomb_takes_no_more_memory_than_a_file_may(header: str, body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FetchError) as refused:
            unpack(body, header, MEBIBYTE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused.value.code == ErrorCode.TOO_LARGE
    assert peak < 8 * MEBIBYTE


def test_a_file_as_large_as_the_limit_is_unpacked() -> None:
    data = bytes(MEBIBYTE)
    assert unpack(gzip.compress(data), "gzip", MEBIBYTE) == data
    assert unpack(b"", "gzip", MEBIBYTE) == b""
