"""Open sockets to checked addresses only, and count their bytes and time against a fetch's limits.

The check is where the socket is opened: a name is looked up once, every address is checked, and the
connection goes to a checked address. So a second look-up cannot change anything (DNS rebinding).
Time counts from the start of the fetch, whatever it is spent on: look-ups, handshakes, slow headers
or a slow body.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import certifi

from models.errors import ErrorCode
from workers.fetching import FetchError
from workers.fetching.addresses import Address, Network, check_address

if TYPE_CHECKING:
    from typing_extensions import Buffer

Resolver = Callable[[str], Sequence[str]]
"""Returns all addresses of a host name as text. Raises OSError if there is none."""


def system_resolver(host: str) -> list[str]:
    """Return every address of a host, from the machine's own resolver.

    Raises:
        OSError: the name has no address, or no resolver answered.
    """
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in answers]


@dataclass(frozen=True)
class Limits:
    """The limits of one fetch. Times are in seconds."""

    resolve: float = 5.0
    connect: float = 3.0
    """To one address, and again for its TLS handshake."""
    between_bytes: float = 5.0
    total: float = 15.0
    max_bytes: int = 20 * 2**20
    """Of the file, as it arrives and after content decoding."""
    max_redirects: int = 3


# For headers and the framing of chunks, beside the file's own bytes.
_FRAMING_BYTES = 2**18


class Fetch:
    """One fetch: where it may connect to, and its remaining time and bytes."""

    def __init__(self, limits: Limits, allow_nets: Sequence[Network], resolve: Resolver) -> None:
        self._limits = limits
        self._allow_nets = allow_nets
        self._resolve = resolve
        self._ends = time.monotonic() + limits.total
        self._bytes_left = limits.max_bytes + _FRAMING_BYTES

    def seconds(self, at_most: float) -> float:
        """Return how long the next step may take.

        Raises:
            FetchError: timeout, no time is left.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise _timeout("The server took too long to send the image.")
        return min(at_most, left)

    def receive(self, sock: socket.socket, receive: Callable[[], int]) -> int:
        """Let a socket read once, within the remaining time and bytes.

        Raises:
            FetchError: timeout or too_large.
        """
        sock.settimeout(self.seconds(self._limits.between_bytes))
        try:
            count = receive()
        except TimeoutError as error:
            raise _timeout("The server took too long to send the image.") from error
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise FetchError(ErrorCode.TOO_LARGE, "The file is too large.")
        return count

    def connect(self, host: str, port: int) -> socket.socket:
        """Connect to the first address of a host that answers, if all its addresses may be reached.

        Raises:
            FetchError: dns_failure, blocked_address, timeout or connect_failure.
        """
        addresses = self._look_up(host)
        for address in addresses:
            check_address(address, self._allow_nets)
        failure: OSError | None = None
        for address in addresses:
            try:
                return self._open(address, port)
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise _timeout("The server did not answer.") from failure
        raise FetchError(
            ErrorCode.CONNECT_FAILURE, "The server could not be connected to."
        ) from failure

    def _open(self, address: Address, port: int) -> socket.socket:
        family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
        sock = _Socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(self.seconds(self._limits.connect))
            sock.connect((str(address), port))
            # For the TLS handshake as a whole; reads set their own timeouts.
            sock.settimeout(self.seconds(self._limits.connect))
        except BaseException:
            sock.close()
            raise
        return sock

    def _look_up(self, host: str) -> list[Address]:
        """Return every address of a host, each once, in the resolver's order."""
        try:
            return [ip_address(host.strip("[]"))]
        except ValueError:
            pass  # a name
        # A resolver cannot be interrupted, so its thread is left to end by itself.
        answers: SimpleQueue[Sequence[str]] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolve(host))
            except (OSError, UnicodeError):  # UnicodeError: an impossible name
                answers.put(())

        threading.Thread(target=ask, name="look-up", daemon=True).start()
        try:
            answer = answers.get(timeout=self.seconds(self._limits.resolve))
        except Empty as error:
            raise FetchError(
                ErrorCode.DNS_FAILURE, "The server's name could not be looked up in time."
            ) from error
        if not answer:
            raise FetchError(ErrorCode.DNS_FAILURE, "The server's name is not known.")
        return list(dict.fromkeys(map(ip_address, answer)))


def _timeout(detail: str) -> FetchError:
    return FetchError(ErrorCode.TIMEOUT, detail)


current: ContextVar[Fetch] = ContextVar("current_fetch")
"""This thread's fetch; every socket counts its reads against it."""


class _Socket(socket.socket):
    """A plain socket whose reads count against the current fetch."""

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        read = super().recv_into
        return current.get().receive(self, lambda: read(buffer, nbytes, flags))


class _TLSSocket(ssl.SSLSocket):
    """The same, inside TLS."""

    def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
        read = super().recv_into
        return current.get().receive(self, lambda: read(buffer, nbytes, flags))


def tls_context() -> ssl.SSLContext:
    """Make a context that checks certificates and host names, and counts what it reads."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.sslsocket_class = _TLSSocket
    return context
