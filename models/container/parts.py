"""The parts of a parsed image container, and their limits."""

from __future__ import annotations

from dataclasses import dataclass

# Frames are counted up to this number. Only the first is classified.
MAX_FRAMES = 10_000
# Real files have a few thousand parts at most. A PNG of 20 MiB in chunks of 8 KiB has 2,560.
MAX_PARTS = 50_000

EXIF_MARK = b"Exif\0\0"


class DamagedError(ValueError):
    """The file violates its format, ends too early or has too many parts."""


@dataclass(frozen=True)
class ColourTags:
    """A file's colour information outside an ICC profile, by precedence.

    Attributes:
        cicp: colour primaries and transfer characteristics, as numbers of ITU-T H.273.
        srgb: whether the file declares sRGB.
        gamma: the encoding exponent, as in PNG's gAMA. 0 if not stated.
        chromaticities: x and y of white, red, green and blue. Empty if not stated.
        peak: luminance of the brightest pixel in cd/m², for PQ and HLG. 0 if not stated.
    """

    cicp: tuple[int, int] | None = None
    srgb: bool = False
    gamma: float = 0.0
    chromaticities: tuple[float, ...] = ()
    peak: float = 0.0


@dataclass(frozen=True)
class Container:
    """The parts of an image file.

    Attributes:
        pixels: a file of the same format, with only what the first frame's pixels need.
        frames: number of frames, counted up to ``MAX_FRAMES``.
        passes: how often a decoder visits all pixels (scans of a progressive JPEG).
        cut: whether the file ends before its end marker. A decoder might then silently fill in
            missing pixels.
        colours: colour information outside an ICC profile.
        exif: the EXIF block, a TIFF structure. Empty if there is none.
        xmp: the XMP packet. Empty if there is none.
        more_xmp: the extended XMP packet of a JPEG. Empty if there is none.
        texts: the text chunks of a PNG as (chunk type, body), still compressed.
        comment: the first comment of a GIF. Empty if there is none.
    """

    pixels: bytes
    frames: int = 1
    passes: int = 1
    cut: bool = False
    colours: ColourTags = ColourTags()
    exif: bytes = b""
    xmp: bytes = b""
    more_xmp: bytes = b""
    texts: tuple[tuple[bytes, bytes], ...] = ()
    comment: bytes = b""
