"""Scans: many URLs under one id, from the request to the results. Knows no queue."""

from collections.abc import Sequence

from redis import Redis

from workers.fetching.addresses import Network
from workers.storage.scans.creating import ScanCreator
from workers.storage.scans.index import ScanIndex
from workers.storage.scans.items import ScanItems
from workers.storage.scans.lifecycle import ScanLifecycle
from workers.storage.scans.reading import ScanReader
from workers.storage.scans.webhooks import WebhookStore


class Scans:
    """All scans. Thread-safe.

    Args:
        redis: a client that returns bytes.
        revalidate_after: seconds for which a scan trusts that a URL still shows the same image.
        allow_nets: networks that may be fetched from although they are not public.

    Attributes:
        creator: creates scans.
        reader: reads scans and their results.
        items: for workers: takes items and records their results.
        lifecycle: cancels, deletes and sweeps scans.
        webhooks: the deliveries of webhooks.
    """

    def __init__(
        self, redis: Redis, *, revalidate_after: int, allow_nets: Sequence[Network] = ()
    ) -> None:
        self.webhooks = WebhookStore(redis)
        index = ScanIndex(redis, self.webhooks)
        self.reader = ScanReader(redis, index)
        self.items = ScanItems(redis, index)
        self.lifecycle = ScanLifecycle(redis, index, self.reader, self.items, self.webhooks)
        self.creator = ScanCreator(
            redis,
            index,
            self.reader,
            self.webhooks,
            revalidate_after=revalidate_after,
            allow_nets=allow_nets,
        )
