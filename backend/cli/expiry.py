"""The expiry of an API key, as people write it: a duration or a date."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

_FORMS = "give a time from now, such as 90d, 12h or 1y, or the last day, such as 2027-01-31"
"""What `parse_expiry` accepts, in words."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_DURATION = re.compile(rf"(\d{{1,9}}) ?([{''.join(_SECONDS)}])", re.ASCII)


def parse_expiry(text: str, now: datetime) -> float:
    """Return the Unix time (s) of a duration or a date.

    Args:
        text: a number with s, m (minutes), h, d, w or y (365 days); a date, meaning its last second
            in UTC; or a date with a time (ISO 8601), in UTC if it has no zone.
        now: the start of a duration, with its zone.

    Raises:
        ValueError: the text is something else, or not after now. The message is for people.
    """
    try:
        then = _read(text.strip(), now)
        unix = then.timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a time: {_FORMS}") from None
    if then <= now:
        raise ValueError(f"{text!r} is not in the future")
    return unix


def _read(text: str, now: datetime) -> datetime:
    if duration := _DURATION.fullmatch(text):
        return now + timedelta(seconds=int(duration[1]) * _SECONDS[duration[2]])
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return datetime.combine(date.fromisoformat(text), time(23, 59, 59), UTC)
    then = datetime.fromisoformat(text)
    return then if then.tzinfo else then.replace(tzinfo=UTC)
