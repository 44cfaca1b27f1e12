"""What counts as evidence in a file's metadata, and what does not."""

from __future__ import annotations

import hashlib
import struct
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from models.errors import ImageError
from models.evidence import find_evidence
from models.image import decode
from models.verdict import Evidence
from tests.models.image_files import (
    jpeg_segment,
    picture,
    png_chunk,
    with_alpha_text,
    with_jpeg_segment,
    with_png_chunk,
)
from tests.pictures import encoded

SETTINGS = "a fox in the snow\nNegative prompt: text\nSteps: 20, Sampler: Euler a, CFG scale: 7"
GRAPH = '{"3": {"inputs": {"seed": 1}, "class_type": "KSampler"}}'
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def png_with(**texts: str) -> bytes:
    info = PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword.replace("_", "-") if keyword == "sd_metadata" else keyword, text)
    return encoded(picture(), "PNG", pnginfo=info)


def with_exif(kind: str, tag: int, value: Any, folder: int | None = None) -> bytes:
    exif = Image.Exif()
    (exif if folder is None else exif.get_ifd(folder))[tag] = value
    return encoded(picture(), kind, exif=exif.tobytes())


def xmp(description: str = "", **attributes: str) -> bytes:
    """An XMP packet. Keyword arguments are properties of the image, as XML attributes."""
    short = "".join(f' Iptc4xmpExt:{name}="{value}"' for name, value in attributes.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"'
        f' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"{short}>'
        f"{description}</rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()


def jpeg_with_xmp(packet: bytes) -> bytes:
    segment = jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)
    return with_jpeg_segment(encoded(picture()), segment)


NAMESPACES = (
    ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:comfy="https://github.com/Comfy-Org/ComfyUI"'
)


def wide_xmp(description: str) -> bytes:
    """An XMP packet with more namespaces."""
    return xmp(description).replace(b" xmlns:dc=", NAMESPACES.encode() + b" xmlns:dc=")


def xmp_in_jpeg(description: str) -> bytes:
    return jpeg_with_xmp(wide_xmp(description))


def gif_with_xmp(packet: bytes) -> bytes:
    """A GIF with a packet before its pixels, and the bytes that lead readers over it."""
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    data = encoded(picture(), "GIF")
    start = data.index(b"\x2c", 13 + 3 * 2 ** ((data[10] & 7) + 1))
    return data[:start] + b"\x21\xff\x0bXMP DataXMP" + packet + trailer + data[start:]


def says(data: bytes) -> list[tuple[str, str]]:
    return [(fact.kind, fact.says) for fact in find_evidence(data)]


def generator_named(data: bytes) -> str:
    (fact,) = find_evidence(data, decode(data).alpha_text)
    assert (fact.kind, fact.says, fact.trusted) == ("generator_metadata", "ai", False)
    return fact.detail


# A generator's text in its field


