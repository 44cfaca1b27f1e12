"""What is found in pages, site maps and feeds, and what hostile ones cost."""

from __future__ import annotations

import gzip
import time
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import CheckError, ErrorCode
from tests.pictures import drawing, encoded
from workers.pages import document
from workers.pages.document import Document, Expected, read_document
from workers.pages.html import css_urls, json_ld_urls, srcset_candidates
from workers.pages.images import MOST_IMAGES, place_of

URL = "https://example.com/news/today.html"
SITE = "https://example.com"
XML = '<?xml version="1.0" encoding="UTF-8"?>'


def read(
    text: str | bytes, *, expected: Expected = "any", content_type: str = "text/html"
) -> Document:
    data = text.encode() if isinstance(text, str) else text
    return read_document(data, URL, expected=expected, content_type=content_type)


def images(text: str | bytes, content_type: str = "text/html") -> list[str]:
    """Return the images' paths with their places."""
    found = read(f"<p>{text}" if isinstance(text, str) else text, content_type=content_type)
    return [
        f"{url.removeprefix(SITE)} ({place_of(places)})"
        for (_, url), places in found.images.found.items()
    ]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<img src="a.jpg">', ["/news/a.jpg (img 1)"]),
        ('<img src=" /a.jpg\n">', ["/a.jpg (img 1)"]),
        (
            '<IMG SRC="//cdn.example.net/a.jpg?x=1&amp;y=2">',
            ["https://cdn.example.net/a.jpg?x=1&y=2 (img 1)"],
        ),
        ('<base href="/b/"><base href="/c/"><img src="a.jpg">', ["/b/a.jpg (img 1)"]),
        ('<base href="data:,"><img src="a.jpg">', ["/news/a.jpg (img 1)"]),
        ("<img><img src=''><img src='data:image/gif;base64,R0lG'><img src='javascript:a()'>", []),
        ("<img src='/a.svg'><img src='/a.SVG?b'><img src='/c?a.svg'>", ["/c?a.svg (img 3)"]),
        # Chosen among several
        ('<img src="/s.jpg" srcset="/m.jpg 800w, /l.jpg 1600w">', ["/l.jpg (img 1)"]),
        ('<img src="/s.jpg" srcset="/m.jpg, /l.jpg 2x">', ["/l.jpg (img 1)"]),
        ('<img srcset="/a,b.jpg 1x,/c,d.jpg 2x,">', ["/c,d.jpg (img 1)"]),
        ('<img src="/s.jpg" srcset="data:image/gif;base64,R0lG 1x">', ["/s.jpg (img 1)"]),
        (
            '<picture><source type="image/jxl" srcset="/a.jxl"><source srcset="/b.webp, /c.webp 2x"'
            ' type="image/webp"><img src="/d.jpg"></picture><img src="/e.jpg">',
            ["/c.webp (img 1)", "/e.jpg (img 2)"],
        ),
        (
            '<picture><source media="(max-width: 600px)" srcset="/phone.jpg">'
            '<source media="(min-width: 60em)" srcset="/desk.jpg"><img src="/d.jpg"></picture>',
            ["/desk.jpg (img 1)"],
        ),
        ('<video><source srcset="/a.jpg"></video>', []),
        # Lazy loading
        ('<img src="data:," data-src="/a.jpg">', ["/a.jpg (img 1)"]),
        ('<img src="/spacer.gif" data-original="/a.jpg">', ["/a.jpg (img 1)"]),
        (
            '<img src="/s.gif" data-srcset="/a.jpg 1x, /b.jpg 2x" data-src="/c.jpg">',
            ["/b.jpg (img 1)"],
        ),
        ('<img loading="lazy" src="/a.jpg">', ["/a.jpg (img 1)"]),
        ('<noscript><img src="/a.jpg"></noscript>', ["/a.jpg (noscript img 1)"]),
        ('<template><img src="/a.jpg"></template><img src="/b.jpg">', ["/b.jpg (img 1)"]),
        # Elsewhere
        ('<meta property="og:image" content="/a.jpg">', ["/a.jpg (og:image)"]),
        ('<meta name="twitter:image" content="/a.jpg">', ["/a.jpg (twitter:image)"]),
        (
            '<link rel="image_src" href="/a.jpg"><link rel="icon" href="/i.png">',
            ["/a.jpg (image_src)"],
        ),
        ('<video poster="/a.jpg"></video>', ["/a.jpg (poster 1)"]),
        ('<input type="image" src="/a.jpg"><input src="/b.jpg">', ["/a.jpg (input 1)"]),
        ("<div style=\"background: url('/a.jpg')\">", ["/a.jpg (background 1)"]),
        (
            '<script type="application/ld+json">{"@graph": [{"image": ["/a.jpg"]}]}</script>',
            ["/a.jpg (JSON-LD)"],
        ),
        (
            '<script>"<img src=/a.jpg>"</script><!-- <img src=/b.jpg> -->'
            "<style><img src=c></style>",
            [],
        ),
        # Each once
        (
            '<img src="/a.jpg"><img src="../a.jpg#x"><meta property="og:image" content="/a.jpg">',
            ["/a.jpg (img 1, img 2, og:image)"],
        ),
        ('<img src="/a.jpg">' * 9, ["/a.jpg (img 1, img 2, img 3, img 4, img 5 and 4 more)"]),
    ],
)
def test_images_are_found_as_a_browser_chooses_them(html: str, expected: list[str]) -> None:
    assert images(html) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" , ,", []),
        ("a", [("a", 1.0)]),
        ("a,b", [("a,b", 1.0)]),
        ("a, b 2x", [("a", 1.0), ("b", 2.0)]),
        ("a 1.5x,b 100w", [("a", 1.5), ("b", 100.0)]),
        ("a 100w 50h, b -1x, c junk", [("a", 100.0), ("b", 1.0), ("c", 1.0)]),
    ],
)
def test_a_srcset_is_split_as_the_standard_says(
    text: str, expected: Sequence[tuple[str, float]]
) -> None:
    assert list(srcset_candidates(text)) == expected


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("background:url(/a.jpg)", ["/a.jpg"]),
        ('background: URL( "/a b.jpg" ) no-repeat, url(/b.jpg)', ["/a b.jpg", "/b.jpg"]),
        (r"background:url('/a\'b.jpg')", ["/a'b.jpg"]),
        (r"background:url(/a\28 1\29.jpg)", ["/a(1).jpg"]),
        ("background:url(/a(1).jpg)", []),
        ("background:url('/a.jpg", []),
    ],
)
def test_urls_in_styles_are_unquoted(style: str, expected: list[str]) -> None:
    assert list(css_urls(style)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"image": "/a"}', ["/a"]),
        ('{"image": ["/a", {"@type": "ImageObject", "url": "/b"}]}', ["/a", "/b"]),
        ('[{"@type": "ImageObject", "contentUrl": "/a", "name": "x"}]', ["/a"]),
        ('{"@graph": [{"url": "/page", "thumbnailUrl": "/a"}]}', ["/a"]),
        ('{"image": null}', []),
        ("not JSON", []),
        ("[" * 100_000, []),
    ],
)
def test_json_ld_names_images_in_several_forms(text: str, expected: list[str]) -> None:
    assert list(json_ld_urls(text)) == expected


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        ("<img src='/ж.jpg'>".encode(), ""),
        ("\ufeff<img src='/ж.jpg'>".encode(), "text/html; charset=latin-1"),
        ("<img src='/ж.jpg'>".encode("cp1251"), "text/html; charset=windows-1251"),
        ("<meta charset='windows-1251'><img src='/ж.jpg'>".encode("cp1251"), ""),
        ("<img src='/ж.jpg'>".encode("utf-16"), "image/png"),
        ("<img src='/ж.jpg'>".encode(), "text/html; charset=no-such-thing"),
    ],
)
def test_a_page_is_decoded_as_it_says(data: bytes, content_type: str) -> None:
    assert images(data, content_type) == ["/%D0%B6.jpg (img 1)"]


