"""One POST to an untrusted URL: checked like a fetch, and never redirected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from ipaddress import ip_address
from socket import socket
from urllib.parse import SplitResult, urlsplit

from models.errors import ErrorCode
from workers.fetching import FetchError
from workers.fetching.addresses import Network
from workers.fetching.client import retry_after
from workers.fetching.sockets import Fetch, Limits, Resolver, current, system_resolver, tls_context
from workers.webhooks.address import is_allowed, plain_http, webhook_url

LIMITS = Limits(resolve=3.0, connect=3.0, between_bytes=10.0, total=10.0, max_bytes=0)
"""A receiver may use all of the time until its response begins; the body is not read."""
_PORTS = {"http": 80, "https": 443}
_HEADERS = {
    "User-Agent": f"Assay/{version('assay')} (webhook)",
    "Content-Type": "application/json",
    "Connection": "close",
}


@dataclass(frozen=True)
class Answer:
    """The response of a receiver.

    Attributes:
        status: the HTTP status.
        retry_after: seconds after which to retry, if it said so.
    """

    status: int
    retry_after: float | None = None


class Poster:
    """Posts to webhooks. Thread-safe; each request opens its own connection.

    Args:
        allow_nets: networks that may be reached although they are not public.
        resolve: looks names up; called once for each request.
        limits: the limits of one request.
    """

    def __init__(
        self,
        allow_nets: Sequence[Network] = (),
        resolve: Resolver = system_resolver,
        limits: Limits = LIMITS,
    ) -> None:
        self._allow_nets = tuple(allow_nets)
        self._resolve = resolve
        self._limits = limits
        self._tls = tls_context()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post a body, and return the receiver's response, even if it is a redirect or an error.

        Raises:
            FetchError: bad_url, blocked_address, dns_failure, connect_failure or timeout.
        """
        fetch = Fetch(self._limits, self._allow_nets, self._resolve)
        token = current.set(fetch)
        try:
            return self._post(fetch, webhook_url(url, self._allow_nets), body, headers)
        except TimeoutError as error:
            raise FetchError(ErrorCode.TIMEOUT, "The receiver did not answer in time.") from error
        # ValueError: the library raises it for impossible numbers, as in an odd status line.
        except (HTTPException, OSError, ValueError) as error:
            raise FetchError(
                ErrorCode.CONNECT_FAILURE, "The receiver's answer is not valid HTTP or TLS."
            ) from error
        finally:
            current.reset(token)

    def _post(self, fetch: Fetch, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection = _Connection(parts, lambda host, port: self._open(fetch, parts, host, port))
        try:
            named = {"Host": parts.netloc, **_HEADERS, **headers}
            connection.request("POST", target, body, named)
            answer = connection.getresponse()
            return Answer(answer.status, retry_after(answer.headers.get("Retry-After", "")))
        finally:
            connection.close()

    def _open(self, fetch: Fetch, parts: SplitResult, host: str, port: int) -> socket:
        sock = fetch.connect(host, port)
        if parts.scheme == "https":
            # No certificate is for a name with its final dot (RFC 6066 §3).
            return self._tls.wrap_socket(sock, server_hostname=host.removesuffix("."))
        if not is_allowed(ip_address(sock.getpeername()[0]), self._allow_nets):
            sock.close()
            raise plain_http()
        return sock


class _Connection(HTTPConnection):
    """A connection whose sockets are opened by a function that checks their addresses.

    Args:
        parts: the parts of the URL.
        open_socket: given a host and a port.
    """

    def __init__(self, parts: SplitResult, open_socket: Callable[[str, int], socket]) -> None:
        super().__init__(parts.hostname or "", parts.port or _PORTS[parts.scheme])
        self._open_socket = open_socket

    def connect(self) -> None:
        self.sock = self._open_socket(self.host, self.port)
