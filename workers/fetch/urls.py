"""One spelling for each URL: what the cache knows an image by, and what may be fetched at all.

Hosts are read as a browser reads them (WHATWG URL Standard §3.5), because a page's image comes from
where the browser says it does; the rest is normalised as RFC 3986 §6.2 allows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import quote, unquote

import idna

from models.errors import ErrorCode
from workers.fetch import FetchError
from workers.fetch.addresses import Address, Network, vet

MAX_URL_LENGTH = 4096
ALLOWED_PORTS = frozenset({80, 443, 8080, 8443})
SHORTEST_PREFIX = 5
"""Hex digits of a hash that a lookup by prefix needs: 16⁵, a million, buckets hold all URLs."""
_DEFAULT_PORTS = {"http": 80, "https": 443}

_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PARTS = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]+)?\??(?:#.*)?",
    re.IGNORECASE,
)
_HOST_AND_PORT = re.compile(
    r"(?P<host>\[[0-9a-fA-F:.]*\]|[^:\[\]]*)(?::(?P<port>\d{0,5}))?", re.ASCII
)
# Letters, digits, hyphen and, as real servers have it, underscore; RFC 1123 §2.1 for the lengths.
_DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")

_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"  # RFC 3986 §2.3
)
_PATH_SAFE = "/%:@!$&'()*+,;="  # RFC 3986 §3.3
_PLAIN_PATH = re.compile(r"(/[\w~-][\w.~-]*)+/?", re.ASCII)  # nothing encoded, no dot segment
_QUERY_SAFE = _PATH_SAFE + "?[]{}|\\^`"  # left as they are, as in WHATWG's query percent-encode set


def canonical_url(url: str, allow_nets: Sequence[Network] = ()) -> str:
    """Return the one spelling of a URL that may be fetched, as far as its spelling tells.

    Scheme and host become lower case and ASCII, numeric hosts dotted quads; default port, fragment
    and dot segments go; percent-encoding is made uniform; the query stays as it is.

    Args:
        url: an absolute URL.
        allow_nets: networks that may be reached although they are not public; an address literal
            inside one may have any port, and so may localhost where loopback is among them.

    Raises:
        FetchError: bad_url for what is not a fetchable http(s) URL, blocked_address where the host
            is localhost or the literal of an address that may not be reached.
    """
    url = url.strip(" ")
    _check_length(url)
    if _CONTROL.search(url):
        raise _bad_url("The URL contains control characters.")
    head = re.split(r"[?#]", url, maxsplit=1)[0]
    parts = _PARTS.fullmatch(head.replace("\\", "/") + url[len(head) :])
    if parts is None:
        raise _bad_url("Only http and https URLs can be checked.")
    scheme = parts["scheme"].lower()
    host, port = _host_and_port(parts["authority"], scheme, tuple(allow_nets))
    netloc = host if port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"
    try:
        path = _path(parts["path"])
        query = quote(parts["query"], safe=_QUERY_SAFE) if parts["query"] else ""
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise _bad_url("The URL contains characters that do not exist.") from error
    canonical = f"{scheme}://{netloc}{path}{query}"
    _check_length(canonical)
    return canonical


def address_hash(address: str) -> str:
    """Return the SHA-256, in lower-case hex, of a canonical URL's ASCII bytes.

    The cache knows a URL by it, and lookups by prefix speak of nothing else.
    """
    return hashlib.sha256(address.encode()).hexdigest()


def _check_length(url: str) -> None:
    if len(url) > MAX_URL_LENGTH:
        raise _bad_url(f"The URL is longer than {MAX_URL_LENGTH:,} characters.")


def _bad_url(detail: str) -> FetchError:
    return FetchError(ErrorCode.BAD_URL, detail)


@lru_cache(maxsize=4096)  # the images of a page come from few hosts
def _host_and_port(authority: str, scheme: str, allow_nets: tuple[Network, ...]) -> tuple[str, int]:
    """Read ``host[:port]`` and vet what can be vetted without asking a resolver."""
    if "@" in authority:
        raise _bad_url("URLs with a user name or password are not fetched.")
    parts = _HOST_AND_PORT.fullmatch(authority)
    if parts is None or not parts["host"]:
        raise _bad_url("The URL has no valid host.")
    port = int(parts["port"] or _DEFAULT_PORTS[scheme])
    host = _parse_host(parts["host"])
    if isinstance(host, str):
        allowed = _is_localhost(host) and any(
            net.overlaps(loopback)
            for net in allow_nets
            for loopback in _LOOPBACK
            if net.version == loopback.version
        )
        if _is_localhost(host) and not allowed:
            raise FetchError(ErrorCode.BLOCKED_ADDRESS, "This machine itself is not fetched from.")
        text = host
    else:
        vet(host, allow_nets)
        allowed = any(host in net for net in allow_nets)
        text = f"[{host}]" if isinstance(host, IPv6Address) else str(host)
    if port not in ALLOWED_PORTS and not (allowed and 0 < port < 65536):
        raise _bad_url("Only the ports 80, 443, 8080 and 8443 are fetched from.")
    return text, port


def _is_localhost(name: str) -> bool:
    """Say whether a name means this machine without being looked up (RFC 6761 §6.3)."""
    return name == "localhost" or name.endswith(".localhost")


def _parse_host(text: str) -> str | Address:
    """Read a host as WHATWG's host parser does: an address, or a name in ASCII without its dot."""
    if text.startswith("["):
        try:
            return IPv6Address(text[1:-1])
        except AddressValueError as error:
            raise _bad_url("The URL's IPv6 address is not one.") from error
    try:
        name = unquote(text, errors="strict")
        if not name.isascii():
            name = idna.encode(name, uts46=True).decode()
    except UnicodeError as error:  # idna's errors are of this type too
        raise _bad_url("The URL's host is not a valid name.") from error
    name = name.lower().removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _parse_ipv4(name)
    if not _DNS_NAME.fullmatch(name):
        raise _bad_url("The URL's host is not a valid name.")
    return name