@pytest.mark.parametrize(
    ("generator", "data"),
    [
        ("Stable Diffusion WebUI", png_with(parameters=SETTINGS)),
        ("ComfyUI", png_with(prompt=GRAPH)),
        ("ComfyUI", png_with(workflow='{"last_node_id": 9, "nodes": []}')),
        ("InvokeAI", png_with(invokeai_metadata='{"positive_prompt": "a fox"}')),
        ("InvokeAI", png_with(sd_metadata='{"model": "stable diffusion"}')),
        ("InvokeAI", png_with(Dream='"a fox" -s 50 -S 1 -W 512 -H 512 -C 7.5 -A k_lms')),
        ("NovelAI", png_with(Software="NovelAI", Comment='{"steps": 28}')),
        ("Fooocus", png_with(fooocus_scheme="fooocus", parameters='{"steps": 30}')),
        ("SwarmUI", png_with(parameters='{\n  "sui_image_params": {"prompt": "a fox"}}')),
        ("NovelAI", with_exif("JPEG", 0x0131, "NovelAI")),
        ("ComfyUI", with_exif("WEBP", 0x0110, f"prompt:{GRAPH}")),
        ("ComfyUI", with_exif("WEBP", 0x010F, 'workflow:{"nodes": []}')),
        ("ComfyUI", with_exif("TIFF", 0x010F, f"Prompt: {GRAPH}")),
        ("ComfyUI", with_exif("AVIF", 0x9286, f'{{"prompt": {GRAPH}}}')),
        ("ComfyUI", xmp_in_jpeg(f"<comfy:prompt>{GRAPH}</comfy:prompt>")),
        ("ComfyUI", gif_with_xmp(wide_xmp(f"<comfy:prompt>{GRAPH}</comfy:prompt>"))),
        ("NovelAI", with_exif("WEBP", 0x0131, "NovelAI Diffusion V4.5 C02D4F98")),
        ("NovelAI", with_alpha_text("PNG", b'{"Software": "NovelAI", "Comment": "{}"}')),
        ("Stable Diffusion WebUI", with_alpha_text("PNG", SETTINGS.encode())),
        ("Stable Diffusion WebUI", with_alpha_text("WEBP", SETTINGS.encode(), b"stealth_pnginfo")),
        ("Stable Diffusion WebUI", encoded(picture(), "GIF", comment=SETTINGS.encode())),
        ("Stable Diffusion WebUI", png_with(parameters="a fox\nSteps: 20, App: SD.Next, Model: x")),
        ("Fooocus", with_exif("JPEG", 0x0131, "Fooocus v2.5.5")),
        ("Fooocus", with_exif("WEBP", 0x927C, "fooocus")),
        ("Fooocus", with_exif("JPEG", 0x9286, '{"steps": 1, "metadata_scheme": "fooocus"}')),
        ("RuinedFooocus", png_with(parameters='{"Prompt": "a", "software": "RuinedFooocus"}')),
        ("Easy Diffusion", png_with(prompt="a fox", use_stable_diffusion_model="sd-v1-5")),
        ("Draw Things", xmp_in_jpeg("<xmp:CreatorTool>Draw Things</xmp:CreatorTool>")),
        (
            "Draw Things",
            xmp_in_jpeg(
                '<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">'
                '{"c":"a fox","sampler":"DDIM"}</rdf:li></rdf:Alt></exif:UserComment>'
            ),
        ),
        ("TensorArt", png_with(generation_data='{"prompt": "a", "baseModel": {}}')),
        (
            "Midjourney",
            png_with(Description="a fox --v 7 Job ID: 01234567-89ab-4def-8123-456789abcdef"),
        ),
        ("Google AI", xmp_in_jpeg("<photoshop:Credit>Made with Google AI</photoshop:Credit>")),
        (
            "Dreamina",
            with_exif("JPEG", 0x9286, '{"aigc_info":{"x":0,"source_info":"dreamina"},"data":{}}'),
        ),
    ],
)
def test_a_generators_text_in_its_proper_place_is_evidence(generator: str, data: bytes) -> None:
    assert generator_named(data).startswith(f"{generator} ")


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize(
    "comment",
    [
        pytest.param(b"UNICODE\0" + SETTINGS.encode("utf-16-be"), id="UTF-16 big-endian"),
        pytest.param(b"UNICODE\0" + SETTINGS.encode("utf-16-le"), id="UTF-16 little-endian"),
        pytest.param(b"UNICODE\0" + SETTINGS.encode("utf-16"), id="UTF-16 with its mark"),
        pytest.param(b"UNICODE\0" + SETTINGS.encode(), id="UTF-8 that is called UTF-16"),
        pytest.param(b"UNICODE\0" + ("狐狸" + SETTINGS).encode("utf-16-le"), id="Chinese"),
        pytest.param(b"ASCII\0\0\0" + SETTINGS.encode("utf-16-le"), id="UTF-16 called ASCII"),
        pytest.param(b"ASCII\0\0\0" + SETTINGS.encode(), id="ASCII"),
        pytest.param(bytes(8) + SETTINGS.encode() + b"\0", id="no charset"),
        pytest.param(SETTINGS.encode(), id="no mark"),
    ],
)
def test_settings_in_an_exif_user_comment_are_evidence(kind: str, comment: bytes) -> None:
    data = with_exif(kind, 0x9286, comment, folder=0x8769)

    assert generator_named(data).startswith("Stable Diffusion WebUI ")


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(png_chunk(b"tEXt", b"parameters\0" + SETTINGS.encode()), id="tEXt"),
        pytest.param(
            png_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(SETTINGS.encode())), id="zTXt"
        ),
        pytest.param(png_chunk(b"iTXt", b"parameters\0\0\0\0\0" + SETTINGS.encode()), id="iTXt"),
        pytest.param(
            png_chunk(b"iTXt", b"parameters\0\1\0en\0\0" + zlib.compress(SETTINGS.encode())),
            id="compressed iTXt",
        ),
    ],
)
def test_every_kind_of_png_text_is_read_before_and_after_the_pixels(chunk: bytes) -> None:
    data = encoded(picture(), "PNG")

    assert generator_named(with_png_chunk(data, chunk))
    assert generator_named(data[:-12] + chunk + data[-12:])


