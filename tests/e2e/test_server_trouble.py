"""The extension in a real Chromium, before a server that refuses, is away, or comes back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.backend.fake_api import done, problem
from tests.conftest import QuickHTTPServer, until
from tests.e2e.browser import EXTENSION_ID, service_worker, use_server
from tests.e2e.pages import img, serve_page, serve_photograph

OPTIONS = f"chrome-extension://{EXTENSION_ID}/options.html"
DOT = ".badge.placed.dot[data-state=unavailable]"
JUDGED = ".badge.placed[data-state=ai]"
IMAGES = 40


class Api:
    """Answers checks at once.

    Attributes:
        refusal: what it answers instead, if anything.
        batches: the URLs of each request, also of those that it refused.
    """

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.refusal: Callable[[Request], Response | None] = lambda _request: None
        self.batches: list[list[str]] = []
        ready = {"status": "ready", "model_version": "m1"}
        server.expect_request("/readyz").respond_with_json(ready)
        server.expect_request("/v1/lookups/00000").respond_with_handler(
            lambda request: self.refusal(request) or Response("{}")
        )
        server.expect_request("/v1/checks").respond_with_handler(self._check)

    def _check(self, request: Request) -> Response:
        urls = request.get_json()["urls"]
        self.batches.append(urls)
        items = [done(url).model_dump(mode="json", exclude_none=True) for url in urls]
        body = json.dumps({"id": "c", "status": "done", "items": items})
        return self.refusal(request) or Response(body, content_type="application/json")


@pytest.fixture
def api() -> Iterator[Api]:
    with QuickHTTPServer(host="127.0.0.1", threaded=True) as server:
        yield Api(server)


@pytest.fixture
def context(browser: BrowserContext, api: Api) -> Iterator[BrowserContext]:
    use_server(browser, api.url)
    yield browser
    service_worker(browser).evaluate("chrome.storage.local.clear()")


def show_images(page: Page, site: HTTPServer) -> None:
    """Open a page with many images, all of them in view."""
    sources = [f"{serve_photograph(site, '/photo.jpg', 'astronaut')}?{n}" for n in range(IMAGES)]
    style = "<style>body{display:grid;grid-template-columns:repeat(10,110px)}</style>"
    page.set_viewport_size({"width": 1200, "height": 700})
    page.goto(serve_page(site, "".join(img(src, width=100) for src in sources), head=style))


def toolbar(context: BrowserContext) -> tuple[str, str]:
    """Return the text on the toolbar button, and its title."""
    text, title = service_worker(context).evaluate(
        "Promise.all([chrome.action.getBadgeText({}), chrome.action.getTitle({})])"
    )
    return text, title


def test_a_server_in_trouble_is_asked_once_for_all_images_and_told_on_the_toolbar(
    page: Page, context: BrowserContext, site: HTTPServer, api: Api
) -> None:
    api.refusal = lambda _request: problem(503, "No store.", **{"Retry-After": "3600"})
    show_images(page, site)
    expect(page.locator(DOT)).to_have_count(IMAGES)
    assert len(api.batches) == 1
    until(lambda: toolbar(context)[0] == "!", "the button shows that there is trouble")
    assert "server not ready" in toolbar(context)[1]

    api.refusal = lambda _request: None
    page.locator(DOT).first.click()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(JUDGED)).to_have_count(IMAGES)
    again = [len(batch) for batch in api.batches[1:]]
    assert again[0] == 1
    assert sum(again) == IMAGES
    assert len(again) < IMAGES / 5, "no flood"
    until(lambda: toolbar(context) == ("", "Assay"), "the button is as it was")


def test_a_spent_quota_is_told_and_asked_again_at_the_time_that_the_server_gives(
    page: Page, site: HTTPServer, api: Api
) -> None:
    api.refusal = lambda _request: problem(429, "9 URLs a minute.", **{"Retry-After": "1"})
    show_images(page, site)
    expect(page.locator(DOT)).to_have_count(IMAGES)
    page.locator(DOT).first.click()
    expect(page.get_by_role("dialog")).to_contain_text("quota used up", ignore_case=True)
    expect(page.get_by_role("dialog")).to_contain_text("tries again by itself at")
    page.keyboard.press("Escape")
    until(lambda: len(api.batches) > 2, "it tries again, and again")
    api.refusal = lambda _request: None
    expect(page.locator(JUDGED)).to_have_count(IMAGES)


def test_a_page_recovers_when_the_server_is_started(
    page: Page, browser: BrowserContext, site: HTTPServer, free_port: int
) -> None:
    use_server(browser, f"http://127.0.0.1:{free_port}")
    show_images(page, site)
    expect(page.locator(DOT)).to_have_count(IMAGES)
    with QuickHTTPServer(host="127.0.0.1", port=free_port, threaded=True) as server:
        api = Api(server)
        expect(page.locator(JUDGED)).to_have_count(IMAGES)
        assert sum(map(len, api.batches)) == IMAGES


def test_a_missing_key_is_explained_and_open_pages_recover_when_it_is_entered(
    page: Page, context: BrowserContext, site: HTTPServer, api: Api
) -> None:
    def needs_key(request: Request) -> Response | None:
        if request.headers.get("Authorization") == "Bearer assay_right":
            return None
        return problem(401, "An API key is needed. Send: Authorization: Bearer assay_…")

    api.refusal = needs_key
    show_images(page, site)
    page.locator(DOT).first.click()
    expect(page.get_by_role("dialog")).to_contain_text("API key missing")
    expect(page.get_by_role("dialog")).not_to_contain_text("Authorization")
    with context.expect_page() as opened:
        page.get_by_role("button", name="Open the options").click()
    with opened.value as options:
        expect(options.locator("#connection")).to_contain_text("API key missing")
        options.get_by_label("API key").fill("assay_wrong")
        options.get_by_role("button", name="Save").click()
        expect(options.locator("#connection")).to_contain_text("API key not accepted")
        options.get_by_label("API key").fill("assay_right")
        expect(options.locator("#connection")).to_be_empty()
        options.get_by_role("button", name="Save").click()
        expect(options.locator("#connection")).to_contain_text("Connected")
    page.bring_to_front()
    expect(page.get_by_role("dialog")).to_contain_text("Likely AI")
    expect(page.locator(JUDGED)).to_have_count(IMAGES)


def test_a_check_outlives_the_service_worker_that_was_asked(
    page: Page, context: BrowserContext, site: HTTPServer, api: Api
) -> None:
    released = threading.Event()

    def hold_first(_request: Request) -> Response | None:
        if len(api.batches) == 1:
            released.wait(60)
        return None

    api.refusal = hold_first
    with context.new_page() as other:
        other.goto(OPTIONS)
        devtools = context.new_cdp_session(other)
        devtools.send("ServiceWorker.enable")
        page.bring_to_front()
        show_images(page, site)
        until(lambda: len(api.batches) == 1, "the server was asked")
        devtools.send("ServiceWorker.stopAllWorkers")
        expect(page.locator(JUDGED)).to_have_count(IMAGES)
    released.set()
