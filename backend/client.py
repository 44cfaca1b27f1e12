"""A typed client of Assay's HTTP API. Needs no command line, and knows of no server's insides."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, ValidationError
from requests.adapters import HTTPAdapter

from backend.schemas.checks import LONGEST_WAIT, MOST_URLS, CheckBody, CheckReply
from backend.schemas.scans import ItemBody, ScanLine, ScanReply
from models.verdict import CheckItem, Label
from workers.queue import Queue

_CONNECT_TIMEOUT = 5.0
_ANSWER_TIMEOUT = 30.0  # on top of the time that the server was asked to wait
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
# Too many requests, or a server that is starting, stopping or behind a proxy that cannot reach it.
_TRANSIENT = frozenset({429, 502, 503, 504})
_CONNECTIONS = 32
_LOOPBACK_OF_ALL = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - to be avoided


_Reply = TypeVar("_Reply", bound=BaseModel)


class Check(CheckReply):
    """The state of a check, which can be asked for again."""

    id: str


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


class Client:
    """A connection to one server; may be shared by threads.

    Args:
        server: the server's address, such as ``http://127.0.0.1:8750``.
        patience: seconds for which a server that cannot be reached is asked again.
    """

    def __init__(self, server: str, *, patience: float = 0.0) -> None:
        self.server = server.rstrip("/")
        self._patience = patience
        self._session = requests.Session()
        self._session.mount("http://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        self._session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        # A proxy's loopback is another machine than ours.
        self._session.trust_env = not _is_loopback(self.server)

    def is_alive(self) -> bool:
        """Tell whether a server answers now; never raises."""
        try:
            url = f"{self.server}/healthz"
            return self._session.get(url, timeout=1.0, allow_redirects=False).status_code == 200
        except requests.RequestException:
            return False

    def check(
        self,
        urls: Sequence[str],
        *,
        wait: float = 0.0,
        page: str | None = None,
        force: bool = False,
        queue: Queue = "interactive",
    ) -> Check:
        """Begin a check of images on the web.

        Args:
            urls: 1 to 100 URLs.
            wait: seconds, 0 to 20, to wait for the verdicts before an answer without them.
            page: the page that shows the images.
            force: judge again what is known.
            queue: ``bulk`` lets people who wait go first.

        Returns:
            One item per URL, in order.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server will not check this.
            pydantic.ValidationError: this is not what a check may be of.
        """
        body = CheckBody(urls=list(urls), wait=wait, page=page, force=force, queue=queue)
        return self._ask("POST", "/v1/checks", wait=wait, json=body.model_dump(exclude_none=True))

    def look(self, check_id: str, *, wait: float = 0.0) -> Check:
        """Return the state of a check that was begun before.

        Args:
            check_id: its ``id``.
            wait: as in ``check``.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server knows no such check (any more): status 404.
        """
        return self._ask("GET", f"/v1/checks/{check_id}", wait=wait, params={"wait": str(wait)})

    def upload(self, image: bytes, *, wait: float = 0.0, queue: Queue = "interactive") -> Check:
        """Begin a check of an image file's bytes.

        Args:
            image: the file, up to 20 MiB.
            wait: as in ``check``.
            queue: as in ``check``.

        Returns:
            A check of one item, whose ``url`` is ``sha256:`` and the hash of the bytes.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server will not take the file.
        """
        form = {"wait": str(wait), "queue": queue}
        files = {"image": ("image", image, "application/octet-stream")}
        return self._ask("POST", "/v1/images", wait=wait, data=form, files=files)

    def judge(self, urls: Sequence[str], *, within: float = 120.0) -> Iterator[CheckItem]:
        """Check any number of URLs, and wait for the verdicts.

        Args:
            urls: the URLs.
            within: seconds for each hundred; what is not known then is ``pending``.

        Yields:
            One item per URL, in order.

        Raises:
            ServerError: as in ``check``.
        """
        for start in range(0, len(urls), MOST_URLS):
            deadline = time.monotonic() + within
            check = self.check(urls[start : start + MOST_URLS], wait=min(within, LONGEST_WAIT))
            while check.status == "pending" and (left := deadline - time.monotonic()) > 0:
                check = self.look(check.id, wait=min(left, LONGEST_WAIT))
            yield from check.items

    # Scans

    def create_scan(
        self, items: Iterable[str | ItemBody], *, force: bool = False, key: str | None = None
    ) -> ScanReply:
        """Begin a scan.

        Args:
            items: up to 50,000 URLs, with names of your own or without.
            force: fetch again what is known.
            key: an idempotency key; with the same one, the same items are the same scan. If none
                is given, one is made, so that a scan is begun once however often it is asked for.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server will not scan this.
        """
        bodies = (ItemBody(url=item) if isinstance(item, str) else item for item in items)
        lines = "".join(f"{body.model_dump_json(exclude_none=True)}\n" for body in bodies)
        return self._ask_for(
            ScanReply,
            "POST",
            "/v1/scans",
            params={"force": str(force).lower()},
            data=lines.encode(),
            headers={
                "Content-Type": "application/jsonl",
                "Idempotency-Key": key or uuid.uuid4().hex,
            },
        )

    def scan(self, scan_id: str) -> ScanReply:
        """Return how far a scan is.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server knows no such scan (any more): status 404.
        """
        return self._ask_for(ScanReply, "GET", f"/v1/scans/{scan_id}")

    def cancel(self, scan_id: str) -> ScanReply:
        """Cancel what of a scan has not begun; return how far it came.

        Raises:
            ServerError: as in ``scan``.
        """
        return self._ask_for(ScanReply, "DELETE", f"/v1/scans/{scan_id}")

    def results(
        self,
        scan_id: str,
        *,
        order: Literal["input", "finished"] = "input",
        follow: bool = False,
        labels: Sequence[Label] = (),
    ) -> Iterator[ScanLine]:
        """Download a scan's results; a connection that breaks is made anew.

        Args:
            scan_id: its ``id``.
            order: that of the list, or that of finishing, which leaves out what is pending.
            follow: stay until the scan has ended; needs the order of finishing.
            labels: only verdicts of these.

        Yields:
            Each item once.

        Raises:
            ServerError: as in ``scan``.
        """
        query = {"format": "jsonl", "order": order, "follow": str(follow).lower()}
        told: set[int] = set()
        patience = _Patience(self._patience)
        while True:
            try:
                for line in self._lines(f"/v1/scans/{scan_id}/results", query, labels):
                    if line.index not in told:
                        told.add(line.index)
                        patience = _Patience(self._patience)
                        yield line
            except UnreachableError as error:
                patience.pause(error)
            else:
                return

    def _lines(
        self, path: str, query: dict[str, str], labels: Sequence[Label]
    ) -> Iterator[ScanLine]:
        params = {**query, "label": [label.value for label in labels]}
        with self._send("GET", path, params=params, stream=True) as response:
            try:
                for line in response.iter_lines():
                    if line:  # empty ones keep the connection open
                        yield ScanLine.model_validate_json(line)
            except requests.RequestException:
                raise UnreachableError(f"{self.server} broke off.") from None
            except ValidationError as error:
                raise self._strange() from error

    # Requests

    def _ask(self, method: str, path: str, *, wait: float, **request: object) -> Check:
        return self._ask_for(Check, method, path, wait=wait, **request)

    def _ask_for(
        self, form: type[_Reply], method: str, path: str, *, wait: float = 0.0, **request: object
    ) -> _Reply:
        """Ask, and ask again while patience lasts, if the server cannot be reached."""
        patience = _Patience(self._patience)
        while True:
            try:
                response = self._send(method, path, wait=wait, **request)
            except UnreachableError as error:
                patience.pause(error)
                continue
            try:
                return form.model_validate_json(response.content)
            except ValidationError as error:
                raise self._strange() from error

    def _strange(self) -> ServerError:
        return ServerError(f"{self.server} gave an answer that is not Assay's.")

    def _send(
        self, method: str, path: str, *, wait: float = 0.0, **request: object
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
        except requests.RequestException as error:
            raise ServerError(f"{self.server} cannot be asked: {error}") from error
        if response.status_code in _TRANSIENT:
            raise UnreachableError(_reason(response), _retry_after(response))
        if response.status_code not in (200, 202):
            raise RefusedError(response.status_code, _reason(response))
        return response


class _Patience:
    """Bears with a server that cannot be reached.

    Args:
        seconds: how long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends_at: float | None = None
        self._pause = _FIRST_PAUSE

    def pause(self, error: UnreachableError) -> None:
        """Wait before the server is asked again; raises the error if that would take too long."""
        now = time.monotonic()
        self._ends_at = self._ends_at or now + self._seconds
        pause = max(self._pause, error.retry_after)
        if now + pause > self._ends_at:
            raise error
        time.sleep(pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


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