def test_one_generator_is_one_fact() -> None:
    assert len(find_evidence(png_with(prompt=GRAPH, workflow='{"nodes": []}'))) == 1


# The same bytes elsewhere


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            encoded(picture(), "PNG") + png_chunk(b"tEXt", b"parameters\0" + SETTINGS.encode()),
            id="a text chunk after the end of a PNG",
        ),
        pytest.param(
            encoded(picture()) + png_with(parameters=SETTINGS), id="a PNG after the end of a JPEG"
        ),
        pytest.param(
            encoded(picture())
            + jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0")
            + xmp(DigitalSourceType=IPTC + "trainedAlgorithmicMedia"),
            id="XMP after the end of a JPEG",
        ),
        pytest.param(encoded(picture(), "WEBP") + b"EXIF\0\1\0\0" + bytes(256), id="after a WebP"),
        pytest.param(png_with(Comment=SETTINGS), id="settings in a PNG comment"),
        pytest.param(png_with(Description=SETTINGS), id="settings in a PNG description"),
        pytest.param(png_with(Title="NovelAI", Comment=GRAPH), id="a graph in a PNG comment"),
        pytest.param(
            with_jpeg_segment(encoded(picture()), jpeg_segment(0xFE, SETTINGS.encode())),
            id="settings in a JPEG comment",
        ),
        pytest.param(with_exif("JPEG", 0x010E, SETTINGS), id="settings in an EXIF caption"),
        pytest.param(with_exif("JPEG", 0x0131, "not made with NovelAI"), id="a name among words"),
        pytest.param(png_with(parameters="exposure 1/60"), id="somebody else's parameters"),
        pytest.param(png_with(prompt="Describe this image."), id="somebody else's prompt"),
        pytest.param(with_exif("JPEG", 0x010F, "Canon"), id="a camera"),
        pytest.param(encoded(picture(), "GIF", comment=b"NovelAI"), id="a name in a GIF comment"),
        pytest.param(
            encoded(picture(), "GIF") + b"\x21\xfe" + bytes([len(SETTINGS)]) + SETTINGS.encode(),
            id="a comment after the end of a GIF",
        ),
        pytest.param(
            png_with(Description="the Job ID: 01234567-89ab-4def-8123-456789abcdef of a talk"),
            id="a job among words",
        ),
        pytest.param(
            with_exif("JPEG", 0x010F, "We love ComfyUI. Prompt: {}"), id="a caption in EXIF Make"
        ),
        pytest.param(
            with_exif("JPEG", 0x9286, b"ASCII\0\0\0Made with Fooocus v2", folder=0x8769),
            id="a generator in a comment",
        ),
        pytest.param(
            xmp_in_jpeg("<photoshop:Credit>Not Made with Google AI</photoshop:Credit>"),
            id="a credit among words",
        ),
        pytest.param(
            xmp_in_jpeg("<dc:description>{&quot;class_type&quot;: 1}</dc:description>"),
            id="a graph in an XMP caption",
        ),
    ],
)
def test_the_same_words_elsewhere_are_not_evidence(data: bytes) -> None:
    assert find_evidence(data) == ()


