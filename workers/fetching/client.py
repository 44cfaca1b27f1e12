"""Fetch a file from the web: one GET, within limits, to public addresses only.

This uses the connections of urllib3 directly. Its pools escape the URL again. The sessions of
requests also take proxies and netrc from the environment, keep cookies, and read the body of every
redirect to its end. Nothing is retried, and no connection is reused.
"""

from __future__ import annotations

import io
import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from importlib.metadata import version
from urllib.parse import SplitResult, quote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from models.errors import ErrorCode
from workers.fetching import FetchError, RetryLaterError, StatusError
from workers.fetching.addresses import Network
from workers.fetching.codings import unpack
from workers.fetching.cookies import Cookies
from workers.fetching.dates import seconds_until
from workers.fetching.sockets import Fetch, Limits, Resolver, current, system_resolver, tls_context
from workers.fetching.urls import canonical_url

__all__ = ["FetchError", "Fetched", "Fetcher", "Limits", "Resolver", "Slot", "system_resolver"]

Slot = Callable[[str], AbstractContextManager[object]]
"""Returns the slot to hold during a request to a host. The host is named as in a canonical URL,
without a final dot."""

Permit = Callable[[str], None]
"""Called with each canonical URL before it is requested; an error that it raises ends the fetch."""


def allow_all(_url: str) -> None:
    """Permit every URL."""


# urllib3 logs the whole URL, and what the server sent, for odd answers. Logs must not hold them.
logging.getLogger("urllib3").setLevel(logging.ERROR)

_HEADERS = {
    "User-Agent": f"Assay/{version('assay')} (image checker)",
    # Images are compressed already. A content coding would only help to hide a bomb.
    "Accept-Encoding": "identity",
    "Connection": "close",
}
IMAGES = "image/avif,image/webp,image/png,image/jpeg,image/gif,image/*;q=0.8,*/*;q=0.5"
_CHUNK_BYTES = 2**16
# An ETag is usually a hash or a number. It is kept with every address.
_MAX_VALIDATOR = 256
_TRY_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_REDIRECTS = (301, 302, 303, 307, 308)
_WITHOUT_BODY = (
    HTTPStatus.NO_CONTENT,
    HTTPStatus.RESET_CONTENT,
)  # a body that follows is not a file
_ASCII = bytes(range(128))


@dataclass(frozen=True)
class Fetched:
    """A file as the server sent it, and the validators for a later conditional request.

    Attributes:
        data: the file's bytes, within the limit of the fetch.
        etag: the response's ETag, if any.
        last_modified: the response's Last-Modified header, if any.
        url: where the file was, after redirects.
        content_type: the response's Content-Type header.
    """

    data: bytes
    etag: str | None
    last_modified: str | None
    url: str = ""
    content_type: str = ""


