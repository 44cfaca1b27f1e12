"""A typed client of Assay's HTTP API."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network
from typing import Literal

from backend.client.api_connection import Connection, OnWait
from backend.schemas.checks import LONGEST_WAIT, MOST_URLS, CheckBody, CheckReply
from backend.schemas.explanations import ExplanationReply
from backend.schemas.feedback import FeedbackBody, FeedbackReply
from backend.schemas.lookups import HashedVerdict, LookupBody, PrefixReply
from backend.schemas.scans import MOST_LISTED, ItemBody, Kind, ScanLine, ScanList, ScanReply
from backend.schemas.usage import UsageReply
from models.errors import CheckError
from models.feedback import How, Says
from models.verdict import CheckItem, Label
from workers.fetching.urls import SHORTEST_PREFIX, address_hash, canonical_url
from workers.scheduling.queues import Queue

_ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


class Check(CheckReply):
    """A check, with an id to ask for it again."""

    id: str


class Client:
    """A connection to one server; may be shared by threads.

    Args:
        server: the server's address, such as ``http://127.0.0.1:8750``.
        key: an API key, where the server asks for one.
        retry_timeout: seconds for which to retry if the server cannot be reached. A quota that is
            used up is waited for, each time, if it allows more within these seconds.
    """

    def __init__(self, server: str, *, key: str | None = None, retry_timeout: float = 0.0) -> None:
        self._server = Connection(server, key, retry_timeout)
        self._ask = self._server.ask

    def on_wait(self, call: OnWait) -> None:
        """Have this called before each pause, with its reason and its seconds, by any thread."""
        self._server.on_wait = call

    def is_alive(self) -> bool:
        """Return whether the server answers now; never raises."""
        return self._server.is_alive()

    def check(
        self,
        urls: Sequence[str],
        *,
        wait: float = 0.0,
        page: str | None = None,
        force: bool = False,
    ) -> Check:
        """Check images on the web.

        Args:
            urls: 1 to 100 URLs.
            wait: seconds to wait for verdicts, 0 to 20.
            page: the page that shows the images.
            force: fetch again what is known.

        Returns:
            One item per URL, in order.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server refuses the request.
            pydantic.ValidationError: the arguments are not valid.
        """
        body = CheckBody(urls=list(urls), wait=wait, page=page, force=force)
        json = body.model_dump(exclude_none=True)
        return self._ask("POST", "/v1/checks", Check, wait=wait, json=json)

    def look(self, check_id: str, *, wait: float = 0.0) -> Check:
        """Return a check as it is now.

        Args:
            check_id: its ``id``.
            wait: as in ``check``.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server does not know the check (any more): status 404.
        """
        params = {"wait": str(wait)}
        return self._ask("GET", f"/v1/checks/{check_id}", Check, wait=wait, params=params)

    def upload(self, image: bytes, *, wait: float = 0.0, queue: Queue = "interactive") -> Check:
        """Check an image file.

        Args:
            image: the bytes of the file, up to 20 MiB.
            wait: as in ``check``.
            queue: ``bulk`` lets interactive checks go first.

        Returns:
            A check of one item, whose ``url`` is ``sha256:`` and the hash of the bytes.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server refuses the file.
        """
        form = {"wait": str(wait), "queue": queue}
        files = {"image": ("image", image, "application/octet-stream")}
        return self._ask("POST", "/v1/images", Check, wait=wait, data=form, files=files)

    def explain(self, sha256: str, *, url: str | None = None, image: bytes | None = None) -> bytes:
        """Return a picture of where an image looks AI-made.

        Args:
            sha256: of the image, from its verdict.
            url: where the server fetches it again; or
            image: the bytes of the file.

        Returns:
            A PNG with a legend.

        Raises:
            ValueError: neither or both are given.
            UnreachableError: no server answered.
            RefusedError: there is no verdict (404), the image is not at hand (404), or it is no
                longer the same (409).
        """
        path = f"/v1/images/{sha256}/explanation"
        if image is not None and url is None:
            headers = {"Content-Type": "application/octet-stream"}
            return self._server.download("POST", path, data=image, headers=headers)
        if url is not None and image is None:
            return self._server.download("GET", path, params={"url": url})
        raise ValueError("either url or image is needed")

    def explain_in_words(self, sha256: str) -> ExplanationReply:
        """Return what a cached verdict rests on, in sentences.

        Raises:
            UnreachableError: no server answered.
            RefusedError: there is no verdict: status 404.
        """
        return self._ask("GET", f"/v1/images/{sha256}/explanation/text", ExplanationReply)

    def judge(self, urls: Sequence[str], *, within: float = 120.0) -> Iterator[CheckItem]:
        """Check any number of URLs, and wait for the verdicts.

        Args:
            urls: the URLs.
            within: seconds for each hundred. Images without a verdict by then are ``pending``.

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
        self,
        items: Iterable[str | ItemBody],
        *,
        kind: Kind = "images",
        force: bool = False,
        key: str | None = None,
        webhook: str | None = None,
    ) -> ScanReply:
        """Begin a scan.

        Args:
            items: up to 50,000 URLs of images or 5,000 of pages, with or without your own ids.
            kind: ``pages`` if they are web pages, site maps or feeds.
            force: fetch images again, even if their verdicts are cached.
            key: an idempotency key. The same key and items are the same scan. None: a new key, so
                that retries do not begin a second scan.
            webhook: an https URL to notify when the scan has ended. The answer has the secret that
                verifies the notification.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server refuses the scan.
        """
        bodies = (ItemBody(url=item) if isinstance(item, str) else item for item in items)
        lines = "".join(f"{body.model_dump_json(exclude_none=True)}\n" for body in bodies)
        params = {"force": str(force).lower()}
        if kind != "images":  # an older server does not know it
            params["kind"] = kind
        if webhook is not None:
            params["webhook"] = webhook
        return self._ask(
            "POST",
            "/v1/scans",
            ScanReply,
            params=params,
            data=lines.encode(),
            headers={
                "Content-Type": "application/jsonl",
                "Idempotency-Key": key or uuid.uuid4().hex,
            },
        )

    def scan(self, scan_id: str) -> ScanReply:
        """Return the progress of a scan.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server does not know the scan (any more): status 404.
        """
        return self._ask("GET", f"/v1/scans/{scan_id}", ScanReply)

    def scans(self) -> Iterator[ScanReply]:
        """Yield your scans that the server has not deleted, the newest first.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server refuses the request.
        """
        path: str | None = f"/v1/scans?limit={MOST_LISTED}"
        while path:
            page = self._ask("GET", path, ScanList)
            yield from page.scans
            path = page.next

    def cancel(self, scan_id: str) -> ScanReply:
        """Cancel the items of a scan that have not begun; return its progress.

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
        """Download a scan's results. Reconnect if the connection breaks.

        Args:
            scan_id: its ``id``.
            order: the order of the list, or of finishing, which leaves out pending items.
            follow: stay until the scan has ended; needs ``order="finished"``.
            labels: only verdicts with these labels. Empty: all items.

        Yields:
            Each item once.

        Raises:
            ServerError: as in ``scan``.
        """
        query = {"format": "jsonl", "order": order, "follow": str(follow).lower()}
        params = {**query, "label": [label.value for label in labels]}
        seen: set[int] = set()
        for line in self._server.lines(f"/v1/scans/{scan_id}/results", ScanLine, params=params):
            if line.index not in seen:
                seen.add(line.index)
                yield line

    def lookup(self, urls: Sequence[str] = (), *, sha256: Sequence[str] = ()) -> list[CheckItem]:
        """Return cached verdicts. Nothing is fetched.

        Args:
            urls: URLs of images.
            sha256: hashes of image files' bytes, in lower-case hex; with the URLs 1 to 500 in all.

        Returns:
            One item per URL and then per hash, in order; ``unknown`` without a verdict.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server refuses the request.
            pydantic.ValidationError: the arguments are not valid.
        """
        json = LookupBody(urls=list(urls), sha256=list(sha256)).model_dump()
        return self._ask("POST", "/v1/lookups", CheckReply, json=json).items

    def lookup_prefix(self, prefix: str) -> list[HashedVerdict]:
        """Return all cached verdicts of URLs whose hash has a prefix.

        Args:
            prefix: 5 to 64 lower-case hex digits of a `url_hash`.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the prefix is not valid, or the server refuses the request.
        """
        return self._ask("GET", f"/v1/lookups/{prefix}", PrefixReply).verdicts

    def lookup_privately(
        self, urls: Sequence[str], *, digits: int = SHORTEST_PREFIX
    ) -> list[HashedVerdict | None]:
        """Return cached verdicts of URLs. The server learns only a prefix of each URL's hash.

        Args:
            urls: any number; each different prefix is one request.
            digits: the length of the prefixes, 5 to 64.

        Returns:
            A verdict per URL, in order; None without a verdict, or if it is not a valid URL.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server refuses the request.
        """
        hashes = [_hash_or_none(url) for url in urls]
        prefixes = dict.fromkeys(h[:digits] for h in hashes if h is not None)
        found = (verdict for prefix in prefixes for verdict in self.lookup_prefix(prefix))
        known = {verdict.hash: verdict for verdict in found}
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
        """Contest a verdict. This does not change the verdict.

        Args:
            says: what the image is.
            url: the image; or
            sha256: the hash of its bytes.
            how: how you know.
            source: a source for it; 500 characters at most.
            comment: 1000 characters at most.

        Returns:
            The stored feedback, with the verdict.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server has no verdict on this image: status 404.
            pydantic.ValidationError: the arguments are not valid.
        """
        body = FeedbackBody(
            url=url, sha256=sha256, says=says, how=how, source=source, comment=comment
        )
        json = body.model_dump(exclude_none=True)
        return self._ask("POST", "/v1/feedback", FeedbackReply, json=json)

    def usage(self) -> UsageReply:
        """Return the use of the key, and what is left of its quotas. This costs nothing.

        Raises:
            UnreachableError: no server answered.
            RefusedError: the server refuses the request.
        """
        return self._ask("GET", "/v1/usage", UsageReply)


def url_hash(url: str) -> str:
    """Return the hash of a URL in lookups by prefix: SHA-256, in hex, of its canonical form.

    Raises:
        models.errors.CheckError: the URL cannot be checked.
    """
    return address_hash(canonical_url(url, _ANYWHERE))


def _hash_or_none(url: str) -> str | None:
    try:
        return url_hash(url)
    except CheckError:
        return None