# The IPTC digital source type


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("trainedAlgorithmicMedia", "ai"),
        ("compositeWithTrainedAlgorithmicMedia", "ai"),
        ("TrainedAlgorithmicMedia", "ai"),
        ("digitalCapture", "real"),
        ("negativeFilm", "real"),
    ],
)
def test_a_digital_source_type_says_ai_or_real(term: str, expected: str) -> None:
    assert says(jpeg_with_xmp(xmp(DigitalSourceType=IPTC + term))) == [("iptc", expected)]


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(xmp(DigitalSourceType=IPTC + "trainedAlgorithmicMedia"), id="attribute"),
        pytest.param(
            xmp(
                f"<Iptc4xmpExt:DigitalSourceType>{IPTC}trainedAlgorithmicMedia"
                "</Iptc4xmpExt:DigitalSourceType>"
            ),
            id="element",
        ),
        pytest.param(
            xmp(f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{IPTC}trainedAlgorithmicMedia"/>'),
            id="resource",
        ),
        pytest.param(
            xmp(DigitalSourceType=IPTC.replace("http:", "https:") + "trainedAlgorithmicMedia"),
            id="https",
        ),
        pytest.param(
            xmp(DigitalSourceType=IPTC + "trainedAlgorithmicMedia")
            .replace(b"Iptc4xmpExt:", b"other:")
            .replace(b"xmlns:Iptc4xmpExt", b"xmlns:other"),
            id="another prefix",
        ),
        pytest.param(
            xmp(DigitalSourceType=IPTC + "trainedAlgorithmicMedia") + b" " * 2000 + b"\0",
            id="padding",
        ),
    ],
)
def test_the_property_is_found_however_it_is_written(packet: bytes) -> None:
    assert says(jpeg_with_xmp(packet)) == [("iptc", "ai")]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "TIFF", "GIF"])
def test_the_property_is_found_in_every_format(kind: str) -> None:
    packet = xmp(DigitalSourceType=IPTC + "trainedAlgorithmicMedia")
    if kind == "PNG":
        chunk = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
        data = with_png_chunk(encoded(picture(), "PNG"), chunk)
    elif kind == "GIF":
        data = gif_with_xmp(packet)
    elif kind == "TIFF":
        data = encoded(picture(), "TIFF", tiffinfo={700: packet})
    else:
        data = encoded(picture(), kind, xmp=packet)

    assert find_evidence(data) == (
        Evidence(
            kind="iptc",
            says="ai",
            detail="The metadata says that the image was created by a generative model"
            " (IPTC digital source type).",
            trusted=False,
        ),
    )


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(
            xmp(f"<dc:description>{IPTC}trainedAlgorithmicMedia</dc:description>"),
            id="a word in the description",
        ),
        pytest.param(
            xmp(
                "<dc:description>&lt;Iptc4xmpExt:DigitalSourceType&gt;"
                f"{IPTC}trainedAlgorithmicMedia</dc:description>"
            ),
            id="the property's text in the description",
        ),
        pytest.param(
            xmp(
                "<xmpMM:Ingredients><rdf:Bag><rdf:li><rdf:Description"
                f' Iptc4xmpExt:DigitalSourceType="{IPTC}trainedAlgorithmicMedia"/>'
                "</rdf:li></rdf:Bag></xmpMM:Ingredients>"
            ),
            id="the property of an ingredient",
        ),
        pytest.param(
            xmp(
                "<dc:source><rdf:RDF><rdf:Description"
                f' Iptc4xmpExt:DigitalSourceType="{IPTC}trainedAlgorithmicMedia"/>'
                "</rdf:RDF></dc:source>"
            ),
            id="the property of a packet inside the packet",
        ),
        pytest.param(
            xmp(DigitalSourceType=IPTC + "trainedAlgorithmicMedia").replace(
                b"Iptc4xmpExt/2008-02-29", b"something/else"
            ),
            id="another vocabulary's property",
        ),
        pytest.param(xmp(DigitalSourceType="about trainedAlgorithmicMedia"), id="a sentence"),
        pytest.param(xmp(DigitalSourceType=IPTC + "screenCapture"), id="a term that says neither"),
        pytest.param(xmp(DigitalSourceType=IPTC + "unknownTerm"), id="an unknown term"),
        pytest.param(xmp(DigitalSourceType=IPTC + "algorithmicMedia"), id="no trained model"),
        pytest.param(b"<x:xmpmeta", id="broken XMP"),
        pytest.param(
            b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY t "trainedAlgorithmicMedia">]>'
            + xmp(DigitalSourceType=IPTC + "&t;"),
            id="an entity",
        ),
    ],
)
def test_what_is_not_the_images_own_property_is_not_evidence(packet: bytes) -> None:
    assert find_evidence(jpeg_with_xmp(packet)) == ()


