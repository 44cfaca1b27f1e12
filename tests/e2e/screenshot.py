"""Take the README's picture: ``python -m tests.e2e.screenshot extension/screenshot.jpg AI_IMAGE…``.

The page mixes the AI images that are given with photographs and drawings that were not made by AI.
The card of the last AI image is open. The README's picture shows outputs of FLUX.1: single images
cut from ``assets/schnell_grid.jpg`` and ``assets/dev_grid.jpg`` of ``black-forest-labs/flux`` on
GitHub (Apache-2.0).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from playwright.sync_api import BrowserContext, expect, sync_playwright
from pytest_httpserver import HTTPServer
from skimage import data

from backend.supervisor import Supervisor
from tests.conftest import settings_at
from tests.e2e.browser import chromium, use_server
from tests.e2e.pages import TYPES, favicon, img, serve_image, serve_page
from tests.pictures import encoded

VIEW = {"width": 1600, "height": 800}
STYLE = """<style>
  html { overflow: hidden }
  body { margin: 0; width: 1180px; padding: 22px 26px; background: #f4f2ee; color: #24211c;
         font: 15px/1.4 Georgia, "DejaVu Serif", serif }
  h1 { margin: 0 0 16px; font-size: 27px; font-weight: 400; letter-spacing: .01em }
  h1 small { margin-left: 14px; font-size: 15px; color: #6d675c }
  main { columns: 4; column-gap: 16px }
  img { display: block; width: 100%; margin-bottom: 16px; border-radius: 6px }
</style>"""
HEADING = "<h1>Found pictures <small>from everywhere</small></h1>"
LOGO = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 200" width="300" height="200">
  <rect width="300" height="200" fill="#e8dcc4"/><circle cx="215" cy="70" r="34" fill="#d9793f"/>
  <path d="M0 150 70 80l50 50 45-40 135 90v20H0Z" fill="#3f5f5a"/></svg>"""


def landscape(seed: int, size: tuple[int, int]) -> Image.Image:
    """Draw hills in the haze at some hour of the day."""
    rng = np.random.default_rng(seed)
    width, height = size
    top, bottom, ground = rng.uniform(0.2, 1, (3, 3)) * (255, 225, 235)
    rows = np.linspace(0, 1, height)[:, None, None]
    pixels = np.broadcast_to(top * (1 - rows) + bottom * rows, (height, width, 3)).copy()
    x, y = np.arange(width), np.arange(height)[:, None]
    sun = np.hypot(x - rng.uniform(0.2, 0.8) * width, y - 0.3 * height) < 0.09 * height
    pixels[sun] = (255, 244, 214)
    for layer in range(5):
        waves = sum(
            np.sin(x / width * rng.uniform(2, 14) + rng.uniform(0, 6)) / (n + 2) for n in range(5)
        )
        ridge = height * (0.45 + 0.11 * layer) + waves * height * 0.06
        shade = bottom + (ground * 0.35 - bottom) * (layer + 1) / 5
        pixels[y > ridge[None, :]] = shade
    return Image.fromarray(pixels.astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7))


def pictures(ai_images: Sequence[Path]) -> list[tuple[str, bytes]]:
    """Return the page's pictures, each with a file name; the formats are mixed."""
    cut = data.hubble_deep_field()[:600, :800], data.stereo_motorcycle()[0][:, 60:680]
    shown = {
        "astronaut.jpg": Image.fromarray(data.astronaut()),
        "coffee.webp": Image.fromarray(data.coffee()),
        "cat.avif": Image.fromarray(data.chelsea()),
        "rocket.bmp": Image.fromarray(data.rocket()),
        "morning.webp": landscape(11, (500, 440)),
        "galaxies.jpg": Image.fromarray(cut[0]),
        "motorcycle.png": Image.fromarray(cut[1]),
        "coins.jpg": Image.fromarray(data.coins()),
    }
    made = [(name, encoded(each, TYPES[name.rpartition(".")[2]])) for name, each in shown.items()]
    made.append(("poster.svg", LOGO))
    for place, path in enumerate(ai_images):
        made.insert(1 + 3 * place, (path.name, path.read_bytes()))
    return made


def take(context: BrowserContext, address: str, images: int, opened: str, target: Path) -> None:
    """Open the page, wait for every badge, open one card, and save what is seen."""
    page = context.new_page()
    page.goto(address)
    expect(page.locator(".badge:not([data-state=checking])")).to_have_count(images, timeout=30_000)
    page.locator(f".badge[aria-label$='“{opened}”']").click()
    page.get_by_role("dialog").wait_for()
    page.screenshot(path=target, animations="disabled", type="jpeg", quality=75)


def main(target: Path, *ai_images: Path) -> None:
    """Start everything, take the picture, and stop everything."""
    with (
        tempfile.TemporaryDirectory() as folder,
        HTTPServer(host="127.0.0.1", threaded=True) as site,
        Supervisor(settings_at(Path(folder, "data"))) as stack,
        sync_playwright() as playwright,
        chromium(
            playwright, Path(folder, "profile"), viewport=VIEW, device_scale_factor=1.5
        ) as context,
    ):
        favicon(site)
        use_server(context, stack.url)
        shown = pictures(ai_images)
        images = "".join(
            img(serve_image(site, f"/{name}", content), alt=name) for name, content in shown
        )
        address = serve_page(site, f"{HEADING}<main>{images}</main>", head=STYLE)
        badged = [name for name, _ in shown if not name.endswith(".svg")]
        take(context, address, len(badged), ai_images[-1].name, target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
