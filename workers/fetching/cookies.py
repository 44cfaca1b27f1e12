"""Cookies of one fetch: a redirect sets them, and the next requests send them (RFC 6265bis).

Some servers redirect to the same address until a cookie comes back. A cookie is sent only to the
host that set it, whatever Domain it names, and is dropped after the fetch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import SplitResult

from workers.fetching.dates import seconds_until

MOST_COOKIES = 50
MOST_BYTES = 4096
"""Of a name and its value. Both limits are the minimum that RFC 6265bis asks of browsers (§6.1)."""
_MOST_IN_ATTRIBUTE = 1024

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_INTEGER = re.compile(r"-?[0-9]+")


class _Key(NamedTuple):
    """What identifies a cookie (§5.7)."""

    host: str
    path: str
    name: str


class _Cookie(NamedTuple):
    line: str
    """As it is sent."""
    secure: bool


class Cookies:
    """The cookies of one fetch."""

    def __init__(self) -> None:
        self._cookies: dict[_Key, _Cookie] = {}

    def store(self, url: SplitResult, lines: Iterable[str]) -> None:
        """Store the cookies that a response sets.

        Args:
            url: the requested URL, in canonical form.
            lines: the values of the response's Set-Cookie headers.
        """
        for line in lines:
            self._store(url, line)

    def header(self, url: SplitResult) -> str | None:
        """Return the Cookie header for a request of a canonical URL (§5.8.3), if there is one."""
        fitting = [
            (key, cookie)
            for key, cookie in self._cookies.items()
            if key.host == url.hostname
            and _path_matches(url.path, key.path)
            and (url.scheme == "https" or not cookie.secure)
        ]
        fitting.sort(key=lambda each: -len(each[0].path))  # the longest path first
        return "; ".join(cookie.line for _, cookie in fitting) or None

    def _store(self, url: SplitResult, line: str) -> None:
        """Parse and store one Set-Cookie header (§5.6, §5.7)."""
        if _CONTROL.search(line):
            return
        pair, *rest = line.split(";")
        name, equals, value = pair.partition("=")
        if not equals:
            name, value = "", pair
        name, value = name.strip(" \t"), value.strip(" \t")
        attributes = _attributes(rest)
        host = str(url.hostname)
        path = attributes.get("path", "")
        if not path.startswith("/"):
            path = _default_path(url.path)
        secure = "secure" in attributes
        key = _Key(host, path, name)
        if (
            not 0 < len(name) + len(value) <= MOST_BYTES
            or (secure and url.scheme != "https")
            or not _may_set_for(host, attributes.get("domain", ""))
            or not _matches_prefix(name or value, attributes)
        ):
            return
        if _is_expired(attributes):
            self._cookies.pop(key, None)
        elif key in self._cookies or len(self._cookies) < MOST_COOKIES:
            self._cookies[key] = _Cookie(f"{name}={value}" if name else value, secure)


def _attributes(parts: Iterable[str]) -> dict[str, str]:
    """Parse ``Name=value`` parts; the last of a name counts (§5.6)."""
    pairs = (part.partition("=") for part in parts)
    return {
        name.strip(" \t").lower(): value.strip(" \t")
        for name, _, value in pairs
        if len(value) <= _MOST_IN_ATTRIBUTE
    }


def _default_path(path: str) -> str:
    """Return the folder of a URL's path (§5.1.4)."""
    return path[: path.rindex("/")] or "/"


def _path_matches(path: str, folder: str) -> bool:
    """Return whether a path is a cookie's path, or below it (§5.1.4)."""
    return path == folder or path.startswith(folder if folder.endswith("/") else folder + "/")


def _may_set_for(host: str, domain: str) -> bool:
    """Return whether a host may set cookies for a domain (§5.1.3), or names none."""
    domain = domain.removeprefix(".").lower()
    return not domain or host == domain or host.endswith("." + domain)


def _matches_prefix(name: str, attributes: dict[str, str]) -> bool:
    """Return whether a cookie has the attributes that its name's prefix requires (§4.1.3)."""
    name = name.lower()
    if name.startswith("__host-"):
        return (
            "secure" in attributes
            and attributes.get("path") == "/"
            and not attributes.get("domain")
        )
    return not name.startswith("__secure-") or "secure" in attributes


def _is_expired(attributes: dict[str, str]) -> bool:
    """Return whether a cookie is expired when it arrives; servers delete cookies that way."""
    max_age = attributes.get("max-age", "")
    if _INTEGER.fullmatch(max_age):
        return max_age.startswith("-") or not max_age.strip("0")
    seconds = seconds_until(attributes.get("expires", ""))
    return seconds is not None and seconds <= 0