def test_a_billion_laughs_are_not_laughed() -> None:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><x>&a11;</x>'

    assert find_evidence(jpeg_with_xmp(bomb.encode())) == ()


def test_compressed_text_is_unpacked_no_further_than_its_limit() -> None:
    text = zlib.compress(bytes(64 * 2**20) + SETTINGS.encode())

    data = with_png_chunk(encoded(picture(), "PNG"), png_chunk(b"zTXt", b"parameters\0\0" + text))
    assert find_evidence(data) == ()


def test_a_bomb_in_the_alpha_channel_is_unpacked_no_further_than_its_limit() -> None:
    text = decode(with_alpha_text("PNG", bytes(2 * 2**20) + SETTINGS.encode())).alpha_text
    assert text == "\0" * 2**20


@pytest.mark.parametrize("wrong", [False, True])
def test_the_extended_xmp_of_a_jpeg_counts_if_its_digest_is_right(wrong: bool) -> None:
    packet = wide_xmp(f"<comfy:prompt>{GRAPH}{' ' * 70_000}</comfy:prompt>")
    digest = hashlib.md5(packet[wrong:]).hexdigest().upper().encode()
    data = jpeg_with_xmp(xmp(f"<dc:source>{digest.decode()}</dc:source>"))
    for start in (40_000, 0):  # in any order
        head = digest + struct.pack(">II", len(packet), start)
        body = b"http://ns.adobe.com/xmp/extension/\0" + head + packet[start : start + 40_000]
        data = with_jpeg_segment(data, jpeg_segment(0xE1, body))
    assert len(find_evidence(data)) == (not wrong)


def test_xmp_that_imagemagick_wrote_into_a_png_is_read() -> None:
    packet = xmp(DigitalSourceType=IPTC + "trainedAlgorithmicMedia")
    profile = f"\nxmp\n{len(packet):8}\n{packet.hex()}\n".encode()
    chunk = png_chunk(b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(profile))
    assert says(with_png_chunk(encoded(picture(), "PNG"), chunk)) == [("iptc", "ai")]


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"<svg/>"])
def test_no_image_has_no_evidence(data: bytes) -> None:
    assert find_evidence(data) == ()


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(
        [
            png_with(parameters=SETTINGS, prompt=GRAPH),
            with_exif("JPEG", 0x0131, "NovelAI"),
            with_exif("WEBP", 0x0110, f"prompt:{GRAPH}"),
            with_exif("TIFF", 0x0131, "NovelAI"),
            jpeg_with_xmp(xmp(DigitalSourceType=IPTC + "digitalCapture")),
            gif_with_xmp(xmp(DigitalSourceType=IPTC + "digitalCapture")),
            with_alpha_text("PNG", SETTINGS.encode()),
        ]
    ),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=20),
)
def test_odd_files_never_raise(data: bytes, damages: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for place, value in damages:
        damaged[place % len(data)] = value

    with suppress(ImageError):
        assert isinstance(decode(bytes(damaged)).alpha_text, str)
    assert all(isinstance(fact, Evidence) for fact in find_evidence(bytes(damaged)))
