"""Dates in HTTP's headers."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_until(date: str) -> float | None:
    """Parse a date in any of HTTP's formats (RFC 9110 §5.6.7).

    Returns:
        Seconds until then; negative for a date in the past, None for text that is not a date.
    """
    try:
        then = parsedate_to_datetime(date)
    except (ValueError, OverflowError):  # OverflowError: a year of ten digits
        return None
    if then.tzinfo is None:  # "-0000"; all of HTTP's dates are in GMT
        then = then.replace(tzinfo=UTC)
    return (then - datetime.now(UTC)).total_seconds()
