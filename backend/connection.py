"""A connection to one server: asked again while patience lasts, and every failure a sentence."""

from __future__ import annotations

import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, ValidationError
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

Reply = TypeVar("Reply", bound=BaseModel)

_CONNECT_TIMEOUT = 5.0
_ANSWER_TIMEOUT = 30.0  # on top of the time that the server was asked to wait
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
# Too many requests, or a server that is starting, stopping or behind a proxy that cannot reach it.
_TRANSIENT = frozenset({429, 502, 503, 504})
_CONNECTIONS = 32
_LOOPBACK_OF_ALL = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - to be avoided


class ServerError(Exception):
    """The server gave no answer that can be used; the message is a sentence for people."""


class UnreachableError(ServerError):
    """The server cannot be reached, or is too busy, for now.

    Args:
        message: a sentence for people.
        retry_after: seconds after which the server asks to be asked again.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedError(ServerError):
    """The server will not do what it was asked; asking again will not help.

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
        patience: seconds for which a server that cannot be reached is asked again.
    """

    def __init__(self, server: str, key: str | None, patience: float) -> None:
        self.server = server.rstrip("/")
        self._patience = patience
        self._session = requests.Session()
        self._session.mount("http://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        self._session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        # A proxy's loopback is another machine than ours.
        self._session.trust_env = not _is_loopback(self.server)
        if key is not None:
            self._session.auth = _Bearer(key)

    def is_alive(self) -> bool:
        """Tell whether a server answers now; never raises."""
        try:
            url = f"{self.server}/healthz"
            return self._session.get(url, timeout=1.0, allow_redirects=False).status_code == 200
        except requests.RequestException:
            return False

    def ask(
        self, method: str, path: str, reply: type[Reply], *, wait: float = 0.0, **request: object
    ) -> Reply:
        """Ask, and ask again while patience lasts, if the server cannot be reached.

        Args:
            method: of HTTP.
            path: with the leading slash.
            reply: what the answer is read as.
            wait: seconds for which the server is asked to wait.
            request: further arguments of `requests.request`.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server will not do it.
            ServerError: the answer cannot be used.
        """
        patience = _Patience(self._patience)
        while True:
            try:
                return reply.model_validate_json(self._send(method, path, wait, request).content)
            except ValidationError as error:
                raise self._strange() from error
            except UnreachableError as error:
                patience.pause(error)

    def lines(self, path: str, reply: type[Reply], **request: object) -> Iterator[Reply]:
        """Read JSON Lines as they come; if the connection breaks, ask anew, and begin again.

        Args:
            path: with the leading slash.
            reply: what each line is read as.
            request: further arguments of `requests.request`.

        Raises:
            ServerError: as in `ask`.
        """
        patience = _Patience(self._patience)
        while True:
            try:
                with self._send("GET", path, 0, {**request, "stream": True}) as response:
                    for line in _lines(response, self.server):
                        yield reply.model_validate_json(line)
                        patience.renew()
                return
            except ValidationError as error:
                raise self._strange() from error
            except UnreachableError as error:
                patience.pause(error)

    def _strange(self) -> ServerError:
        return ServerError(f"{self.server} gave an answer that is not Assay's.")

    def _send(
        self, method: str, path: str, wait: float, request: dict[str, object]
    ) -> requests.Response:
        """Ask once, and return the answer if it tells of success."""
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
        except requests.RequestException as error:
            raise ServerError(f"{self.server} cannot be asked: {error}") from error
        if response.status_code in _TRANSIENT:
            raise UnreachableError(_reason(response), _retry_after(response))
        if response.status_code not in (200, 201, 202):
            raise RefusedError(response.status_code, _reason(response))
        return response


class _Patience:
    """Bears with a server that cannot be reached.

    Args:
        seconds: how long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Begin anew, for the server has answered."""
        self._ends_at: float | None = None
        self._pause = _FIRST_PAUSE

    def pause(self, error: UnreachableError) -> None:
        """Wait before the server is asked again; raise the error if that would take too long."""
        now = time.monotonic()
        self._ends_at = self._ends_at or now + self._seconds
        pause = max(self._pause, error.retry_after)
        if now + pause > self._ends_at:
            raise error
        time.sleep(pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


def _lines(response: requests.Response, server: str) -> Iterator[bytes]:
    """Yield the lines of an answer, but for the empty ones that keep the connection open."""
    try:
        yield from filter(None, response.iter_lines())
    except requests.RequestException:
        raise UnreachableError(f"{server} broke off.") from None


class _Bearer(AuthBase):
    """Sends an API key (RFC 6750), which a netrc file's password would replace in a mere header."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def local_server(bind: str) -> str:
    """Return the address under which a server bound to ``address:port`` is reached from here."""
    host, _, port = bind.rpartition(":")
    return f"http://{_LOOPBACK_OF_ALL.get(host, host)}:{port}"


def _is_loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(response: requests.Response) -> str:
    """Return the words of a problem document (RFC 9457), or of the status line."""
    try:
        problem = response.json()
        return str(problem.get("detail") or problem["title"])
    except (ValueError, LookupError, AttributeError):
        return f"The server answered {response.status_code} {response.reason}."


def _retry_after(response: requests.Response) -> float:
    """Return the seconds of ``Retry-After`` (RFC 9110, 10.2.3); its other form, a date, as 0."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0
