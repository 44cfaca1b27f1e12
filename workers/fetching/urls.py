"""Canonical URLs: what is requested, what is the key in the cache, and what is refused.

A URL is parsed and written as browsers do it (WHATWG URL Standard). The server gets the request
that a browser would send, and the cache uses the same URL. Nothing is normalised further, because a
server may tell ``%7e`` from ``~``, or sign a URL as it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from ada_url import URL, HostType

from models.errors import ErrorCode
from workers.fetching import FetchError
from workers.fetching.addresses import Network, check_address

MAX_URL_LENGTH = 4096
ALLOWED_PORTS = frozenset({80, 443, 8080, 8443})
SHORTEST_PREFIX = 5
"""Hex digits of a hash that a lookup by prefix needs. All URLs share 16⁵, a million, prefixes."""
_DEFAULT_PORTS = {"http:": 80, "https:": 443}

_NOT_HTTP = "Only http and https URLs can be checked."

_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

# The parser would remove some of these from a URL, and escape others.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Without both slashes, the page's URL decides whether a host or a path follows.
_ABSOLUTE = re.compile(r"https?:[/\\]{2}", re.IGNORECASE)
# An "@" before the host, even after an empty name, which the parser would drop.
_USERINFO = re.compile(r"(?:https?:[/\\]*|[/\\]{2,})[^/\\?#]*@", re.IGNORECASE)
# Letters, digits, hyphens and, as real servers have them, underscores; lengths: RFC 1123 §2.1.
# The URL Standard allows more characters, but no name in the DNS has them.
_DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


def canonical_url(url: str, allow_nets: Sequence[Network] = (), base: str | None = None) -> str:
    """Return a URL as a browser requests it, if nothing in it forbids fetching it.

    The result is the URL Standard's serialisation (§4.5) without the fragment.

    Args:
        url: an absolute URL.
        allow_nets: networks that may be reached although they are not public; an address literal
            inside one may have any port, and so may localhost where loopback is among them.
        base: the URL that `url` is relative to, if it may be relative.

    Raises:
        FetchError: bad_url if it is not a fetchable http(s) URL, blocked_address if the host is
            localhost or the literal of an address that may not be reached.
    """
    url = url.strip(" ")
    _check_length(url)
    if _CONTROL.search(url):
        raise _bad_url("The URL contains control characters.")
    if base is None:
        _check_absolute(url)
    if _USERINFO.match(url):
        raise _bad_url("URLs with a user name or password are not fetched.")
    try:
        canonical = URL(url, base).href.partition("#")[0]
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise _bad_url("The URL contains characters that do not exist.") from error
    except ValueError as error:
        raise _bad_url("The URL's host or port is not valid.") from error
    _check_length(canonical)
    if not canonical.startswith(("http://", "https://")):  # where a relative URL may lead
        raise _bad_url(_NOT_HTTP)
    _check_origin(canonical[: canonical.index("/", len("https://"))], tuple(allow_nets))
    return canonical


def address_hash(address: str) -> str:
    """Return the SHA-256, in lower-case hex, of a canonical URL's ASCII bytes.

    It is the URL's key in the cache, and the only thing that lookups by prefix disclose.
    """
    return hashlib.sha256(address.encode()).hexdigest()


def _check_length(url: str) -> None:
    if len(url) > MAX_URL_LENGTH:
        raise _bad_url(f"The URL is longer than {MAX_URL_LENGTH:,} characters.")


def _check_absolute(url: str) -> None:
    start = _ABSOLUTE.match(url)
    if start is None:
        raise _bad_url(_NOT_HTTP)
    if url[start.end() :].startswith(("/", "\\")):
        raise _bad_url("The URL has no host.")


def _bad_url(detail: str) -> FetchError:
    return FetchError(ErrorCode.BAD_URL, detail)


@lru_cache(maxsize=4096)  # the images of a page come from few hosts
def _check_origin(origin: str, allow_nets: tuple[Network, ...]) -> None:
    """Refuse an origin, as the parser wrote it, if that needs no look-up."""
    parsed = URL(origin)
    if parsed.host_type is HostType.DEFAULT:
        allowed = _check_name(parsed.hostname.removesuffix("."), allow_nets)
    else:
        allowed = _check_literal(parsed.hostname.strip("[]"), allow_nets)
    port = int(parsed.port or _DEFAULT_PORTS[parsed.protocol])
    if port not in ALLOWED_PORTS and not (allowed and port > 0):
        raise _bad_url("Only the ports 80, 443, 8080 and 8443 are fetched from.")


def _check_name(name: str, allow_nets: tuple[Network, ...]) -> bool:
    """Refuse invalid names and localhost; return whether the name may have any port."""
    if not _DNS_NAME.fullmatch(name):
        raise _bad_url("The URL's host is not a valid name.")
    if not _is_localhost(name):
        return False
    if not any(
        net.overlaps(loopback)
        for net in allow_nets
        for loopback in _LOOPBACK
        if net.version == loopback.version
    ):
        raise FetchError(ErrorCode.BLOCKED_ADDRESS, "This machine itself is not fetched from.")
    return True


def _check_literal(text: str, allow_nets: tuple[Network, ...]) -> bool:
    """Refuse addresses that may not be reached; return whether the address may have any port."""
    address = ip_address(text)
    check_address(address, allow_nets)
    return any(address in net for net in allow_nets)


def _is_localhost(name: str) -> bool:
    """Return whether a name means this machine without a look-up (RFC 6761 §6.3)."""
    return name == "localhost" or name.endswith(".localhost")