class Fetcher:
    """Fetches untrusted URLs. Thread-safe; each fetch opens its own connections.

    Args:
        allow_nets: networks that may be reached although they are not public.
        resolve: looks names up; called once for each connection.
        limits: the limits of one fetch.
        accept: the Accept header.
    """

    def __init__(
        self,
        allow_nets: Sequence[Network] = (),
        resolve: Resolver = system_resolver,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
        accept: str = IMAGES,
    ) -> None:
        self._allow_nets = tuple(allow_nets)
        self._resolve = resolve
        self._limits = limits
        self._headers = _HEADERS | {"Accept": accept}
        self._tls = tls_context()

    def get(
        self,
        url: str,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        referer: str | None = None,
        slot: Slot = nullcontext,
        permit: Permit = allow_all,
    ) -> Fetched | None:
        """Fetch a URL. Follow at most three redirects, each checked like the first URL.

        Args:
            url: an absolute http or https URL.
            etag: of an earlier fetch; makes the request conditional.
            last_modified: of an earlier fetch; makes the request conditional.
            referer: the origin of the page that shows the image; not sent on to another origin.
            slot: held during each request, with its host; one is released before the next is taken.
                An error that it raises ends the fetch, and an error of the fetch is raised in it.
            permit: asked before each request whether the URL may be requested.

        Returns:
            The file, or None if it has not changed since the validators were given.

        Raises:
            RetryLaterError: the server said when to retry.
            FetchError: bad_url, blocked_address, dns_failure, connect_failure, timeout,
                http_status, too_many_redirects, too_large, unsupported_format or corrupt_image.
        """
        validators = {
            name: value
            for name, value in (("If-None-Match", etag), ("If-Modified-Since", last_modified))
            if value is not None
        }
        fetch = Fetch(self._limits, self._allow_nets, self._resolve)
        token = current.set(fetch)
        try:
            url = canonical_url(url, self._allow_nets)
            return self._follow(url, validators, referer, slot, permit)
        finally:
            current.reset(token)

    def _follow(
        self,
        url: str,
        validators: dict[str, str],
        referer: str | None,
        slot: Slot,
        permit: Permit,
    ) -> Fetched | None:
        cookies = Cookies()
        for _ in range(self._limits.max_redirects + 1):
            headers = validators | ({"Referer": referer} if referer else {})
            before = urlsplit(url)
            if cookie := cookies.header(before):
                headers["Cookie"] = cookie
            permit(url)
            with (
                slot(_without_final_dot(before.netloc)),
                _typed_errors(),
                self._request(url, headers) as response,
            ):
                location = _location(response)
                if location is None:
                    return self._receive(response, url, conditional=bool(validators))
                cookies.store(before, response.headers.getlist("Set-Cookie"))
            url = canonical_url(location, self._allow_nets, base=url)
            after = urlsplit(url)
            # Whoever can change unencrypted traffic could choose the verdict of an https URL.
            if before.scheme == "https" and after.scheme == "http":
                raise FetchError(ErrorCode.BAD_URL, "The server redirects from https to http.")
            if (before.scheme, before.netloc) != (after.scheme, after.netloc):
                referer = None
        raise FetchError(
            ErrorCode.TOO_MANY_REDIRECTS,
            f"The server redirects more than {self._limits.max_redirects} times.",
        )

    @contextmanager
    def _request(self, url: str, headers: dict[str, str]) -> Iterator[urllib3.HTTPResponse]:
        """Request a canonical URL exactly as written; the connection is closed after the block."""
        parts = urlsplit(url)
        connection = self._connection(parts)
        try:
            connection.request(
                "GET",
                url[len(f"{parts.scheme}://{parts.netloc}") :],
                headers={"Host": parts.netloc} | self._headers | headers,
                preload_content=False,
                decode_content=False,
            )
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()

    def _connection(self, url: SplitResult) -> HTTPConnection:
        host, timeout = str(url.hostname), self._limits.between_bytes
        if url.scheme == "https":
            port = url.port or HTTPSConnection.default_port
            return _CheckedTLSConnection(host, port, timeout=timeout, ssl_context=self._tls)
        port = url.port or HTTPConnection.default_port
        return _CheckedConnection(host, port, timeout=timeout)

    def _receive(
        self, response: urllib3.HTTPResponse, url: str, *, conditional: bool
    ) -> Fetched | None:
        """Read the body of a response that is not a redirect, up to the limit of its size."""
        status = response.status
        if conditional and status == HTTPStatus.NOT_MODIFIED:
            return None
        if status in _TRY_LATER:
            seconds = retry_after(response.headers.get("Retry-After", ""))
            if seconds is not None:
                raise RetryLaterError(status, seconds)
        if not 200 <= status < 300 or status in _WITHOUT_BODY:
            raise StatusError(status)
        # urllib3 reads this header even if told not to decode, and in another way than we do.
        encoding = response.headers.pop("Content-Encoding", "")
        announced = response.headers.get("Content-Length", "")
        body = io.BytesIO()
        if announced.isdecimal() and int(announced) > self._limits.max_bytes:
            raise self._too_large()
        for chunk in response.stream(_CHUNK_BYTES):
            body.write(chunk)
            if body.tell() > self._limits.max_bytes:
                raise self._too_large()
        return Fetched(
            data=unpack(body.getvalue(), encoding, self._limits.max_bytes),
            etag=_validator(response.headers.get("ETag")),
            last_modified=_validator(response.headers.get("Last-Modified")),
            url=url,
            content_type=response.headers.get("Content-Type", ""),
        )

    def _too_large(self) -> FetchError:
        megabytes = self._limits.max_bytes / 2**20
        return FetchError(ErrorCode.TOO_LARGE, f"The file is larger than {megabytes:g} MiB.")


def retry_after(value: str) -> float | None:
    """Parse a Retry-After header: seconds, or a date (RFC 9110 §10.2.3); None if it is neither.

    Returns:
        Seconds from now; 0 for a date in the past.
    """
    if value.isascii() and value.isdecimal():
        return float(value)
    seconds = seconds_until(value)
    return None if seconds is None else max(0.0, seconds)


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Raise the libraries' errors as `FetchError`."""
    try:
        yield
    except (ssl.SSLError, urllib3.exceptions.SSLError) as error:
        raise _connect_failure("The server's certificate or TLS is not valid.") from error
    except (TimeoutError, urllib3.exceptions.TimeoutError) as error:
        raise FetchError(ErrorCode.TIMEOUT, "The server did not answer in time.") from error
    # ValueError: the libraries raise it for impossible numbers, such as a chunk of -5 bytes.
    except (HTTPException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise _connect_failure("The server's answer broke off or is not valid HTTP.") from error


def _connect_failure(detail: str) -> FetchError:
    return FetchError(ErrorCode.CONNECT_FAILURE, detail)


def _validator(value: str | None) -> str | None:
    """Return a validator that is worth keeping; a server may send 60 KB of anything."""
    if value is None or len(value) > _MAX_VALIDATOR or not value.isprintable():
        return None
    return value


def _location(response: urllib3.HTTPResponse) -> str | None:
    """Return where a response redirects to; None if it does not.

    Raises:
        FetchError: bad_url, it names two URLs.
    """
    locations = set(response.headers.getlist("Location"))
    if response.status not in _REDIRECTS or not any(locations):
        return None
    if len(locations) > 1:
        raise FetchError(ErrorCode.BAD_URL, "The server redirects to several URLs at once.")
    # http.client decodes headers as Latin-1. Browsers escape bytes that are not ASCII.
    return quote(locations.pop().encode("latin-1"), safe=_ASCII)


def _without_final_dot(host: str) -> str:
    """Return one name for each host: ``example.com.`` is ``example.com``."""
    name, colon, port = host.partition(".:")
    return f"{name}:{port}" if colon else host.removesuffix(".")


class _CheckedConnection(HTTPConnection):
    """A connection whose socket the current fetch opens, to a checked address."""

    def _new_conn(self) -> socket.socket:
        return current.get().connect(self.host, self.port)


class _CheckedTLSConnection(HTTPSConnection):
    """The same, with TLS over it."""

    def _new_conn(self) -> socket.socket:
        return current.get().connect(self.host, self.port)
