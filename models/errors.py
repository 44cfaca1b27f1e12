"""All error codes of a check, and the exceptions that carry them.

HTTP responses, exit codes and badges each translate them in one place.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Public error codes. They are stable, but clients must tolerate new ones."""

    BLOCKED_ADDRESS = "blocked_address"
    BAD_URL = "bad_url"
    DNS_FAILURE = "dns_failure"
    CONNECT_FAILURE = "connect_failure"
    TIMEOUT = "timeout"
    HTTP_STATUS = "http_status"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_LARGE = "too_large"
    NOT_AN_IMAGE = "not_an_image"
    NOT_A_PAGE = "not_a_page"
    ROBOTS_DISALLOWED = "robots_disallowed"
    NO_IMAGES = "no_images"
    LEFT_OUT = "left_out"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_SMALL = "too_small"
    TOO_MANY_PIXELS = "too_many_pixels"
    CORRUPT_IMAGE = "corrupt_image"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class CheckError(Exception):
    """A check failed: a code for programs, a sentence for people.

    Args:
        code: what went wrong.
        detail: one sentence for the user. It holds no secret and no line break.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class ImageError(CheckError):
    """The bytes are not an image that can be classified."""
