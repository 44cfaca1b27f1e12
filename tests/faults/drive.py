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
        counted: how many URLs of a scan have an end by now.
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
        return max(self.counted, sum(item["status"] in ("done", "failed") for item in items))

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
            except requests.ConnectionError as error:
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
    server: str, urls: Sequence[str], *, clients: int = 20, patience: float = PATIENCE
) -> tuple[Drive, Callable[[], Drive]]:
    """Have the URLs checked by many clients at once, each with one check of its share.

    Returns:
        What is known by now, and what to call to wait for the end.
    """
    drive = Drive(list(urls))
    batches = [drive.urls[n::clients] for n in range(clients)]
    until = time.monotonic() + patience

    def follow(batch: list[str]) -> None:
        place = None
        while time.monotonic() < until:
            if place is None:
                asked = {"urls": batch, "queue": "bulk"}
                answer = drive.ask("POST", f"{server}/v1/checks", until, json=asked)
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

    return drive, _in_threads(drive, [partial(follow, batch) for batch in batches])


def through_a_scan(
    server: str, urls: Sequence[str], *, patience: float = PATIENCE
) -> tuple[Drive, Callable[[], Drive]]:
    """Have the URLs judged by one scan; its results are read when it has ended.

    Returns:
        What is known by now, and what to call to wait for the end.
    """
    drive = Drive(list(urls))
    until = time.monotonic() + patience
    # The same request may be sent again when its answer was lost.
    key = {"Idempotency-Key": uuid.uuid4().hex}

    def follow() -> None:
        body = {"urls": drive.urls}
        scans = f"{server}/v1/scans"
        answer = drive.ask("POST", scans, until, json=body, headers=key)
        while answer is not None and answer.status_code in (200, 202, 409):
            if answer.status_code == 409:  # is being dealt with
                time.sleep(int(answer.headers["Retry-After"]))
                answer = drive.ask("POST", scans, until, json=body, headers=key)
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
            assert [line["index"] for line in lines] == list(range(len(drive.urls)))
            drive.items = {line["url"]: line for line in lines}

    return drive, _in_threads(drive, [follow])


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
