"""The images of one page or list, each once, with the places where they stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import islice

from models.errors import CheckError
from workers.fetching.addresses import Network
from workers.fetching.urls import canonical_url

MOST_IMAGES = 500
"""Images of one page."""
_MOST_PLACES = 5
_MOST_TRIED = 10_000
"""Elements of one page whose URL is read, so that no page takes long."""
_NEWLINES = re.compile(r"[\t\n\r]")  # which URLs in HTML may hold (URL Standard §4.4)
_SVG = re.compile(r"[^?#]*\.svgz?(?:[?#]|$)", re.IGNORECASE)


class Images:
    """Collects images.

    Args:
        url: the page's URL, after redirects.
        allow_nets: networks that may be fetched from although they are not public.

    Attributes:
        base: what relative URLs are relative to.
        found: by page and URL, the places where the image stands, as an ordered set.
        left_out: how many images were one too many.
    """

    def __init__(self, url: str, allow_nets: Sequence[Network] = ()) -> None:
        self.base = url
        self.found: dict[tuple[str, str], dict[str, None]] = {}
        self.left_out = 0
        self._page = url
        self._tried = 0
        self._allow_nets = tuple(allow_nets)

    def resolve(self, url: str | None) -> str | None:
        """Return an absolute URL that may be fetched; None if this is none, as ``data:``."""
        url = _NEWLINES.sub("", url or "").strip()
        if not url:
            return None
        try:
            return canonical_url(url, self._allow_nets, base=self.base)
        except CheckError:
            return None

    def set_base(self, href: str) -> None:
        """Take the ``href`` of a ``base`` element."""
        self.base = self.resolve(href) or self.base

    def first(self, urls: Iterable[str | None]) -> str | None:
        """Return the first URL that an image may have, as an absolute one. SVG is not judged."""
        self._tried += 1
        if self._tried > _MOST_TRIED:
            self.left_out += 1
            return None
        resolved = (self.resolve(url) for url in urls)
        return next((url for url in resolved if url and not _SVG.match(url)), None)

    def add(self, url: str | None, place: str, page: str | None = None) -> None:
        """Note that an image, by its absolute URL, stands in a place."""
        if url is None:
            return
        key = (page or self._page, url)
        if key not in self.found and len(self.found) >= MOST_IMAGES:
            self.left_out += 1
            return
        self.found.setdefault(key, {})[place] = None


def place_of(places: Collection[str]) -> str:
    """Name all places of an image, in one short text."""
    more = len(places) - _MOST_PLACES
    return ", ".join(islice(places, _MOST_PLACES)) + (f" and {more} more" if more > 0 else "")
