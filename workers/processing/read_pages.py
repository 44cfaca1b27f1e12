"""Read a page of a scan: fetch it, and put its images and further pages into the scan."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from redis import RedisError

from models.errors import CheckError, ErrorCode
from workers.fetching.addresses import Network
from workers.fetching.client import Fetched, Fetcher
from workers.fetching.sockets import Limits
from workers.pages.document import MAX_PAGE, MAX_SITE_MAP, Document, read_document
from workers.pages.images import place_of
from workers.pages.robots import Robots
from workers.processing.resolve import MOST_ATTEMPTS, HostSlots, HostUnavailableError, Progress
from workers.processing.work_items import PageWork
from workers.scheduling.leases import Leases
from workers.storage.scans.records import MOST_PAGES, Budget, Expected, PageImage, TakenItem
from workers.storage.stores import Stores

_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.5"

log = structlog.get_logger()


class PageReader:
    """Reads pages, in the threads of one worker process.

    Args:
        stores: the scans, and the locks that count attempts.
        slots: the slots of hosts.
        robots: the rules of origins.
        leases: renew the locks.
        charge: takes what pays, a number of URLs and the scan's owner; returns False if the quota
            is used up.
        allow_nets: networks that may be fetched from although they are not public.
    """

    def __init__(
        self,
        stores: Stores,
        slots: HostSlots,
        robots: Robots,
        leases: Leases,
        *,
        charge: Callable[..., bool],
        allow_nets: Sequence[Network],
    ) -> None:
        self._stores = stores
        self._slots = slots
        self._robots = robots
        self._leases = leases
        self._charge = charge
        self._allow_nets = allow_nets
        self._pages = Fetcher(allow_nets, limits=Limits(max_bytes=MAX_PAGE), accept=_ACCEPT)
        self._site_maps = Fetcher(allow_nets, limits=Limits(max_bytes=MAX_SITE_MAP), accept=_ACCEPT)
        self._large = threading.Lock()
        self._reading = threading.Lock()

    def read(self, work: PageWork, progress: Progress) -> None:
        """Read a page, and replace it in its scan by what it names.

        Raises:
            RedisError: the store cannot be reached.
        """
        item = work.item
        try:
            with progress.counted("fetching"):
                document = self._read(item)
            self._expand(item, document)
        except HostUnavailableError as error:
            self._slots.park(work, error.host)
        except CheckError as error:
            log.info("page_failed", address=item.address, code=error.code)
            self._stores.scans.items.expand(item, (), error=error)
        except RedisError:
            raise
        except Exception:
            log.exception("page_broke", address=item.address)
            failure = CheckError(ErrorCode.INTERNAL, "Assay failed on this page.")
            self._stores.scans.items.expand(item, (), error=failure)

    def _read(self, item: TakenItem) -> Document:
        """Fetch and parse a document. A large one may be a site map; one is held at a time."""
        try:
            return self._parse(self._fetch(self._pages, item.address), item)
        except CheckError as error:
            if error.code is not ErrorCode.TOO_LARGE or item.expected == "page":
                raise
        with self._large:
            return self._parse(self._fetch(self._site_maps, item.address), item)

    def _fetch(self, fetcher: Fetcher, address: str) -> Fetched:
        slot = partial(self._slots.held, address)
        fetched = fetcher.get(address, slot=slot, permit=partial(self._robots.check, slot=slot))
        assert fetched is not None  # noqa: S101 (the request was not conditional)
        return fetched

    def _parse(self, fetched: Fetched, item: TakenItem) -> Document:
        """Parse a document, unless parsing it killed several processes.

        Raises:
            CheckError: it is none that can be read.
        """
        sha256 = hashlib.sha256(fetched.data).hexdigest()
        while True:
            with self._reading, self._stores.image_locks.hold(sha256) as attempt:
                if attempt is not None:
                    if attempt.number > MOST_ATTEMPTS:
                        detail = "This page stopped Assay several times."
                        raise CheckError(ErrorCode.INTERNAL, detail)
                    with self._leases.held(attempt.renew):
                        return read_document(
                            fetched.data,
                            fetched.url,
                            expected=item.expected or "any",
                            content_type=fetched.content_type,
                            allow_nets=self._allow_nets,
                        )
            time.sleep(0.05)  # another worker reads the same bytes

    def _expand(self, item: TakenItem, document: Document) -> None:
        """Pay for what a document names, and put it into the scan."""
        images = [
            PageImage(url, page, place_of(places))
            for (page, url), places in document.images.found.items()
        ]
        listed: list[tuple[str, Expected]] = [(url, "site map") for url in document.site_maps]
        listed += [(url, "page") for url in document.pages]
        error = None
        if len(listed) > MOST_PAGES:
            count = f"{len(listed):,} pages"
            error = _left_out(f"It lists {count}. A scan reads at most {MOST_PAGES:,}.")
            listed = listed[:MOST_PAGES]
        elif document.left_out:
            error = _left_out(document.left_out)
        elif not images and not listed:
            detail = (
                "The page names no image in its HTML. A script may load them later. "
                "Check their own addresses instead."
            )
            error = CheckError(ErrorCode.NO_IMAGES, detail)
        budget = self._stores.scans.items.budget(item.scan_id)
        if budget is not None and not self._pay(item, budget, len(images) + len(listed)):
            count = f"{len(images):,} images and {len(listed):,} pages"
            error = _left_out(f"The quota is used up. What it names was left out: {count}.")
            images, listed = [], []
        self._stores.scans.items.expand(item, images, listed, error)

    def _pay(self, item: TakenItem, budget: Budget, urls: int) -> bool:
        """Charge the scan's owner. A page that is read again, after a crash, is paid again."""
        summary = self._stores.scans.reader.summary(item.scan_id)
        return summary is None or self._charge(budget, urls, owner=summary.owner)


def _left_out(detail: str) -> CheckError:
    return CheckError(ErrorCode.LEFT_OUT, detail)