def _parse_ipv4(text: str) -> IPv4Address:
    """Read one to four numbers, octal after 0, hexadecimal after 0x; the last fills what is left.

    ``127.1``, ``0x7f.1``, ``0177.0.0.1`` and ``2130706433`` all mean 127.0.0.1.
    """
    *leading, last = [_parse_number(part) for part in text.split(".")]
    if len(leading) > 3 or max(leading, default=0) > 255 or last >= 256 ** (4 - len(leading)):
        raise _bad_url("The URL's IPv4 address is not one.")
    return IPv4Address(last + sum(n << 8 * (3 - place) for place, n in enumerate(leading)))


def _parse_number(text: str) -> int:
    # What int() takes for a number beyond digits: signs, spaces, underscores.
    if not _NUMBER.fullmatch(text):
        raise _bad_url("The URL's IPv4 address is not one.")
    try:
        if text.startswith("0x"):
            return int(text[2:] or "0", 16)
        return int(text, 8 if text.startswith("0") else 10)
    except ValueError as error:
        raise _bad_url("The URL's IPv4 address is not one.") from error


def _path(path: str) -> str:
    """Make percent-encoding uniform and resolve ``.`` and ``..`` (RFC 3986 §6.2.2, §5.2.4)."""
    if _PLAIN_PATH.fullmatch(path):
        return path
    path = quote(_STRAY_PERCENT.sub("%25", path), safe=_PATH_SAFE)
    path = _ESCAPE.sub(_plain_if_unreserved, path)
    segments: list[str] = []
    last = ""
    for last in path.split("/")[1:]:
        if last == "..":
            del segments[-1:]
        elif last != ".":
            segments.append(last)
    if last in (".", ".."):  # they name a folder
        segments.append("")
    return "/" + "/".join(segments)


def _plain_if_unreserved(escape: re.Match[str]) -> str:
    octet = int(escape[1], 16)
    return chr(octet) if octet in _UNRESERVED else escape[0].upper()
