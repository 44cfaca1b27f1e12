"""How much memory a worker's process takes at most, whatever it is given to judge."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image
from pytest_httpserver import HTTPServer

from models.errors import ErrorCode
from settings import Settings
from tests.bombs import ZLIB_BOMB
from tests.conftest import until
from tests.models.image_files import (
    bmp_bytes,
    gif_bytes,
    picture,
    png,
    png_chunk,
    webp_canvas,
    with_png_chunk,
)
from tests.pictures import encoded
from tests.workers.running.worker import a_worker
from workers.celery_app import make_celery
from workers.scheduling.queues import Job, enqueue
from workers.storage.stores import Stores

pytestmark = pytest.mark.slow

MIB = 2**20
BOUND = 1_200
"""MiB of one worker process at its peak: what an operator must have for each.

The members and libraries take a third of a GB; the rest is one image of 40 megapixels, of which
libwebp holds three copies of 160 MB, and Pillow one more.
"""
LARGEST = (8_000, 5_000)
"""Pixels: 40 megapixels, the most that are decoded."""

TURNED = Image.Exif()
TURNED[0x0112] = 6


def large(mode: str) -> Image.Image:
    return Image.new("RGB", LARGEST, (200, 120, 40)).convert(mode)


def large_16_bit() -> bytes:
    row = b"\0" + bytes(6 * LARGEST[0])
    return png(*LARGEST, 16, 2, row * LARGEST[1])


LARGE = {
    "progressive JPEG": lambda: encoded(
        large("RGB"), "JPEG", progressive=True, subsampling=0, exif=TURNED
    ),
    "progressive CMYK JPEG": lambda: encoded(
        large("CMYK"), "JPEG", progressive=True, subsampling=0, exif=TURNED
    ),
    "PNG": lambda: encoded(large("RGBA"), "PNG", compress_level=1, exif=TURNED),
    "16-bit RGB PNG": large_16_bit,
    "GIF": lambda: encoded(large("P"), "GIF"),
    "WebP": lambda: encoded(large("RGBA"), "WEBP", lossless=True, method=0, quality=0, exif=TURNED),
    "AVIF": lambda: encoded(
        large("RGBA"), "AVIF", speed=10, subsampling="4:4:4", exif=TURNED.tobytes()
    ),
    "TIFF": lambda: encoded(large("CMYK"), "TIFF", compression="tiff_lzw", strip_size=2**31 - 1),
}


PNG = encoded(picture(), "PNG")
BOMBS = {
    "one-bit PNG of 50,000 × 50,000": png(50_000, 50_000, 1, 0, bytes(100_000)),
    "pixel bomb in GIF": gif_bytes(65_535, 65_535),
    "pixel bomb in BMP": bmp_bytes(50_000, 50_000),
    "pixel bomb in WebP": webp_canvas(16_000, 16_000),
    "pixel bomb in ICO": b"\0\0\1\0\xff\xff" + bytes(16_000),
    "zTXt bomb": with_png_chunk(PNG, png_chunk(b"zTXt", b"prompt\0\0" + ZLIB_BOMB)),
    "iCCP bomb": with_png_chunk(PNG, png_chunk(b"iCCP", b"bomb\0\0" + ZLIB_BOMB)),
    "IDAT bomb": png(64, 64, 8, 0, bytes(65 * 64 + 64 * MIB)),
    "20 MiB after the end": PNG + bytes(19 * MIB),
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With the member that takes most memory."""
    return settings.model_copy(update={"second_look": "always"})


@pytest.fixture
def process(settings: Settings, stores: Stores, tmp_path: Path) -> Iterator[psutil.Process]:
    """The one process of a worker that judges."""
    with a_worker(settings, stores, tmp_path / "worker.log") as worker:
        (child,) = worker.children()
        yield child


def peak(process: psutil.Process) -> int:
    """MiB of memory that the process held at its worst (proc(5), VmHWM)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) // 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells the peak")
def test_a_process_stays_within_its_bound_whatever_it_judges(
    process: psutil.Process, settings: Settings, stores: Stores, site: HTTPServer
) -> None:
    celery = make_celery(settings, stores.redis)
    peaks: dict[str, int] = {}
    codes: dict[str, str | None] = {}
    # Bombs first, for only what is larger than all before it moves the peak.
    for number, (name, data) in enumerate([*BOMBS.items(), *LARGE.items()]):
        site.expect_request(f"/{number}").respond_with_data(
            data if isinstance(data, bytes) else data()
        )
        url = site.url_for(f"/{number}")
        stores.claims.claim_queued([url])
        job: Job = {"address": url, "since": 0, "referer": None, "queue": "interactive"}
        enqueue(celery, [job], "interactive")
        until(lambda url=url: stores.cache.lookup([url])[0] is not None, f"{name} is judged", 120)
        (known,) = stores.cache.lookup([url])
        assert known is not None
        codes[name] = known.error.code if known.error else None
        peaks[name] = peak(process)

    assert process.is_running(), "the same process did it all"
    assert {code for name, code in codes.items() if name in LARGE} == {None}
    assert codes["one-bit PNG of 50,000 × 50,000"] == ErrorCode.TOO_MANY_PIXELS
    told = f"MiB at most, after each: {peaks}"
    assert max(peaks.values()) < BOUND, told
