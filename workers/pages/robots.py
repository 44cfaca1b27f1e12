"""robots.txt (RFC 9309), fetched once an hour for each origin, and kept in Redis for all workers.

It is obeyed for whatever a program names: pages that a scan reads, and images that pages name. It
is not asked for an image whose URL a person gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast
from urllib.parse import urlsplit

from protego import Protego
from redis import Redis

from models.errors import CheckError, ErrorCode
from workers.fetching import FetchError, StatusError
from workers.fetching.addresses import Network
from workers.fetching.client import Fetcher, Slot
from workers.fetching.sockets import Limits
from workers.storage import keys

USER_AGENT = "Assay"
"""The product token, to which rules apply."""
_MOST_BYTES = 500 * 2**10
"""RFC 9309 §2.5."""
_TTL, _UNREACHABLE_TTL = 3600, 60
"""Seconds for which the rules are kept, or the fact that there is no answer."""
_ALLOW, _UNREACHABLE = "", "User-agent: *\nDisallow: /\n# There was no answer."
_FORBIDDEN = (
    "The site's robots.txt asks programs not to fetch it. Images whose own addresses you give are "
    "checked all the same."
)
_NO_ANSWER = "The site's robots.txt could not be fetched, which forbids all. Try again later."


class Robots:
    """The rules of all origins. Thread-safe.

    Args:
        redis: a client that returns bytes.
        allow_nets: networks that may be reached although they are not public.
    """

    def __init__(self, redis: Redis, allow_nets: Sequence[Network] = ()) -> None:
        self._redis = redis
        self._fetcher = Fetcher(
            allow_nets, limits=Limits(max_bytes=_MOST_BYTES), accept="text/plain,*/*;q=0.5"
        )

    def check(self, url: str, slot: Slot) -> None:
        """Return if a canonical URL may be requested.

        Args:
            url: the URL.
            slot: as for `Fetcher.get`; its errors are raised as they are.

        Raises:
            CheckError: robots_disallowed.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        name = keys.robots(origin)
        raw = cast("bytes | None", self._redis.get(name))
        if raw is None:
            text, ttl = self._fetch(origin, slot)
            self._redis.set(name, text.encode(), ex=ttl)
        else:
            text = raw.decode()
        if not allows(text, url):
            reason = _NO_ANSWER if text == _UNREACHABLE else _FORBIDDEN
            raise CheckError(ErrorCode.ROBOTS_DISALLOWED, reason)

    def _fetch(self, origin: str, slot: Slot) -> tuple[str, int]:
        """Return the rules, and for how many seconds they hold (RFC 9309 §2.3.1)."""
        try:
            fetched = self._fetcher.get(f"{origin}/robots.txt", slot=slot)
        except StatusError as error:
            if 400 <= error.status < 500 and error.status != 429:
                return _ALLOW, _TTL  # "unavailable": there are no rules
            return _UNREACHABLE, _UNREACHABLE_TTL
        except FetchError as error:
            if error.code is ErrorCode.TOO_MANY_REDIRECTS:
                return _ALLOW, _TTL
            return _UNREACHABLE, _UNREACHABLE_TTL
        assert fetched is not None  # noqa: S101 (the request was not conditional)
        return fetched.data.decode("utf-8-sig", "replace"), _TTL


def allows(text: str, url: str) -> bool:
    """Return whether a robots.txt allows us to fetch a URL of its origin."""
    return _rules(text).can_fetch(url, USER_AGENT)


@lru_cache(maxsize=32)
def _rules(text: str) -> Protego:
    return Protego.parse(text)
