"""Scans with webhooks, and what delivers them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network

from redis import Redis

from tests.conftest import until
from tests.workers.storage.scan_data import judged
from workers.fetching.host_limits import HostLimiter
from workers.fetching.sockets import Limits
from workers.storage import keys
from workers.storage.scans import Scans
from workers.storage.scans.records import Delivery, ScanItem, Webhook
from workers.webhooks.deliver import Deliverer, Schedule
from workers.webhooks.message import new_secret
from workers.webhooks.post import LIMITS, Poster

A, B = "a" * 32, "b" * 32
LOOPBACK = [ip_network("127.0.0.0/8")]
QUICK = Schedule(pauses=(0.01, 0.02, 0.03), host_busy=0.01, look_every=0.01)
"""Four attempts at most."""
HASTY = Limits(resolve=0.3, connect=0.3, between_bytes=0.3, total=0.3, max_bytes=0)
SECRET = new_secret()


@contextmanager
def delivering(
    redis: Redis, schedule: Schedule = QUICK, limits: Limits = LIMITS
) -> Iterator[Deliverer]:
    """Deliver as a worker process does."""
    scans = Scans(redis, revalidate_after=3600)
    deliverer = Deliverer(scans, HostLimiter(redis), Poster(LOOPBACK, limits=limits), schedule)
    deliverer.start()
    try:
        yield deliverer
    finally:
        deliverer.close()


def begin(scans: Scans, url: str, scan_id: str = A, items: int = 1) -> None:
    scans.creator.create(
        scan_id,
        owner="",
        force=False,
        items=[ScanItem(f"https://example.com/{n}.jpg") for n in range(items)],
        webhook=Webhook(url, SECRET),
    )


def end(scans: Scans, scan_id: str = A) -> None:
    """Do as workers do: give each item a result."""
    while (summary := scans.reader.summary(scan_id)) and summary.pending:
        for work in scans.items.take(10):
            scans.items.record(work, judged())


def delivery(scans: Scans, scan_id: str = A) -> Delivery:
    summary = scans.reader.summary(scan_id)
    assert summary is not None
    assert summary.webhook is not None
    return summary.webhook


def settled(scans: Scans, scan_id: str = A) -> Delivery:
    until(lambda: delivery(scans, scan_id).status != "pending", "the delivery ends")
    return delivery(scans, scan_id)


def make_due(redis: Redis) -> None:
    """Let all that was claimed or put off be due now, as if its time had passed."""
    for scan_id in redis.zrange(keys.DUE_WEBHOOKS, 0, -1):
        redis.zadd(keys.DUE_WEBHOOKS, {scan_id: 0}, xx=True)


def due_in(redis: Redis) -> float:
    """Return in how many seconds the scan's webhook is due."""
    return float(redis.zscore(keys.DUE_WEBHOOKS, A) or 0) - time.time()
