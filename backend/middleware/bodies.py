"""Request bodies, read in chunks."""

from __future__ import annotations

from collections.abc import Iterator

from werkzeug import Request
from werkzeug.exceptions import BadRequest, HTTPException, UnsupportedMediaType

_CHUNK_SIZE = 2**14
"""Bytes."""


def refuse_compressed(request: Request) -> None:
    """Refuse a body with a Content-Encoding.

    Raises:
        UnsupportedMediaType: it has one.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Compressed bodies are not supported.")


def read_chunks(request: Request) -> Iterator[bytes]:
    """Yield the request's body in chunks of 16 KiB or less.

    Raises:
        RequestEntityTooLarge: it is larger than ``request.max_content_length``.
        BadRequest: it cannot be read, or is shorter than its Content-Length.
    """
    received = 0
    try:
        while chunk := request.stream.read(_CHUNK_SIZE):
            received += len(chunk)
            yield chunk
    except HTTPException:
        raise
    except Exception as error:  # gunicorn raises many kinds for a broken chunked body
        raise BadRequest("The request's body cannot be read.") from error
    # werkzeug cannot tell a short body from a whole one if the server marks the body's end.
    if received < (request.content_length or 0):
        raise BadRequest("The request's body is shorter than its Content-Length.")
