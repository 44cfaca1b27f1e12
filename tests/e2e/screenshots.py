"""Take the stores' pictures: ``python -m tests.e2e.screenshots PICTURES TARGET``.

PICTURES is a folder of images. Their names are their descriptions: ``a-cup-of-coffee.jpg``. TARGET
gets a JPEG of at most 120 KB of each view. Everything is real: Chromium, server, models.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect, sync_playwright
from pytest_httpserver import HTTPServer

from backend.supervisor import Supervisor
from tests.conftest import settings_at
from tests.e2e.browser import EXTENSION_ID, chromium, use_server
from tests.e2e.extension import JUDGED
from tests.e2e.pages import TYPES, favicon, img, serve_image, serve_page

VIEW = {"width": 1280, "height": 800}  # what the stores want
LARGEST = 120_000  # bytes
STYLE = """<style>
  body { margin: 0; padding: 24px; background: #f4f2ee; font: 16px/1.4 Georgia, serif }
  main { columns: 4; column-gap: 16px }
  img { display: block; width: 100%; margin-bottom: 16px; border-radius: 6px }
</style>"""


class Camera:
    """Saves what a page shows.

    Args:
        target: the folder of the pictures.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        target.mkdir(parents=True, exist_ok=True)

    def take(self, page: Page, name: str) -> None:
        """Save a picture, in the best quality that is small enough.

        Raises:
            ValueError: even the worst is too large.
        """
        for quality in (85, 75, 65, 50, 35):
            picture = page.screenshot(animations="disabled", type="jpeg", quality=quality)
            if len(picture) <= LARGEST:
                (self._target / f"{name}.jpg").write_bytes(picture)
                print(f"{name}.jpg: {len(picture) / 1000:.0f} KB, quality {quality}")
                return
        raise ValueError(f"{name} has {len(picture)} bytes")


def extension(context: BrowserContext, camera: Camera, address: str, images: int) -> None:
    """Take the badges, a card, and the extension's own pages."""
    page = context.new_page()
    page.goto(address)
    for image in page.locator("main img").all():
        image.scroll_into_view_if_needed()  # images out of sight are not checked
        name = image.get_attribute("alt")
        expect(page.locator(f"{JUDGED}[aria-label$='“{name}”']")).to_have_count(1)
    page.evaluate("scrollTo(0, 0)")
    page.locator(JUDGED).first.wait_for()
    camera.take(page, "badges")
    flagged = page.locator(f"{JUDGED}[data-state=ai]")
    (flagged if flagged.count() else page.locator(JUDGED)).first.click()
    page.get_by_role("dialog").wait_for()
    camera.take(page, "card")
    page.keyboard.press("Escape")
    views = (
        ("popup", "popup", {"width": 360, "height": 640}),
        ("sidepanel", "panel", {"width": 400, "height": 720}),
        ("options", "options", VIEW),
    )
    for file, name, size in views:
        own = context.new_page()
        own.set_viewport_size(size)  # type: ignore[arg-type]
        page.bring_to_front()  # the popup is about the tab in front
        own.goto(f"chrome-extension://{EXTENSION_ID}/{file}.html")
        if name == "popup":
            expect(own.locator("#counts li").first).to_be_visible()
        if name == "panel":
            expect(own.get_by_role("listitem")).to_have_count(images)
        camera.take(own, name)
        own.close()
    page.close()


def console(context: BrowserContext, camera: Camera, server: str, urls: list[str]) -> None:
    """Take the pages of the console."""
    page = context.new_page()
    page.goto(f"{server}/?images=on")
    page.get_by_label("Address of an image").fill(urls[0])
    page.get_by_role("button", name="Check image").click()
    expect(page.locator("article[aria-busy=false] img")).to_have_js_property("complete", value=True)
    camera.take(page, "console-check")
    page.goto(f"{server}/bulk?images=on")
    page.get_by_label("Addresses of images").fill("\n".join(urls))
    page.get_by_role("button", name="Check list").click()
    expect(page.get_by_role("status").filter(has_text="Finished.")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(len(urls))
    camera.take(page, "console-list")
    page.goto(f"{server}/status")
    expect(page.locator("#hits")).not_to_be_empty()
    page.locator("#quality").evaluate("section => section.scrollIntoView()")
    camera.take(page, "console-status")
    page.close()


def main(pictures: Path, target: Path) -> None:
    """Start everything, take the pictures, and stop everything."""
    files = [path for path in sorted(pictures.iterdir()) if path.suffix[1:] in TYPES]
    if not files:
        raise SystemExit(f"{pictures} has no pictures: {', '.join(TYPES)}")
    expect.set_options(timeout=60_000)
    with (
        tempfile.TemporaryDirectory() as folder,
        HTTPServer(host="127.0.0.1", threaded=True) as site,
        Supervisor(settings_at(Path(folder, "data"))) as stack,
        sync_playwright() as playwright,
        chromium(playwright, Path(folder, "profile"), viewport=VIEW) as context,
    ):
        favicon(site)
        use_server(context, stack.url)
        urls = [serve_image(site, f"/{path.name}", path.read_bytes()) for path in files]
        names = [path.stem.replace("-", " ").replace("_", " ") for path in files]
        images = "".join(img(url, alt) for url, alt in zip(urls, names, strict=True))
        address = serve_page(site, f"<main>{images}</main>", head=STYLE)
        camera = Camera(target)
        extension(context, camera, address, len(files))
        console(context, camera, stack.url, urls)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
