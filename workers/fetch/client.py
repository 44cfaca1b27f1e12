"""Fetch an image file from the web: one GET, within limits, to public addresses only.

Built on the adapter of requests, below its sessions: a session would take proxies and netrc from
the environment, keep cookies, and read every redirect's body to its end. Nothing is retried, and no
connection is kept for later.
"""

from __future__ import annotations

import io
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from models.errors import ErrorCode
from workers.fetch import FetchError, TurnedAwayError
from workers.fetch.addresses import Network
from workers.fetch.dial import Errand, Limits, Resolver, current, system_resolver, tls_context
from workers.fetch.urls import canonical_url

__all__ = ["FetchError", "Fetched", "Fetcher", "Limits", "Place", "Resolver", "system_resolver"]

Place = Callable[[str], AbstractContextManager[object]]
"""Given a host, named as in a canonical URL: what is held while that host is asked."""

# urllib3 warns of odd answers with the whole URL and what the server sent; neither is for the log.
logging.getLogger("urllib3").setLevel(logging.ERROR)

_HEADERS = {
    "User-Agent": f"Assay/{version('assay')} (image checker)",
    "Accept": "image/avif,image/webp,image/png,image/jpeg,image/gif,image/*;q=0.8,*/*;q=0.5",
    # Images are compressed already; a content-coding would only be a way to hide a bomb.
    "Accept-Encoding": "identity",
    "Connection": "close",
}
# What servers send although it was not asked for, and urllib3 undoes piece by piece.
_KNOWN_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
_CHUNK_BYTES = 2**16
# An ETag is a hash or a number as a rule; it is kept with every address.
_MAX_VALIDATOR = 256
_TRY_LATER = (requests.codes.too_many_requests, requests.codes.service_unavailable)


@dataclass(frozen=True)
class Fetched:
    """A file as the server sent it, and what to ask with whether it has changed since.

    Attributes:
        data: the file's bytes, 20 MiB at most.
        etag: the response's ETag, if any.
        last_modified: the response's Last-Modified date as it was written, if any.
    """

    data: bytes
    etag: str | None
    last_modified: str | None


