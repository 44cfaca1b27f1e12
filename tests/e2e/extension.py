"""What tests do with the extension in a browser, and what they look for.

A headless browser shows no native menus. "Check image" is therefore chosen by dispatching to the
service worker the very event that the browser dispatches, after a real right-click on the page.
"""

from __future__ import annotations

from playwright.sync_api import BrowserContext, FrameLocator, Locator, Page
from pytest_httpserver import HTTPServer

from tests.e2e.browser import service_worker

JUDGED = ".badge:is([data-state=ai], [data-state=uncertain], [data-state=real])"


def badge(page: Page | FrameLocator, alt: str, state: str = "") -> Locator:
    """The badge of the image that is described so; in a state, if one is given."""
    return page.locator(f"{state or '.badge'}.placed[aria-label$='“{alt}”']")


def card(page: Page) -> Locator:
    """The card with the details of an outcome."""
    return page.get_by_role("dialog")


def check_image(
    context: BrowserContext, page: Page, image: Locator, src: str | None = None
) -> None:
    """Right-click an image and choose "Check image". An empty `src`: the browser tells none."""
    page.bring_to_front()
    image.click(button="right", force=True)  # whatever lies over it
    service_worker(context).evaluate(
        """async (srcUrl) => {
            const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
            const info = { menuItemId: "check-image", mediaType: "image", frameId: 0, srcUrl };
            chrome.contextMenus.onClicked.dispatch(info, tab);
        }""",
        src if src is not None else image.evaluate("image => image.currentSrc"),
    )


def change_settings(context: BrowserContext, **settings: object) -> None:
    """Change settings of the extension, as its options page does."""
    service_worker(context).evaluate("settings => chrome.storage.local.set(settings)", settings)


def worker_requests(site: HTTPServer, path: str) -> int:
    """Count the requests for a path that came from Assay and not from the browser."""
    return sum(
        request.path == path and "Mozilla" not in str(request.user_agent) for request, _ in site.log
    )