# Lists


def test_a_site_map_lists_pages() -> None:
    image = "<image:image><image:loc>https://example.com/a.jpg</image:loc></image:image>"
    found = read(
        f'{XML}<!-- x --><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
        'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">'
        f"<url><loc> https://example.com/1?a&amp;b </loc>{image}</url>"
        "<url><loc><![CDATA[https://example.com/2]]></loc></url>"
        "<url><loc>https://example.com/2</loc></url><url><loc>ftp://example.com/3</loc></url></urlset>"
    )
    assert found.pages == [f"{SITE}/1?a&b", f"{SITE}/2"]
    assert not found.images.found


def test_an_index_lists_site_maps_and_none_lists_an_index() -> None:
    index = f"{XML}<sitemapindex><sitemap><loc>{SITE}/a.xml.gz</loc></sitemap></sitemapindex>"
    packed = gzip.compress(index.encode())
    assert read(packed).site_maps == [f"{SITE}/a.xml.gz"]
    with pytest.raises(CheckError, match="another index"):
        read(packed, expected="site map")


def test_a_feed_lists_pages_and_their_images() -> None:
    rss = read(
        f'{XML}<!DOCTYPE rss><rss xmlns:media="http://search.yahoo.com/mrss/"><channel>'
        "<link>https://example.com/</link><item><link>/1</link>"
        '<enclosure url="/a.jpg" type="image/jpeg"/><enclosure url="/a.mp3" type="audio/mpeg"/>'
        '<media:content url="/b.jpg" medium="image"/><media:thumbnail url="/c.jpg"/>'
        "</item><item><link>/2</link></item></channel></rss>"
    )
    assert rss.pages == [f"{SITE}/1", f"{SITE}/2"]
    assert {key: list(places) for key, places in rss.images.found.items()} == {
        (f"{SITE}/1", f"{SITE}/a.jpg"): ["enclosure"],
        (f"{SITE}/1", f"{SITE}/b.jpg"): ["media:content"],
        (f"{SITE}/1", f"{SITE}/c.jpg"): ["media:thumbnail"],
    }
    atom = read(
        '<feed xmlns="http://www.w3.org/2005/Atom"><link href="/"/><entry>'
        '<link rel="self" href="/0"/>'
        '<link href="/1"/><link rel="enclosure" type="image/png" href="/a.png"/></entry></feed>'
    )
    assert atom.pages == [f"{SITE}/1"]
    assert list(atom.images.found) == [(f"{SITE}/1", f"{SITE}/a.png")]


