"""A connection to one server. It retries for some time, and says each failure in a sentence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, ValidationError
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

Reply = TypeVar("Reply", bound=BaseModel)
OnWait = Callable[["UnreachableError", float], None]

STALL_TIMEOUT = 900.0
"""Seconds without a result after which the server's workers count as dead."""
_CONNECT_TIMEOUT = 5.0
_ANSWER_TIMEOUT = 30.0  # on top of the time that the server was asked to wait
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_TOO_MANY_REQUESTS = 429
# A server that is starting, stopping or behind a proxy that cannot reach it.
_TRANSIENT = frozenset({502, 503, 504})
_CONNECTIONS = 32
_LOOPBACK_OF_ALL = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - to be avoided


class ServerError(Exception):
    """The server gave no usable answer. The message is a sentence for people."""


class UnreachableError(ServerError):
    """The server cannot be reached or is too busy, for now.

    Args:
        message: a sentence for people.
        retry_after: seconds to wait before a retry, as the server asks.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LimitedError(UnreachableError):
    """A quota is used up. ``retry_after`` says when it allows the request."""


class RefusedError(ServerError):
    """The server refuses the request. A retry does not help.

    Args:
        status: the HTTP status.
        detail: the server's reason.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Connection:
    """A connection to one server; may be shared by threads.

    Args:
        server: the server's address, such as ``http://127.0.0.1:8750``.
        key: an API key, if there is one.
        retry_timeout: seconds for which to retry if the server cannot be reached. A quota that is
            used up is waited for, each time, if it allows more within these seconds.

    Attributes:
        on_wait: called before each pause, with its reason and its seconds.
    """

    def __init__(self, server: str, key: str | None, retry_timeout: float) -> None:
        self.server = server.rstrip("/")
        self.on_wait: OnWait = lambda _reason, _seconds: None
        self._retry_timeout = retry_timeout
        self._session = requests.Session()
        self._session.mount("http://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        self._session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        # The loopback of a proxy is another machine.
        self._session.trust_env = not _is_loopback(self.server)
        if key is not None:
            self._session.auth = _Bearer(key)

    def is_alive(self) -> bool:
        """Return whether the server answers now; never raises."""
        try:
            url = f"{self.server}/healthz"
            return self._session.get(url, timeout=1.0, allow_redirects=False).status_code == 200
        except requests.RequestException:
            return False

    def ask(
        self, method: str, path: str, reply: type[Reply], *, wait: float = 0.0, **request: object
    ) -> Reply:
        """Ask. Retry if the server cannot be reached.

        Args:
            method: of HTTP.
            path: with the leading slash.
            reply: the type of the answer.
            wait: seconds that the server may wait.
            request: further arguments of `requests.request`.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server refuses the request.
            ServerError: the answer is not usable.
        """
        try:
            return reply.model_validate_json(self.download(method, path, wait=wait, **request))
        except ValidationError as error:
            raise self._strange() from error

    def download(self, method: str, path: str, *, wait: float = 0.0, **request: object) -> bytes:
        """Ask as in `ask`, and return the body of the answer as it is.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server refuses the request.
            ServerError: the server cannot be asked.
        """
        retries = _Retries(self)
        while True:
            try:
                return self._send(method, path, wait, request).content
            except UnreachableError as error:
                retries.pause(error)

    def lines(self, path: str, reply: type[Reply], **request: object) -> Iterator[Reply]:
        """Read JSON Lines as they come. If the connection breaks, ask again and start over.

        Args:
            path: with the leading slash.
            reply: the type of each line.
            request: further arguments of `requests.request`.

        Raises:
            ServerError: as in `ask`.
        """
        retries = _Retries(self)
        while True:
            try:
                with self._send("GET", path, 0, {**request, "stream": True}) as response:
                    for line in _lines(response, self.server):
                        yield reply.model_validate_json(line)
                        retries.reset()
                return
            except ValidationError as error:
                raise self._strange() from error
            except UnreachableError as error:
                retries.pause(error)

    def _strange(self) -> ServerError:
        return ServerError(f"{self.server} gave an answer that is not Assay's.")

    def _send(
        self, method: str, path: str, wait: float, request: dict[str, object]
    ) -> requests.Response:
        """Ask once, and return a successful answer."""
        try:
            response = self._session.request(
                method,
                f"{self.server}{path}",
                timeout=(_CONNECT_TIMEOUT, wait + _ANSWER_TIMEOUT),
                allow_redirects=False,
                **request,  # type: ignore[arg-type]
            )
        except requests.Timeout:
            raise UnreachableError(f"{self.server} does not answer in time.") from None
        except requests.ConnectionError:
            raise UnreachableError(f"{self.server} cannot be reached.") from None
        except requests.exceptions.ChunkedEncodingError:
            raise UnreachableError(f"{self.server} broke off.") from None
        except requests.RequestException as error:
            # The message of the error is for programmers.
            raise ServerError(f"{self.server} cannot be asked.") from error
        if response.status_code == _TOO_MANY_REQUESTS:
            raise LimitedError(_reason(response), _retry_after(response))
        if response.status_code in _TRANSIENT:
            raise UnreachableError(_reason(response), _retry_after(response))
        if response.status_code not in (200, 201, 202):
            raise RefusedError(response.status_code, _reason(response))
        return response


class _Retries:
    """The pauses between the tries of one request."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.reset()

    def reset(self) -> None:
        """Begin anew: the server has answered."""
        self._ends_at: float | None = None
        self._pause = _FIRST_PAUSE

    def pause(self, error: UnreachableError) -> None:
        """Wait before the next try; raise the error if that takes too long."""
        now = time.monotonic()
        timeout = self._connection._retry_timeout
        if isinstance(error, LimitedError):
            if not 0 < error.retry_after <= timeout:
                raise error
            pause = error.retry_after
        else:
            self._ends_at = self._ends_at or now + timeout
            pause = max(self._pause, error.retry_after)
            if now + pause > self._ends_at:
                raise error
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self._connection.on_wait(error, pause)
        time.sleep(pause)


def _lines(response: requests.Response, server: str) -> Iterator[bytes]:
    """Yield the lines of an answer, without the empty ones that keep the connection open."""
    last = time.monotonic()
    try:
        for line in response.iter_lines():
            if line:
                yield line
                last = time.monotonic()
            elif time.monotonic() - last > STALL_TIMEOUT:
                raise stalled()
    except requests.RequestException:
        raise UnreachableError(f"{server} broke off.") from None


def stalled() -> ServerError:
    """Return the error of a server whose results do not come."""
    minutes = f"{STALL_TIMEOUT / 60:.0f} minutes"
    return ServerError(f"No result came for {minutes}. Do the server's workers run?")


class _Bearer(AuthBase):
    """Sends an API key (RFC 6750). In a plain header, a netrc password would replace it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def local_server(bind: str) -> str:
    """Return the URL of a server on this machine that is bound to ``address:port``."""
    host, _, port = bind.rpartition(":")
    return f"http://{_LOOPBACK_OF_ALL.get(host, host)}:{port}"


def server_address(given: str) -> str:
    """Return a server's base URL. On this machine, ``host:port`` means ``http``.

    Raises:
        ValueError: not a valid address. The message is a sentence for people.
    """
    try:
        address = urlsplit(given if "://" in given else f"http://{given}")
        named = bool(address.hostname) and address.port != 0  # reading a wrong port raises
    except ValueError:
        named = False
    if not named or address.scheme not in ("http", "https"):
        raise ValueError(
            f"{given!r} is not the address of a server; write it as http://127.0.0.1:8750."
        )
    if "://" not in given and not _is_loopback(address.geturl()):
        # A key must not cross a network unencrypted by default.
        raise ValueError(f"Add the scheme to {given}: https://{given} or http://{given}.")
    return address.geturl()


def _is_loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(response: requests.Response) -> str:
    """Return the reason in a problem document (RFC 9457), or the status line."""
    try:
        problem = response.json()
        return str(problem.get("detail") or problem["title"])
    except (ValueError, LookupError, AttributeError):
        return f"The server answered {response.status_code} {response.reason}."


def _retry_after(response: requests.Response) -> float:
    """Return the seconds of ``Retry-After`` (RFC 9110, 10.2.3), or 0 if it is a date."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0
