"""Small files to begin fuzzing with: one of each kind, so that every reader is entered."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.models.colour_files import P3, SAYS_SRGB, luminance
from tests.models.credentials import Authority, created
from tests.models.image_files import (
    chrm,
    cicp,
    cicp_profile,
    gama,
    iccp,
    jpeg_segment,
    p3_profile,
    picture,
    png_chunk,
    with_alpha_text,
    with_jpeg_segment,
    with_nclx,
    with_png_chunk,
    with_wrong_crc,
)
from tests.pictures import encoded

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><i:DigitalSourceType>'
    b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    b"</i:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>"
)


SIGNER = Authority("Fuzz")


def write_seeds(folder: Path) -> None:
    """Write every seed into a folder, each named by its hash."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in seeds():
        (folder / hashlib.sha256(data).hexdigest()).write_bytes(data)


def seeds() -> Iterator[bytes]:
    """Yield files of every format and mode that is decoded, and some that are refused."""
    small = picture(64, 64).quantize(16).convert("RGB")
    frames = [small, small.rotate(90)]
    exif = Image.Exif()
    exif[0x0112], exif[0x0131] = 6, "NovelAI"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "Steps: 20, Sampler: a".encode("utf-16-be")
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF"):
        yield encoded(small, kind)
        if kind not in ("GIF", "BMP"):
            yield encoded(small, kind, exif=exif.tobytes(), quality=30)
        if kind in ("PNG", "WEBP", "GIF", "AVIF", "TIFF"):
            yield encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    for mode in ("1", "L", "P", "LA", "RGBA", "I;16"):
        yield encoded(small.convert("L" if mode == "I;16" else "RGBA").convert(mode), "PNG")
    for mode in ("L", "CMYK"):
        yield encoded(small.convert(mode), "JPEG", quality=30)
    yield encoded(small, "JPEG", progressive=True, quality=30)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4"):
        image = small.convert("1") if compression == "group4" else small
        yield encoded(image, "TIFF", compression=compression)
    yield encoded(small.convert("CMYK"), "TIFF")
    for kind in ("jpeg", "png"):
        image = encoded(small, kind.upper())
        yield SIGNER.sign(image, created("trainedAlgorithmicMedia"), kind=kind)
    yield encoded(small, "WEBP", lossless=True)
    yield encoded(small.convert("P"), "BMP")
    yield encoded(small, "JPEG", icc_profile=p3_profile(), quality=30)
    yield encoded(small.convert("L"), "PNG", icc_profile=p3_profile())
    yield with_jpeg_segment(
        encoded(small, quality=30), jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)
    )
    texts = PngInfo()
    texts.add_text("parameters", "a fox\nSteps: 20, Sampler: Euler a")
    texts.add_text("prompt", '{"class_type": "KSampler"}', zip=True)
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    yield encoded(small.convert("1"), "PNG", pnginfo=texts)
    yield with_png_chunk(
        encoded(small.convert("1"), "PNG"), png_chunk(b"tEXt", b"Software\0NovelAI")
    )
    yield encoded(small, "GIF", comment=b"a fox\nSteps: 20, Sampler: Euler a")
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    yield encoded(small, "GIF")[:-1] + b"!\xff\x0bXMP DataXMP" + XMP + trailer + b";"
    yield with_alpha_text("PNG", b"Steps: 20, Sampler: Euler a")
    yield with_alpha_text("WEBP", b"Steps: 20, Sampler: Euler a", b"stealth_pnginfo")
    yield from damaged_ends(small)
    yield from colours(small)
    yield from pages()
    yield from (exif.tobytes(), XMP, b"<svg/>", b"\0\0\1\0" + bytes(20))


