"""HTML → images, as a browser with a large screen would choose them (HTML Standard §4.8.4).

Each element gives one image: the largest candidate of its ``srcset``, which is the one with the
most to judge. Images that scripts load later are found by the attributes that lazy loaders use.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from workers.pages.images import Images

_LAZY_SETS = ("data-srcset", "data-lazy-srcset", "srcset")
_LAZY = ("data-src", "data-lazy-src", "data-original", "src")
_META = {
    "og:image": "og:image",
    "og:image:url": "og:image",
    "og:image:secure_url": "og:image",
    "twitter:image": "twitter:image",
    "twitter:image:src": "twitter:image",
}
_READABLE = ("image/jpeg", "image/jpg", "image/png", "image/webp", "image/gif", "image/avif")
_LONGEST_JSON = 2**20
"""Characters of one JSON-LD element."""
_SCREEN = 1920
"""Pixels of the screen's width, for media queries."""

_TOKEN = re.compile(r"[\s,]*(\S+)")
_DESCRIPTOR = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)[wx]")
_WIDTH_QUERY = re.compile(r"(min|max)-width\s*:\s*(\d{1,6}(?:\.\d{1,3})?)(px|r?em)")
# An unquoted url() with a parenthesis is not valid (CSS Syntax §4.3.6).
_CSS_URL = re.compile(
    r"""url\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|((?>[^()\\"'\s]|\\[0-9a-f]{1,6}\s?|\\.)*+))\s*\)""",
    re.IGNORECASE | re.DOTALL,
)
_CSS_ESCAPE = re.compile(r"\\(?:([0-9a-f]{1,6})\s?|(.))", re.IGNORECASE | re.DOTALL)


class PageTarget:
    """Takes a parser's events, and collects the page's images.

    Args:
        images: where they go.
    """

    def __init__(self, images: Images) -> None:
        self._images = images
        self._counts: Counter[str] = Counter()
        self._has_base = False
        self._templates = 0
        self._noscripts = 0
        self._sources: list[str | None] | None = None
        self._json: list[str] | None = None
        self._json_left = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take a start tag."""
        if tag == "template":
            self._templates += 1
        if self._templates:  # a browser does not load it
            return
        get = attributes.get
        if "style" in attributes:
            for url in css_urls(attributes["style"]):
                self._add("background", url)
        match tag:
            case "base" if not self._has_base and "href" in attributes:
                self._has_base = True
                self._images.set_base(attributes["href"])
            case "img" | "amp-img":
                chosen = [*(self._sources or ()), *_candidates(attributes)]
                self._add("noscript img" if self._noscripts else "img", *chosen)
            case "picture":
                self._sources = []
            case "source" if self._sources is not None and _is_chosen(attributes):
                self._sources += [largest(get(name)) for name in _LAZY_SETS]
            case "video":
                self._add("poster", get("poster"))
            case "input" if (get("type") or "").lower() == "image":
                self._add("input", get("src"))
            case "link" if (get("rel") or "").lower() == "image_src":
                self._add("image_src", get("href"), numbered=False)
            case "meta":
                name = (get("property") or get("name") or "").lower()
                if name in _META:
                    self._add(_META[name], get("content"), numbered=False)
            case "script" if (get("type") or "").strip().lower() == "application/ld+json":
                self._json, self._json_left = [], _LONGEST_JSON
            case "noscript":
                self._noscripts += 1

    def end(self, tag: str) -> None:
        """Take an end tag."""
        match tag:
            case "template":
                self._templates = max(0, self._templates - 1)
            case "picture":
                self._sources = None
            case "noscript":
                self._noscripts = max(0, self._noscripts - 1)
            case "script" if self._json is not None:
                for url in json_ld_urls("".join(self._json)):
                    self._add("JSON-LD", url, numbered=False)
                self._json = None

    def data(self, text: str) -> None:
        """Take text."""
        if self._json is not None and self._json_left > 0:
            self._json.append(text[: self._json_left])
            self._json_left -= len(text)

    def close(self) -> None:
        """Take the end."""

    def _add(self, kind: str, *urls: str | None, numbered: bool = True) -> None:
        """Add the first of the URLs that may be an image."""
        place = kind
        if numbered:
            self._counts[kind] += 1
            place = f"{kind} {self._counts[kind]}"
        self._images.add(self._images.first(urls), place)


def _candidates(attributes: Mapping[str, str]) -> list[str | None]:
    sets = [largest(attributes.get(name)) for name in _LAZY_SETS]
    return [*sets, *(attributes.get(name) for name in _LAZY)]


def _is_chosen(attributes: Mapping[str, str]) -> bool:
    """Return whether a browser with a large screen would take this ``source``."""
    kind = (attributes.get("type") or "").partition(";")[0].strip().lower()
    media = (attributes.get("media") or "").lower()
    if (kind and kind not in _READABLE) or "print" in media:
        return False
    widths = (
        (which, float(number) * (1 if unit == "px" else 16))
        for which, number, unit in _WIDTH_QUERY.findall(media)
    )
    return all(width <= _SCREEN if which == "min" else width >= _SCREEN for which, width in widths)


def largest(srcset: str | None) -> str | None:
    """Return the URL of the largest candidate of a ``srcset`` that is not ``data:``."""
    best, most = None, 0.0
    for url, size in srcset_candidates(srcset or ""):
        if size > most and url[:5].lower() != "data:":
            best, most = url, size
    return best


def srcset_candidates(srcset: str) -> Iterator[tuple[str, float]]:
    """Yield the candidates of a ``srcset`` (HTML Standard §4.8.4.3.10).

    Yields:
        The URL, and its width in pixels or its density. A density of 1 is the default.
    """
    at = 0
    while found := _TOKEN.match(srcset, at):
        url, at = found[1], found.end()
        descriptors = ""
        if url.endswith(","):
            url = url.rstrip(",")
        else:
            end = srcset.find(",", at)
            end = len(srcset) if end < 0 else end
            descriptors, at = srcset[at:end], end
        size = _DESCRIPTOR.search(descriptors)
        if url:
            yield url, float(size[1]) if size else 1.0


def css_urls(style: str) -> Iterator[str]:
    """Yield the URLs in a ``style`` attribute."""
    for found in _CSS_URL.finditer(style):
        yield _CSS_ESCAPE.sub(_unescaped, next(filter(None, found.groups()), ""))


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1] is None:
        return escape[2] if escape[2] != "\n" else ""
    code = int(escape[1], 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def json_ld_urls(text: str) -> Iterator[str]:
    """Yield the images that JSON-LD names, in whatever form (https://schema.org/image)."""
    try:
        left: list[tuple[Any, bool]] = [(json.loads(text), False)]
    except (ValueError, RecursionError):
        return
    while left:
        value, is_image = left.pop()
        if isinstance(value, str) and is_image:
            yield value
        elif isinstance(value, list):
            left += [(each, is_image) for each in reversed(value)]
        elif isinstance(value, dict):
            for name, each in reversed(value.items()):
                named = name in ("image", "thumbnailUrl")
                of_image = is_image or value.get("@type") == "ImageObject"
                left.append((each, named or (of_image and name in ("url", "contentUrl"))))
