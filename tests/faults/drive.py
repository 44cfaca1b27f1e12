"""A polite client that has thousands of URLs in flight, and notes everything that it is told."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import requests
from requests.exceptions import ChunkedEncodingError

from tests.faults.cluster import Cluster
from tests.faults.site import sha256_of

PATIENCE = 900.0
"""Seconds for a drive; a URL that has no end then is lost."""

Item = dict[str, Any]


@dataclass
class Drive:
    """What became of the URLs, and what the client saw on the way.

    Attributes:
        items: the last that was said of each URL.
        statuses: every HTTP status that was seen.
        faulty: answers that no client may see: a 5xx but 503 with Retry-After.
        refused: when no connection could be made.
        broken: when a connection broke before the answer was whole.
        counted: URLs that have ended in a scan whose results were not read yet.
        seconds: how long it took.
    """

    urls: list[str]
    items: dict[str, Item] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    faulty: list[str] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    broken: list[float] = field(default_factory=list)
    seconds: float = 0.0
    counted: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def ended(self) -> int:
        """How many URLs have an end by now."""
        items = list(self.items.values())
        return self.counted + sum(item["status"] in ("done", "failed") for item in items)

    @property
    def verdicts(self) -> int:
        """How many URLs have a verdict."""
        return sum(item["status"] == "done" for item in self.items.values())

    @property
    def errors(self) -> Counter[str]:
        """How many URLs have which error."""
        return Counter(
            item["error"]["code"] for item in self.items.values() if item["status"] == "failed"
        )

    @property
    def lost(self) -> list[str]:
        """The URLs that have neither."""
        return [
            url
            for url in self.urls
            if self.items.get(url, {}).get("status") not in ("done", "failed")
        ]

    @property
    def mistaken(self) -> list[str]:
        """The URLs whose verdict is about another image."""
        return [
            url
            for url, item in self.items.items()
            if item["status"] == "done" and item["verdict"]["image"]["sha256"] != sha256_of(url)
        ]

    def ask(self, method: str, url: str, until: float, **request: Any) -> requests.Response | None:
        """Ask until there is an answer that is not "later"; None when the time is over.

        On a connection of its own: a server may close one that is kept just when it is used again.
        """
        while time.monotonic() < until:
            try:
                answer = requests.request(method, url, timeout=(10, 60), **request)
            except (requests.ConnectionError, ChunkedEncodingError) as error:
                refused = "refused" in str(error)
                (self.refused if refused else self.broken).append(time.monotonic())
                time.sleep(0.25)
                continue
            with self._lock:
                self.statuses[answer.status_code] += 1
            if answer.status_code not in (429, 503):
                if answer.status_code >= 500:
                    self.faulty.append(f"{method} {url}: {answer.status_code} {answer.text[:300]}")
                    time.sleep(1)
                    continue
                return answer
            if not answer.headers.get("Retry-After", "").isdigit():
                self.faulty.append(f"{method} {url}: {answer.status_code} without Retry-After")
            time.sleep(min(10, int(answer.headers.get("Retry-After", 1))))
        return None


def through_checks(
    server: str, urls: Sequence[str], *, clients: int = 20
) -> tuple[Drive, Callable[[], Drive]]:
    """Check the URLs by many clients at once; each sends one check of its share.

    Returns:
        What is known so far, and a function that waits for the end.
    """
    drive = Drive(list(urls))
    return drive, _in_threads(drive, _checks(drive, server, drive.urls, clients))


def through_a_scan(server: str, urls: Sequence[str]) -> tuple[Drive, Callable[[], Drive]]:
    """Send the URLs as one scan; its results are read when it has ended.

    Returns:
        What is known so far, and a function that waits for the end.
    """
    drive = Drive(list(urls))
    return drive, _in_threads(drive, [partial(_follow_scan, drive, server, drive.urls)])


def through_both(server: str, urls: Sequence[str]) -> tuple[Drive, Callable[[], Drive]]:
    """Send every other URL in one scan, and check the rest meanwhile.

    Returns:
        What is known so far, and a function that waits for the end.
    """
    drive = Drive(list(urls))
    clients = _checks(drive, server, drive.urls[::2], clients=20)
    return drive, _in_threads(
        drive, [partial(_follow_scan, drive, server, drive.urls[1::2]), *clients]
    )


def _checks(
    drive: Drive, server: str, urls: Sequence[str], clients: int
) -> list[Callable[[], None]]:
    return [partial(_follow_check, drive, server, urls[n::clients]) for n in range(clients)]


def _follow_check(drive: Drive, server: str, batch: Sequence[str]) -> None:
    """Send a check, and ask for it until it has ended."""
    until = time.monotonic() + PATIENCE
    place = None
    while time.monotonic() < until:
        if place is None:
            answer = drive.ask("POST", f"{server}/v1/checks", until, json={"urls": batch})
        else:
            answer = drive.ask("GET", f"{server}{place}?wait=5", until)
        if answer is None:
            return
        if answer.status_code == 404:  # a store that forgot the check
            place = None
            continue
        if answer.status_code not in (200, 202):
            drive.faulty.append(f"{answer.status_code} {answer.text}")
            return
        drive.items |= {item["url"]: item for item in answer.json()["items"]}
        if answer.status_code == 200:
            return
        place = answer.headers["Location"]
        time.sleep(int(answer.headers["Retry-After"]))


def _follow_scan(drive: Drive, server: str, urls: Sequence[str]) -> None:
    """Create a scan, wait for its end, and read its results."""
    until = time.monotonic() + PATIENCE
    # With a key the request may be sent again when its answer was lost.
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body, scans = {"urls": urls}, f"{server}/v1/scans"
    answer = drive.ask("POST", scans, until, json=body, headers=headers)
    while answer is not None and answer.status_code in (200, 202, 409):
        if answer.status_code == 409:  # the first request is still being handled
            time.sleep(int(answer.headers["Retry-After"]))
            answer = drive.ask("POST", scans, until, json=body, headers=headers)
            continue
        scan = answer.json()
        drive.counted = scan["counts"]["done"] + scan["counts"]["failed"]
        if scan["status"] != "running":
            break
        time.sleep(min(1, int(answer.headers["Retry-After"])))
        answer = drive.ask("GET", server + scan["links"]["self"], until)
    else:
        drive.faulty.append(answer.text if answer is not None else "it took too long")
        return
    answer = drive.ask("GET", server + scan["links"]["results"], until)
    if answer is not None:
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert [line["index"] for line in lines] == list(range(len(urls)))
        drive.counted = 0
        drive.items |= {line["url"]: line for line in lines}


def _in_threads(drive: Drive, clients: Sequence[Callable[[], None]]) -> Callable[[], Drive]:
    """Start the clients; they are daemons, so that a test that fails need not wait for them."""
    begun = time.monotonic()
    threads = [threading.Thread(target=client, daemon=True) for client in clients]
    for thread in threads:
        thread.start()

    def end() -> Drive:
        for thread in threads:
            thread.join()
        drive.seconds = time.monotonic() - begun
        return drive

    return end


def verify(cluster: Cluster, drive: Drive, *, again: int = 0) -> None:
    """Hold the drive to what is promised in every scenario, and print the numbers.

    Args:
        again: how many images may have been judged a second time, where no promise forbids it.
    """
    repeated = sum(times - 1 for times in cluster.judged().values())
    scenario = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2]
    print(
        f"\n{scenario}: {len(drive.urls):,} URLs",
        f"{drive.verdicts:,} verdicts",
        f"errors {dict(drive.errors)}",
        f"{len(drive.lost)} lost",
        f"{repeated} judged again",
        f"statuses {dict(sorted(drive.statuses.items()))}",
        f"{len(drive.refused)} times refused",
        f"{len(drive.broken)} broken off",
        f"{drive.seconds:.0f} s",
        sep=" · ",
    )
    assert drive.lost == []
    assert drive.mistaken == []
    assert drive.faulty == []
    assert repeated <= again
    assert [at for at in drive.refused if not cluster.api_was_down(at)] == []
    assert [at for at in drive.broken if not cluster.api_was_down(at)] == []
