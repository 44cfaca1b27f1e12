"""Web pages, site maps and SVG are told apart by their first bytes."""

from __future__ import annotations

import time

import pytest

from models.errors import ImageError
from models.image import SITE_MAP, WEB_PAGE, sniff

XML = b'<?xml version="1.0"?>\n'
SVG = "SVG images are not supported."
OTHER = "The file is not an image."


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b" \n<html>", WEB_PAGE),
        (b"\xef\xbb\xbf<!DOCTYPE HTML PUBLIC>", WEB_PAGE),
        (b"<!-- a --> <!-- b --><p>", WEB_PAGE),
        (b"<img src=a>", WEB_PAGE),
        (XML + b"<!DOCTYPE html PUBLIC><html><svg>", WEB_PAGE),
        (XML + b"<!-- a --><urlset xmlns='b'>", SITE_MAP),
        (XML + b"<!DOCTYPE rss><rss>", SITE_MAP),
        (b"<rdf:RDF xmlns='a'>", SITE_MAP),
        (XML + b"<!DOCTYPE svg PUBLIC 'a'><svg>", SVG),
        (b"<imgs>", OTHER),
        (b"text <html>", OTHER),
    ],
)
def test_what_is_no_image_is_named(data: bytes, detail: str) -> None:
    with pytest.raises(ImageError) as error:
        sniff(data)
    assert error.value.detail == detail


@pytest.mark.parametrize("piece", [b"<!--", b"<?", b" ", b"<!doctype a", b"<!-- a -->", b"<?a?> "])
def test_no_beginning_takes_long(piece: bytes) -> None:
    began = time.process_time()
    with pytest.raises(ImageError, match=OTHER):
        sniff(piece * 100_000)
    assert time.process_time() - began < 1