def damaged_ends(image: Image.Image) -> Iterator[bytes]:
    """Yield files that stop before their end, or have parts in odd places."""
    png, gif = encoded(image, "PNG"), encoded(image, "GIF")
    yield from (png[:-12], png[:-18], gif[:-1], gif[:-2], gif[: len(gif) // 2])
    yield png[:-12] + with_wrong_crc(png_chunk(b"tEXt", b"Title\0x")) + png[-12:]
    jpeg = encoded(image, "JPEG", progressive=True, quality=30)
    last = jpeg.rindex(b"\xff\xda")
    comment = jpeg_segment(0xFE, b"\xff\xd9\xff\xda")
    yield from (jpeg[:-2], jpeg[:last], jpeg[:last] + comment + jpeg[last:])
    baseline = encoded(image, "JPEG", quality=30, restart_marker_rows=1)
    yield from (baseline[:-2] + comment[:6], baseline[: len(baseline) * 3 // 4] + b"\xff\xd9")


def colours(image: Image.Image) -> Iterator[bytes]:
    """Yield files that tell their colours in every way."""
    png, avif = encoded(image.convert("L"), "PNG"), encoded(image, "AVIF")
    for chunks in (
        (gama(1), chrm(*P3)),
        (SAYS_SRGB, gama(1)),
        (cicp(9, 16), luminance(b"cLLI", 400), luminance(b"mDCV", 4000)),
        (cicp(9, 18), iccp(p3_profile())),
        (iccp(cicp_profile(9, 16)),),
    ):
        yield with_png_chunk(png, b"".join(chunks))
    yield from (with_nclx(avif, 9, 16), with_nclx(avif, 12, 18), with_nclx(avif, 10, 8))
    yield encoded(image, "JPEG", icc_profile=cicp_profile(12, 13), quality=30)


def pages() -> Iterator[bytes]:
    """Yield what a site sends besides images: a page, site maps, feeds and robots.txt."""
    html = """<!doctype html><html><head><base href="/b/"><meta property="og:image" content="o.jpg">
        <link rel="image_src" href="l.jpg"><script type="application/ld+json">{"@type":
        "ImageObject", "contentUrl": "c.jpg", "image": [{"url": "j.jpg"}, "k.jpg"]}</script></head>
        <body><img src="a.jpg" srcset="a-1.jpg 1x, a-2.jpg 2x,b.jpg 640w" data-src="d.jpg">
        <picture><source type="image/webp" media="(min-width: 20em)" srcset="p.webp 2x"><img
        src="p.jpg"></picture><div style="background: url('\\62 g.jpg'), url(x.png)">ü</div>
        <video poster="v.jpg"></video><noscript><img src="n.jpg"></noscript><template><img
        src="t.jpg"></template><input type="image" src="i.png">"""
    yield html.encode()
    yield codecs.BOM_UTF16_LE + html.encode("utf-16-le")
    yield b'<meta charset="shift_jis"><img src="\x83A.jpg">'
    name = "http://www.sitemaps.org/schemas/sitemap/0.9"
    site_map = f"""<?xml version="1.0"?><urlset xmlns="{name}"><url><loc>/1</loc></url></urlset>"""
    yield from (site_map.encode(), gzip.compress(site_map.encode(), mtime=0))
    yield f"""<sitemapindex xmlns="{name}"><sitemap><loc>/1.gz</loc></sitemap>""".encode()
    yield b"""<rss xmlns:media="http://search.yahoo.com/mrss/"><channel><item><link>/1</link>
        <enclosure type="image/png" url="e.png"/><media:content medium="image" url="m.jpg"/>
        <media:thumbnail url="t.jpg"/></item></channel></rss>"""
    yield b"""<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="/1"/>
        <link rel="enclosure" type="image/png" href="e.png"/></entry></feed>"""
    yield b"""<!DOCTYPE rss [<!ENTITY a "b">]><rss><channel><item><link>&a;</link></item>"""
    yield b"""User-agent: *\nDisallow: /a/*.html$\nAllow: /a/p%61ge\nCrawl-delay: 1\n\n
        User-agent: Assay\nDisallow:\nSitemap: https://example.com/s.xml"""


if __name__ == "__main__":
    write_seeds(Path(sys.argv[1]))