def test_a_damaged_site_map_says_so() -> None:
    found = read(f"{XML}<urlset><url><loc>{SITE}/1</loc></url><url><loc>{SITE}/2")
    assert found.pages[:1] == [f"{SITE}/1"]
    assert found.left_out == "The XML is damaged. What could not be read was left out."


@pytest.mark.parametrize(
    ("data", "expected", "words"),
    [
        (b"", "any", "neither"),
        (b"https://example.com/", "any", "neither"),
        (b"%PDF-1.7 <p>", "any", "neither"),
        (b"\x1f\x8bjunk", "any", "damaged"),
        (encoded(drawing()), "any", "as an image"),
        (b"<urlset></urlset>", "any", "names no page"),
        (b"<p>text", "site map", "not a site map"),
        (b"<rss><item><link>/1</link></item></rss>", "page", "not a web page"),
    ],
)
def test_what_is_no_page_is_refused(data: bytes, expected: Expected, words: str) -> None:
    with pytest.raises(CheckError, match=words) as error:
        read(data, expected=expected)
    assert error.value.code is ErrorCode.NOT_A_PAGE


def test_xhtml_is_a_page() -> None:
    assert images(
        f'{XML}<!DOCTYPE html><html><body><img src="/a.jpg"/></body></html>'.encode()
    ) == ["/a.jpg (img 1)"]


# Hostile documents


def test_entities_are_neither_expanded_nor_read_from_this_machine() -> None:
    bomb = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    for entities, used in (
        (f'<!ENTITY e0 "aaaaaaaaaa">{bomb}', "&e9;"),
        ('<!ENTITY x SYSTEM "file:///etc/hostname">', "&x;"),
    ):
        began = time.process_time()
        with pytest.raises(CheckError):
            read(f"{XML}<!DOCTYPE u [{entities}]><urlset><url><loc>{used}</loc></url></urlset>")
        assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 100_000 + "<img src=/a.jpg>",
        "<b><p>" * 60_000 + "<img src=/a.jpg>",
        "<img src=/a.jpg>" * 40_000,
        "<picture>" + "<source srcset='/a.jpg 2x'>" * 25_000 + "<img src=/b.jpg>",
        f"<img src=/a.jpg {'a=1 ' * 250_000}>",
        f"<p style='{'url(' * 250_000}'><img src=/a.jpg>",
        f"<p style='{'a:b;url(&quot;' * 100_000}'><img src=/a.jpg>",
        f"<img src=/b.jpg srcset='{', ' * 500_000}/a.jpg 2x'>",
        f"<script type=application/ld+json>{'[' * 2_000_000}</script><img src=/a.jpg>",
    ],
    ids=range(9),
)
def test_no_page_takes_long(html: str) -> None:
    """What takes a quadratic number of steps would take minutes with these numbers."""
    began = time.process_time()
    found = read(html).images.found
    assert time.process_time() - began < 3
    assert next(iter(found))[1] == f"{SITE}/a.jpg"


def test_a_page_with_too_many_images_says_how_many_were_left_out() -> None:
    found = read("".join(f"<img src=/{n}.jpg>" for n in range(MOST_IMAGES + 7)))
    assert len(found.images.found) == MOST_IMAGES
    assert found.left_out == "The page has too many images: 7 were left out."


def test_large_documents_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_PAGE", 100)
    monkeypatch.setattr(document, "MAX_SITE_MAP", 1000)
    for data in (b"<p>" + bytes(100), gzip.compress(b"<urlset>" + bytes(1000))):
        with pytest.raises(CheckError) as error:
            read(data)
        assert error.value.code is ErrorCode.TOO_LARGE


_PIECES = (
    *(
        "<img src=",
        "<p style='",
        "url(",
        "<source srcset=",
        "<picture>",
        "</picture>",
        "<base href=",
    ),
    *(
        "<script type=application/ld+json>",
        '{"image":',
        "</script>",
        "<urlset>",
        "<url><loc>",
        "]]>",
    ),
    *(
        "<![CDATA[",
        "<rss><item>",
        "<link>",
        "<?xml",
        "<!DOCTYPE",
        "&#x0;",
        "'",
        '"',
        ">",
        "\x00",
        "\ufeff",
    ),
)


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=5), max_size=40), st.booleans())
def test_no_document_breaks_the_reader(pieces: list[str], xml: bool) -> None:
    with suppress(CheckError):
        found = read(("<urlset>" if xml else "<p>") + "".join(pieces))
        urls = [url for _, url in found.images.found] + list(found.pages)
        assert all(url.startswith(("http://", "https://")) for url in urls)