class Fetcher:
    """Fetches URLs that nobody trusts. Threads may share one; each fetch opens its own connection.

    Args:
        allow_nets: networks that may be reached although they are not public.
        resolve: looks names up; asked once for each connection.
        limits: what one fetch may take.
    """

    def __init__(
        self,
        allow_nets: Sequence[Network] = (),
        resolve: Resolver = system_resolver,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
    ) -> None:
        self._allow_nets = tuple(allow_nets)
        self._resolve = resolve
        self._limits = limits
        self._adapter = _VettingAdapter()

    def close(self) -> None:
        """Release what the fetcher holds."""
        self._adapter.close()

    def get(
        self,
        url: str,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        referer: str | None = None,
        place: Place = nullcontext,
    ) -> Fetched | None:
        """Fetch a URL, following at most three redirects, each vetted as the first URL is.

        Args:
            url: an absolute http or https URL.
            etag: what an earlier fetch said; asks only whether the file changed.
            last_modified: likewise.
            referer: the origin of the page that shows the image; not sent on to another origin.
            place: entered for each host that is asked, be it asked for a redirect only, and left
                before the next. What it raises ends the fetch, and it sees what the fetch raises.

        Returns:
            The file, or None when it has not changed since the validators were given.

        Raises:
            TurnedAwayError: the server said when to ask again.
            FetchError: bad_url, blocked_address, dns_failure, connect_failure, timeout,
                http_status, too_many_redirects or too_large.
        """
        validators = {
            name: value
            for name, value in (("If-None-Match", etag), ("If-Modified-Since", last_modified))
            if value is not None
        }
        errand = Errand(self._limits, self._allow_nets, self._resolve)
        token = current.set(errand)
        try:
            url = canonical_url(url, self._allow_nets)
            return self._follow(url, validators, referer, place)
        finally:
            current.reset(token)

    def _follow(
        self, url: str, validators: dict[str, str], referer: str | None, place: Place
    ) -> Fetched | None:
        for _ in range(self._limits.max_redirects + 1):
            headers = validators | ({"Referer": referer} if referer else {})
            before = urlsplit(url)
            with place(before.netloc), _typed_errors():
                request = requests.Request("GET", url, headers=_HEADERS | headers).prepare()
                with self._adapter.send(
                    request, stream=True, timeout=self._limits.between_bytes
                ) as response:
                    if not response.is_redirect:
                        return self._receive(response, conditional=bool(validators))
                    # HTTP's header lines are read as Latin-1; browsers take them for UTF-8.
                    location = response.headers["Location"].encode("latin-1")
            try:
                joined = urljoin(url, location.decode(errors="replace"))
                url = canonical_url(joined, self._allow_nets)
            except ValueError as error:
                raise FetchError(ErrorCode.BAD_URL, "The server redirects to no URL.") from error
            after = urlsplit(url)
            # Who can change what travels unencrypted could choose the verdict of an https URL.
            if before.scheme == "https" and after.scheme == "http":
                raise FetchError(ErrorCode.BAD_URL, "The server redirects from https to http.")
            if (before.scheme, before.netloc) != (after.scheme, after.netloc):
                referer = None
        raise FetchError(
            ErrorCode.TOO_MANY_REDIRECTS,
            f"The server redirects more than {self._limits.max_redirects} times.",
        )

    def _receive(self, response: requests.Response, *, conditional: bool) -> Fetched | None:
        """Read the body of a response that is not a redirect, up to the limit of its size."""
        if conditional and response.status_code == requests.codes.not_modified:
            return None
        if response.status_code in _TRY_LATER:
            seconds = retry_after(response.headers.get("Retry-After", ""))
            if seconds is not None:
                raise TurnedAwayError(response.status_code, seconds)
        if response.status_code != requests.codes.ok:
            raise FetchError(
                ErrorCode.HTTP_STATUS, f"The server answered with status {response.status_code}."
            )
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _KNOWN_ENCODINGS:
            raise _connect_failure(
                "The server sent the file in an encoding that was not asked for."
            )
        announced = response.headers.get("Content-Length", "")
        body = io.BytesIO()
        if announced.isdecimal() and int(announced) > self._limits.max_bytes:
            raise self._too_large()
        for chunk in response.iter_content(_CHUNK_BYTES):
            body.write(chunk)
            if body.tell() > self._limits.max_bytes:
                raise self._too_large()
        return Fetched(
            data=body.getvalue(),
            etag=_validator(response.headers.get("ETag")),
            last_modified=_validator(response.headers.get("Last-Modified")),
        )

    def _too_large(self) -> FetchError:
        megabytes = self._limits.max_bytes / 2**20
        return FetchError(ErrorCode.TOO_LARGE, f"The file is larger than {megabytes:g} MiB.")


def retry_after(value: str) -> float | None:
    """Read a Retry-After header: seconds, or a date (RFC 9110 §10.2.3); None if it is neither.

    Returns:
        Seconds from now; 0 for a date in the past.
    """
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    if then.tzinfo is None:  # "-0000"; HTTP's dates are all of GMT
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Raise what the libraries raise as errors of ours."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise _connect_failure("The server's certificate or TLS is not valid.") from error
    except requests.Timeout as error:
        raise FetchError(ErrorCode.TIMEOUT, "The server did not answer in time.") from error
    # ValueError: what the libraries say of numbers that none can be, as a chunk of -5 bytes.
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
        ValueError,
    ) as error:
        raise _connect_failure("The server's answer broke off or is not valid HTTP.") from error


def _connect_failure(detail: str) -> FetchError:
    return FetchError(ErrorCode.CONNECT_FAILURE, detail)


def _validator(value: str | None) -> str | None:
    """Return what is worth keeping to ask with again; a server may send 60 KB of anything."""
    if value is None or len(value) > _MAX_VALIDATOR or not value.isprintable():
        return None
    return value


# What makes requests open its sockets through the errand ------------------------------------------


class _VettedConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return current.get().connect(self.host, self.port)


class _VettedTLSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return current.get().connect(self.host, self.port)


class _OneUsePool(HTTPConnectionPool):
    """Closes what others keep: a server need not say that it closes a connection after its answer.

    A request on such a connection is lost, and nothing here sends one twice.
    """

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.close()


class _VettedPool(_OneUsePool):
    ConnectionCls = _VettedConnection


class _VettedTLSPool(_OneUsePool, HTTPSConnectionPool):
    ConnectionCls = _VettedTLSConnection


class _VettingAdapter(HTTPAdapter):
    """requests' own adapter, with other connections and one TLS context for all of them."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=tls_context(), **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _VettedPool,
            "https": _VettedTLSPool,
        }

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the connection as it is: the context demands a certificate and knows its issuers.

        requests would read the file of issuers anew, 30 ms for each connection.
        """
