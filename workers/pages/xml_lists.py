"""Site maps, their indexes, RSS and Atom → pages and images.

https://www.sitemaps.org/protocol.html, https://www.rssboard.org/rss-specification,
https://www.rssboard.org/media-rss, RFC 4287.
"""

from __future__ import annotations

from collections.abc import Mapping

from workers.fetching.urls import MAX_URL_LENGTH
from workers.pages.images import Images

MOST_LINKS = 50_000
"""Entries of a site map, by the protocol."""
_MEDIA = "http://search.yahoo.com/mrss/"
_TEXTS = {("url", "loc"): "page", ("sitemap", "loc"): "site map", ("item", "link"): "link"}
"""Which elements hold a URL as text, after that of their parent."""


class ListTarget:
    """Takes a parser's events, and collects the pages and images that a list names.

    Args:
        images: where images go. Those of a feed belong to the page of their entry.

    Attributes:
        pages: absolute URLs, each once.
        site_maps: the same, of an index.
    """

    def __init__(self, images: Images) -> None:
        self._images = images
        self._pages: dict[str, None] = {}
        self._site_maps: dict[str, None] = {}
        self._path: list[str] = []
        self._text: list[str] | None = None
        self._link: str | None = None
        self._media: list[tuple[str, str]] = []

    @property
    def pages(self) -> list[str]:
        """The pages, in order."""
        return list(self._pages)

    @property
    def site_maps(self) -> list[str]:
        """The site maps, in order."""
        return list(self._site_maps)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take a start tag."""
        space, _, name = tag.rpartition("}")
        space = space.removeprefix("{")
        if space == _MEDIA:
            name = f"media:{name}"
        elif "sitemap-" in space:  # extensions: `image:loc` is no page
            name = f"{space}:{name}"
        parent = self._path[-1] if self._path else ""
        self._path.append(name)
        if name in ("item", "entry"):
            self._link, self._media = None, []
        if (parent, name) in _TEXTS:
            self._text = []
        get = attributes.get
        kind = (get("type") or get("medium") or "").lower()
        match name:
            case "link" if parent == "entry" and "href" in attributes:
                if (relation := get("rel") or "alternate") == "alternate":
                    self._link = self._link or attributes["href"]
                elif relation == "enclosure" and kind.startswith("image"):
                    self._media.append((attributes["href"], "enclosure"))
            case "enclosure" | "media:content" if kind.startswith("image"):
                self._media.append((get("url") or "", name))
            case "media:thumbnail":
                self._media.append((get("url") or "", name))

    def end(self, tag: str) -> None:  # noqa: ARG002 (the path knows it)
        """Take an end tag."""
        name = self._path.pop() if self._path else ""
        parent = self._path[-1] if self._path else ""
        if self._text is not None and (kind := _TEXTS.get((parent, name))):
            text = "".join(self._text)
            self._text = None
            if kind == "link":
                self._link = text
            else:
                self._add(self._pages if kind == "page" else self._site_maps, text)
        if name in ("item", "entry"):
            page = self._add(self._pages, self._link)
            for url, place in self._media:
                self._images.add(self._images.first([url]), place, page)

    def data(self, text: str) -> None:
        """Take text."""
        if self._text is not None and len(self._text) < MAX_URL_LENGTH:
            self._text.append(text[:MAX_URL_LENGTH])

    def close(self) -> None:
        """Take the end."""

    def _add(self, urls: dict[str, None], url: str | None) -> str | None:
        resolved = self._images.resolve(url)
        if resolved is not None and len(urls) < MOST_LINKS:
            urls[resolved] = None
        return resolved
