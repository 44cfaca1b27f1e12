"""The one list of ways in which a check can fail, and the error that carries them.

Raised where the fact is known; turned into HTTP, exit codes and badges in one place each.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Public codes; clients may rely on them, and must tolerate new ones."""

    BLOCKED_ADDRESS = "blocked_address"
    BAD_URL = "bad_url"
    DNS_FAILURE = "dns_failure"
    CONNECT_FAILURE = "connect_failure"
    TIMEOUT = "timeout"
    HTTP_STATUS = "http_status"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_LARGE = "too_large"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_SMALL = "too_small"
    TOO_MANY_PIXELS = "too_many_pixels"
    CORRUPT_IMAGE = "corrupt_image"
    OVERLOADED = "overloaded"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class CheckError(Exception):
    """A check that cannot have a verdict: a code for programs, a sentence for people.

    Args:
        code: what went wrong.
        detail: one sentence, fit to be shown to a user; holds no secret and no line break.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class ImageError(CheckError):
    """The bytes are not an image that can be judged."""
