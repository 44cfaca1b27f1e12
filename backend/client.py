"""A typed client of Assay's HTTP API. Needs no command line, and knows of no server's insides."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network
from typing import Literal

from backend.connection import (
    Connection,
    RefusedError,
    ServerError,
    UnreachableError,
    local_server,
)
from backend.schemas.checks import LONGEST_WAIT, MOST_URLS, CheckBody, CheckReply
from backend.schemas.feedback import FeedbackBody, FeedbackReply
from backend.schemas.lookups import HashedVerdict, LookupBody, PrefixReply
from backend.schemas.scans import ItemBody, ScanLine, ScanReply
from models.errors import CheckError
from models.feedback import How, Says
from models.verdict import CheckItem, Label, Verdict
from workers.fetch.urls import SHORTEST_PREFIX, address_hash, canonical_url
from workers.queue import Queue

__all__ = [
    "Check",
    "CheckItem",
    "Client",
    "FeedbackReply",
    "HashedVerdict",
    "ItemBody",
    "RefusedError",
    "ScanLine",
    "ScanReply",
    "ServerError",
    "UnreachableError",
    "Verdict",
    "local_server",
    "url_hash",
]

_ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


class Check(CheckReply):
    """The state of a check, which can be asked for again."""

    id: str


class Client:
    """A connection to one server; may be shared by threads.

    Args:
        server: the server's address, such as ``http://127.0.0.1:8750``.
        key: an API key, where the server asks for one.
        patience: seconds for which a server that cannot be reached is asked again.
    """

    def __init__(self, server: str, *, key: str | None = None, patience: float = 0.0) -> None:
        self._server = Connection(server, key, patience)
        self._ask = self._server.ask

    def is_alive(self) -> bool:
        """Tell whether a server answers now; never raises."""
        return self._server.is_alive()

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
        json = body.model_dump(exclude_none=True)
        return self._ask("POST", "/v1/checks", Check, wait=wait, json=json)

    def look(self, check_id: str, *, wait: float = 0.0) -> Check:
        """Return the state of a check that was begun before.

        Args:
            check_id: its ``id``.
            wait: as in ``check``.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server knows no such check (any more): status 404.
        """
        params = {"wait": str(wait)}
        return self._ask("GET", f"/v1/checks/{check_id}", Check, wait=wait, params=params)

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
        return self._ask("POST", "/v1/images", Check, wait=wait, data=form, files=files)

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
        return self._ask(
            "POST",
            "/v1/scans",
            ScanReply,
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
        return self._ask("GET", f"/v1/scans/{scan_id}", ScanReply)

    def cancel(self, scan_id: str) -> ScanReply:
        """Cancel what of a scan has not begun; return how far it came.

        Raises:
            ServerError: as in ``scan``.
        """
        return self._ask("DELETE", f"/v1/scans/{scan_id}", ScanReply)

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
        params = {**query, "label": [label.value for label in labels]}
        told: set[int] = set()
        for line in self._server.lines(f"/v1/scans/{scan_id}/results", ScanLine, params=params):
            if line.index not in told:
                told.add(line.index)
                yield line

    def lookup(self, urls: Sequence[str] = (), *, sha256: Sequence[str] = ()) -> list[CheckItem]:
        """Tell what is known already; nothing is fetched or judged.

        Args:
            urls: URLs of images.
            sha256: hashes of image files' bytes, in lower-case hex; with the URLs 1 to 500 in all.

        Returns:
            One item per URL and then per hash, in order; ``unknown`` are those never judged.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server will not tell.
            pydantic.ValidationError: this is not what may be looked up.
        """
        json = LookupBody(urls=list(urls), sha256=list(sha256)).model_dump()
        return self._ask("POST", "/v1/lookups", CheckReply, json=json).items

    def lookup_prefix(self, prefix: str) -> list[HashedVerdict]:
        """Return every verdict that is known of a URL whose hash begins so.

        Args:
            prefix: 5 to 64 lower-case hex digits of a `url_hash`.

        Raises:
            UnreachableError: no server answered.
            RefusedError: this is no prefix, or the server will not tell.
        """
        return self._ask("GET", f"/v1/lookups/{prefix}", PrefixReply).verdicts

    def lookup_privately(
        self, urls: Sequence[str], *, digits: int = SHORTEST_PREFIX
    ) -> list[HashedVerdict | None]:
        """Tell what is known of some URLs, while the server learns of each a prefix of its hash.

        Args:
            urls: any number; each different prefix is one request.
            digits: 5 to 64 of each hash, which the server learns.

        Returns:
            A verdict per URL, in order; None for what was never judged, or is no URL.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server will not tell.
        """
        hashes = [_hash_or_none(url) for url in urls]
        prefixes = dict.fromkeys(h[:digits] for h in hashes if h is not None)
        told = (verdict for prefix in prefixes for verdict in self.lookup_prefix(prefix))
        known = {verdict.hash: verdict for verdict in told}
        return [known.get(h) if h is not None else None for h in hashes]

    def contest(
        self,
        *,
        says: Says,
        url: str | None = None,
        sha256: str | None = None,
        how: How | None = None,
        source: str | None = None,
        comment: str | None = None,
    ) -> FeedbackReply:
        """Say what an image is, of which the server has a verdict. No verdict changes by it.

        Args:
            says: what the image is.
            url: where it is; or
            sha256: the hash of its bytes.
            how: how you know.
            source: where that can be seen; 500 characters at most.
            comment: 1000 characters at most.

        Returns:
            What is kept, with the verdict that it contests.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server knows no verdict on this image: status 404.
            pydantic.ValidationError: this is not what may be said.
        """
        body = FeedbackBody(
            url=url, sha256=sha256, says=says, how=how, source=source, comment=comment
        )
        json = body.model_dump(exclude_none=True)
        return self._ask("POST", "/v1/feedback", FeedbackReply, json=json)


def url_hash(url: str) -> str:
    """Return what lookups by prefix know a URL by: the SHA-256, in hex, of its canonical spelling.

    Raises:
        models.errors.CheckError: this is no URL of an image that could be checked.
    """
    return address_hash(canonical_url(url, _ANYWHERE))


def _hash_or_none(url: str) -> str | None:
    try:
        return url_hash(url)
    except CheckError:
        return None
