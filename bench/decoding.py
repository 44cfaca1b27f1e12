"""Measures where the time from bytes to views goes: `python -m bench.decoding`.

It takes a photograph of 12 megapixels in each format and prints processor time of one core in
milliseconds, the median of interleaved rounds. *codec* is Pillow's decoder alone. *colour* makes
sRGB of its pixels. *checks* is the rest of `models.image.decode`: the container, limits and whether
the file is complete. *view* reduces the image to what CLIP sees, and *hash* finds similar images.
For JPEG it also measures the decoder's own reduction (`draft`), and how far CLIP's input then is
from that of the whole image.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable

import numpy as np
import skimage.data
from PIL import Image

from models.colour import srgb_pixels
from models.container import parse_container
from models.image import decode
from models.similarity import perceptual_hash
from models.views import LARGEST, WHOLE, Pixels, prepare

SIZE = (4000, 3000)
NOISE = 2.0
"""Standard deviation of the sensor's noise. Without it an enlarged photograph is too easy."""

ENCODINGS: dict[str, dict[str, object]] = {
    "jpeg": {"quality": 85},
    "jpeg, progressive": {"quality": 85, "progressive": True},
    "png": {},
    "webp": {"quality": 80},
    "avif": {"quality": 70},
}

REDUCED = 2 * LARGEST
"""Short side in pixels that the decoder's own reduction leaves at least."""

STEPS = ("codec", "colour", "checks", "view", "hash")


def photograph() -> Image.Image:
    """Return a photograph of 12 megapixels."""
    enlarged = Image.fromarray(skimage.data.astronaut()).resize(SIZE, Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(scale=NOISE, size=(SIZE[1], SIZE[0], 1))
    return Image.fromarray((np.asarray(enlarged) + noise).round().clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, name: str) -> bytes:
    """Return the image as a file of one of ``ENCODINGS``."""
    file = io.BytesIO()
    image.save(file, name.partition(",")[0], **ENCODINGS[name])
    return file.getvalue()


def loaded(data: bytes, short: int | None = None) -> Image.Image:
    """Decode with Pillow alone.

    Args:
        data: the file.
        short: the decoder may reduce a JPEG, but not below this short side.
    """
    image = Image.open(io.BytesIO(data))
    if short:
        image.draft(None, tuple(side * short // min(image.size) for side in image.size))
    image.load()
    return image


def seconds(function: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    started = time.process_time()
    function()
    return time.process_time() - started


def steps(data: bytes, name: str) -> dict[str, float]:
    """Return the seconds of each step for one file."""
    kind = name.partition(",")[0]
    image, pixels = loaded(data), decode(data).pixels
    colours = parse_container(data, kind).colours
    codec = seconds(lambda: loaded(data))
    colour = seconds(lambda: srgb_pixels(image, colours))
    return {
        "codec": codec,
        "colour": colour,
        "checks": max(0.0, seconds(lambda: decode(data)) - codec - colour),
        "view": seconds(lambda: WHOLE.serve(prepare(pixels))),
        "hash": seconds(lambda: perceptual_hash(pixels)),
    } | ({"draft": seconds(lambda: loaded(data, REDUCED))} if kind == "jpeg" else {})


def difference(data: bytes) -> tuple[float, int]:
    """Return mean and largest difference of CLIP's input in levels, if the decoder reduces."""

    def view(pixels: Pixels) -> Pixels:
        return WHOLE.serve(prepare(pixels)).astype(np.int16)

    gap = np.abs(view(decode(data).pixels) - view(np.asarray(loaded(data, REDUCED))))
    return float(gap.mean()), int(gap.max())


def main() -> None:
    """Parse the command line, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    image = photograph()
    files = {name: encoded(image, name) for name in ENCODINGS}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in files}
    for _ in range(rounds):
        for name, data in files.items():
            found[name].append(steps(data, name))
    print(f"{'':20}{'MB':>6}" + "".join(f"{step:>8}" for step in (*STEPS, "all", "draft")))
    for name, times in found.items():
        middle = {step: 1000 * statistics.median(t[step] for t in times) for step in times[0]}
        whole = sum(middle[step] for step in STEPS)
        cells = [*(middle[step] for step in STEPS), whole, middle.get("draft", float("nan"))]
        print(f"{name:20}{len(files[name]) / 1e6:6.1f}" + "".join(f"{cell:8.1f}" for cell in cells))
    mean, largest = difference(files["jpeg"])
    print(f"draft changes CLIP's input by {mean:.2f} levels on average, at most by {largest}")


if __name__ == "__main__":
    main()
