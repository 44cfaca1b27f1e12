"""A fetched document → the images and pages that it names, whatever kind of document it is.

The bytes decide the kind, as with images; the Content-Type only helps with the encoding of a page.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from lxml import etree

from models.errors import CheckError, ErrorCode, ImageError
from models.image import sniff
from workers.fetching.addresses import Network
from workers.pages.html import PageTarget
from workers.pages.images import Images
from workers.pages.xml_lists import ListTarget

MAX_PAGE = 5 * 2**20
"""Bytes of an HTML page."""
MAX_SITE_MAP = 50 * 2**20
"""Bytes of a site map after decompression (https://www.sitemaps.org/protocol.html)."""

Expected = Literal["any", "site map", "page"]
"""What a document may be. What a list of pages names is a page, so that nothing is crawled."""

_CHUNK = 2**16
_HEAD = 4096
_GZIP = 16 + zlib.MAX_WBITS
_NOT_A_ROOT = re.compile(rb"\s+|<\?.*?\?>|<!--.*?-->|<!doctype[^>\[]*(?:\[.*?\]\s*)?>", re.I | re.S)
_ROOT = re.compile(rb"<(?:[\w.-]+:)?([\w.-]+)")
_MARKUP = re.compile(rb"\s*<[!?a-z]", re.IGNORECASE)
_LISTS = (b"urlset", b"sitemapindex", b"rss", b"feed", b"rdf")
_META_CHARSET = re.compile(rb"<meta[^>]{0,256}charset", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


@dataclass
class Document:
    """What a document names.

    Attributes:
        images: its images, each once, with its page and places.
        site_maps: the site maps of an index.
        pages: the pages of a site map or feed, as absolute URLs.
        left_out: why something in it is missing here, as a sentence.
    """

    images: Images
    site_maps: Sequence[str] = ()
    pages: Sequence[str] = field(default=())
    left_out: str | None = None


def read_document(
    data: bytes,
    url: str,
    *,
    expected: Expected = "any",
    content_type: str = "",
    allow_nets: Sequence[Network] = (),
) -> Document:
    """Read an HTML page, a site map, an index of site maps, or a feed.

    Args:
        data: the bytes, perhaps compressed with gzip.
        url: where it is, after redirects.
        expected: what it may be.
        content_type: the header.
        allow_nets: networks that may be fetched from although they are not public.

    Raises:
        CheckError: not_a_page, or too_large.
    """
    data = _as_utf_8(_unpacked(data))
    root = _root(data)
    if root in _LISTS and expected != "page":
        return _read_list(data, url, expected, allow_nets)
    if root is None or root in _LISTS or expected == "site map":
        raise CheckError(ErrorCode.NOT_A_PAGE, _instead(data, root, expected))
    if len(data) > MAX_PAGE:
        raise too_large(MAX_PAGE)
    return _read_page(data, url, content_type, allow_nets)


def too_large(limit: int) -> CheckError:
    """Return the error for a document above a limit in bytes."""
    return CheckError(ErrorCode.TOO_LARGE, f"The document is larger than {limit / 2**20:g} MiB.")


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        data = zlib.decompressobj(_GZIP).decompress(data, MAX_SITE_MAP + 1)
    except zlib.error as error:
        raise CheckError(ErrorCode.NOT_A_PAGE, "The gzip file is damaged.") from error
    if len(data) > MAX_SITE_MAP:
        raise too_large(MAX_SITE_MAP)
    return data


def _as_utf_8(data: bytes) -> bytes:
    """Decode UTF-16, whose byte order mark overrules everything else; drop that of UTF-8."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return codecs.BOM_UTF8 + data.decode("utf-16", "replace").encode()
    return data


def _root(data: bytes) -> bytes | None:
    """Return the name of the first element, in lower case; None if the bytes are no markup."""
    head = data.removeprefix(codecs.BOM_UTF8)[:_HEAD]
    if not _MARKUP.match(head):
        return None
    at = 0
    while found := _NOT_A_ROOT.match(head, at):
        at = found.end()
    name = _ROOT.match(head, at)
    return name[1].lower() if name else b"html"


def _instead(data: bytes, root: bytes | None, expected: Expected) -> str:
    """Say what a document is that is not what was expected."""
    if root is not None:
        wanted = "a site map" if expected == "site map" else "a web page"
        return f"This is not {wanted}, although it is listed as one."
    try:
        sniff(data)
    except ImageError as error:
        if error.code is not ErrorCode.UNSUPPORTED_FORMAT:
            return "This is neither a web page nor a site map or feed."
    return "This is an image, not a web page. Check it as an image."


# HTML


def _read_page(data: bytes, url: str, content_type: str, allow_nets: Sequence[Network]) -> Document:
    images = Images(url, allow_nets)
    target = PageTarget(images)
    # libxml2's HTML parser builds no tree for a target, so nesting costs nothing.
    parser = etree.HTMLParser(target=target, encoding=_encoding(data, content_type))
    _feed(parser, data)
    left_out = None
    if images.left_out:
        left_out = f"The page has too many images: {images.left_out:,} were left out."
    return Document(images, left_out=left_out)


def _encoding(data: bytes, content_type: str) -> str | None:
    """Return the encoding of a page; None: a meta element says it."""
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8"
    if declared := _CHARSET.search(content_type):
        try:
            return codecs.lookup(declared[1]).name
        except LookupError:
            pass
    if _META_CHARSET.search(data[:_HEAD]):
        return None
    try:
        data.decode()
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


# XML


def _read_list(
    data: bytes, url: str, expected: Expected, allow_nets: Sequence[Network]
) -> Document:
    images = Images(url, allow_nets)
    target = ListTarget(images)
    parser = etree.XMLParser(
        target=target,
        resolve_entities=False,  # neither bombs nor files of this machine
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        recover=True,  # many feeds are not well-formed
    )
    _feed(parser, data)
    left_out = None
    if any(entry.level_name == "FATAL" for entry in parser.feed_error_log):
        left_out = "The XML is damaged. What could not be read was left out."
    if expected == "site map" and target.site_maps:
        raise CheckError(ErrorCode.NOT_A_PAGE, "An index of site maps lists another index.")
    if not (target.site_maps or target.pages or images.found):
        raise CheckError(ErrorCode.NOT_A_PAGE, left_out or "The list names no page.")
    return Document(images, target.site_maps, target.pages, left_out)


def _feed(parser: etree._FeedParser, data: bytes) -> None:
    """Feed the parser piece by piece. What it read before an error counts."""
    try:
        for start in range(0, len(data), _CHUNK):
            parser.feed(data[start : start + _CHUNK])
        parser.close()
    except (etree.LxmlError, LookupError, AssertionError):
        return
