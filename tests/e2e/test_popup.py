"""The popup, the modes and the look of badges in a real Chromium, before a server that is quick.

A headless browser has no toolbar. The popup is therefore opened in a tab of its own, behind that of
the page: it is about the tab that is in front.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.backend.fake_api import done
from tests.conftest import QuickHTTPServer, until
from tests.e2e.axe import axe_violations
from tests.e2e.browser import EXTENSION_ID, service_worker, use_server
from tests.e2e.extension import JUDGED, change_settings
from tests.e2e.pages import img, serve_image, serve_page, serve_photograph
from tests.pictures import drawing, encoded

POPUP = f"chrome-extension://{EXTENSION_ID}/popup.html"
PROBABILITIES = {"ai": 0.93, "doubt": 0.5, "real": 0.04}


def check(request: Request) -> Response:
    """Judge by the name of the image."""
    urls = request.get_json()["urls"]
    probabilities = [PROBABILITIES[url.rpartition("/")[2].partition("-")[0]] for url in urls]
    items = [
        done(url, probability).model_dump(mode="json", exclude_none=True)
        for url, probability in zip(urls, probabilities, strict=True)
    ]
    body = json.dumps({"id": "c", "status": "done", "items": items})
    return Response(body, content_type="application/json")


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with QuickHTTPServer(host="127.0.0.1", threaded=True) as server:
        thresholds = {"real": 0.24, "ai": 0.8}
        ready = {"status": "ready", "model_version": "m1", "thresholds": thresholds}
        server.expect_request("/readyz").respond_with_json(ready)
        server.expect_request("/v1/lookups/00000").respond_with_data("{}")
        server.expect_request("/v1/checks").respond_with_handler(check)
        yield server


@pytest.fixture
def context(browser: BrowserContext, server: HTTPServer) -> Iterator[BrowserContext]:
    service_worker(browser).evaluate("chrome.storage.local.clear()")
    use_server(browser, server.url_for("").rstrip("/"))
    yield browser
    service_worker(browser).evaluate("chrome.storage.local.clear()")


def picture(site: HTTPServer, name: str) -> str:
    """Serve a picture, and return its markup. The name is its description, too."""
    return img(serve_photograph(site, f"/{name}.jpg", "coffee"), name)


def badge(page: Page, alt: str) -> Locator:
    """The badge of an image whose check is done. A check may end when its image scrolls away."""
    return page.locator(f"{JUDGED}.placed[aria-label*='“{alt}”']")


@pytest.fixture
def popup(context: BrowserContext) -> Iterator[Page]:
    """The popup, before it is opened with `open_popup`."""
    with context.new_page() as popup:
        popup.set_viewport_size({"width": 340, "height": 600})
        yield popup


def open_popup(popup: Page, page: Page) -> None:
    """Open the popup for a page."""
    page.bring_to_front()
    popup.goto(POPUP)


def test_the_popup_counts_the_images_of_all_frames_and_lists_the_flagged_ones(
    page: Page, popup: Page, site: HTTPServer
) -> None:
    frame = Response(f"<html lang=en>{picture(site, 'ai-frame')}", content_type="text/html")
    site.expect_request("/frame").respond_with_response(frame)
    names = ("ai-first", "doubt-one", "real-one", "real-two")
    body = "".join(picture(site, name) for name in names)
    inner = f"http://localhost:{site.port}/frame"
    page.goto(serve_page(site, f"{body}<iframe src='{inner}' width=400 height=400></iframe>"))
    open_popup(popup, page)
    expect(popup.locator("#counts li")).to_have_text(["2Likely AI", "1Uncertain", "2No sign of AI"])
    expect(popup.locator("#flagged-list button")).to_have_count(2)
    for name in ("ai-first", "ai-frame"):
        expect(popup.get_by_role("button", name=f"{name} 93%")).to_be_visible()
    expect(popup.locator("#server")).to_contain_text("Model m1 is ready")
    page.get_by_alt_text("real-two").evaluate("image => image.remove()")
    expect(popup.locator("#counts li").nth(2)).to_have_text("1No sign of AI")


def test_a_click_in_the_list_scrolls_to_the_image_and_highlights_it(
    page: Page, popup: Page, site: HTTPServer
) -> None:
    gap = "<p style='height:4000px'></p>"
    page.goto(serve_page(site, picture(site, "ai-above") + gap + picture(site, "real-below")))
    expect(badge(page, "ai-above")).to_be_visible()
    page.get_by_alt_text("real-below").scroll_into_view_if_needed()
    expect(badge(page, "ai-above")).to_have_count(0)
    open_popup(popup, page)
    popup.get_by_role("button", name="ai-above 93%").click()
    expect(page.get_by_alt_text("ai-above")).to_be_in_viewport()
    ring, image = page.locator(".ring"), page.get_by_alt_text("ai-above")
    expect(ring).to_be_visible()
    assert ring.bounding_box() == image.bounding_box()
    expect(ring).to_have_count(0)


def test_the_site_switch_applies_at_once(page: Page, popup: Page, site: HTTPServer) -> None:
    page.goto(serve_page(site, picture(site, "ai-one")))
    expect(badge(page, "ai-one")).to_be_visible()
    open_popup(popup, page)
    switch = popup.get_by_role("switch", name="Check this site automatically")
    expect(switch).to_be_checked()
    switch.click()
    expect(page.locator(".badge")).to_have_count(0)
    expect(popup.get_by_text("No images have been checked")).to_be_visible()
    switch.click()
    expect(badge(page, "ai-one")).to_be_visible()
    popup.get_by_label("Check images").select_option("Only on sites that I choose")
    expect(page.locator(".badge")).to_have_count(0)
    expect(switch).not_to_be_checked()
    switch.click()
    expect(badge(page, "ai-one")).to_be_visible()


def test_a_pause_applies_at_once_and_ends_when_the_user_resumes(
    page: Page, popup: Page, site: HTTPServer
) -> None:
    page.goto(serve_page(site, picture(site, "ai-one")))
    open_popup(popup, page)
    expect(badge(page, "ai-one")).to_be_visible()
    popup.get_by_role("button", name="For an hour").click()
    expect(page.locator(".badge")).to_have_count(0)
    expect(popup.get_by_text("Paused until")).to_be_visible()
    popup.get_by_role("button", name="Resume").click()
    expect(badge(page, "ai-one")).to_be_visible()
    popup.get_by_role("button", name="Until I resume").click()
    expect(page.locator(".badge")).to_have_count(0)


def test_manual_mode_checks_a_page_when_it_is_asked_to(
    page: Page, context: BrowserContext, popup: Page, site: HTTPServer, server: HTTPServer
) -> None:
    change_settings(context, mode="manual")
    gap = "<p style='height:4000px'></p>"
    page.goto(serve_page(site, picture(site, "ai-one") + gap + picture(site, "real-below")))
    open_popup(popup, page)
    expect(popup.get_by_text("No images have been checked")).to_be_visible()
    assert not [request for request, _ in server.log if request.path == "/v1/checks"]
    popup.get_by_role("button", name="Check all images on this page").click()
    expect(popup.locator("#counts li")).to_have_text(["1Likely AI", "1No sign of AI"])
    expect(badge(page, "ai-one")).to_be_visible()


@pytest.mark.parametrize(
    ("flagged", "look"), [("blur", "blur(20px)"), ("hide", "opacity(0)")], ids=["blur", "hide"]
)
def test_flagged_images_are_veiled_at_once_until_their_badge_is_pressed(
    page: Page, context: BrowserContext, site: HTTPServer, flagged: str, look: str
) -> None:
    names = ("ai-one", "ai-two", "real-one")
    page.goto(serve_page(site, "".join(picture(site, name) for name in names)))
    one, two, real = (page.get_by_alt_text(name) for name in names)
    expect(badge(page, "ai-two")).to_be_visible()
    change_settings(context, flagged=flagged)
    expect(one).to_have_css("filter", look)
    expect(two).to_have_css("filter", look)
    expect(real).to_have_css("filter", "none")
    expect(badge(page, "ai-one")).to_contain_text("Show")
    badge(page, "ai-one").click()
    expect(one).to_have_css("filter", "none")
    expect(page.get_by_role("dialog")).to_have_count(0)
    badge(page, "ai-two").focus()
    page.keyboard.press("Enter")
    expect(two).to_have_css("filter", "none")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_no_sign_of_ai_is_a_dot_that_opens_under_the_pointer_and_with_the_focus(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    names = ("ai-one", "doubt-one", "real-one")
    body = "".join(f"<p>{picture(site, name)}</p>" for name in names)
    page.goto(serve_page(site, body))
    for name in ("ai-one", "doubt-one"):
        expect(badge(page, name).locator(".words")).to_be_visible()
    dot = badge(page, "real-one")
    words = dot.locator(".words")
    expect(dot).to_have_attribute("data-state", "real")
    expect(words).to_be_hidden()
    box = dot.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (24, 24)
    dot.hover()
    expect(words).to_be_visible()
    page.mouse.move(0, 0)
    expect(words).to_be_hidden()
    badge(page, "doubt-one").focus()
    page.keyboard.press("Tab")
    expect(dot).to_be_focused()
    expect(words).to_have_text("No sign of AI")
    expect(words).to_be_visible()
    assert axe_violations(page, "assay-overlay") == []
    page.keyboard.press("Shift+Tab")
    expect(words).to_be_hidden()
    change_settings(context, fullLabels=True)
    expect(words).to_be_visible()


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_corner_and_size_apply_at_once(
    page: Page, context: BrowserContext, site: HTTPServer, direction: str
) -> None:
    style = f"<style>html {{ direction: {direction} }}</style>"
    page.goto(serve_page(site, picture(site, "real-one"), head=style))
    expect(badge(page, "real-one")).to_have_attribute("data-state", "real")
    at_corner = """([right, bottom]) => {
        const image = document.images[0].getBoundingClientRect();
        const root = document.querySelector('assay-overlay').shadowRoot;
        const badge = root.querySelector('.badge').getBoundingClientRect();
        const x = right ? image.right - badge.right : badge.left - image.left;
        const y = bottom ? image.bottom - badge.bottom : badge.top - image.top;
        return Math.abs(x - 8) < 1 && Math.abs(y - 8) < 1;
    }"""
    for corner in ("top-start", "top-end", "bottom-start", "bottom-end"):
        change_settings(context, corner=corner)
        right = corner.endswith("end") == (direction == "ltr")
        page.wait_for_function(at_corner, arg=[right, corner.startswith("bottom")])
    change_settings(context, size="large")
    expect(badge(page, "real-one")).to_have_css("height", "32px")
    badge(page, "real-one").hover()
    expect(badge(page, "real-one")).to_have_css("height", "34px")
    page.wait_for_function(at_corner, arg=[direction == "ltr", True])  # It opens inwards.


def nodes(context: BrowserContext, page: Page) -> int:
    """Count the nodes in the page's memory that are in use, also those outside of its document."""
    devtools = context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    counters = devtools.send("Memory.getDOMCounters")
    devtools.detach()
    return int(counters["nodes"])


def test_a_page_that_adds_and_removes_many_images_leaves_nothing_behind(
    page: Page, context: BrowserContext, popup: Page, site: HTTPServer
) -> None:
    src = serve_image(site, "/ai-many.png", encoded(drawing(3), "PNG"))
    page.goto(serve_page(site, f"<main></main>{picture(site, 'ai-stays')}"))
    expect(badge(page, "ai-stays")).to_be_visible()
    before = nodes(context, page)
    for _ in range(5):
        page.evaluate(
            """src => document.querySelector('main').replaceChildren(
                ...Array.from({ length: 200 }, () => Object.assign(new Image(150), { src })))""",
            src,
        )
        page.locator(".badge[data-state=ai]").nth(1).wait_for(state="attached")
    page.evaluate("document.querySelector('main').replaceChildren()")
    expect(page.locator(".badge")).to_have_count(1)
    open_popup(popup, page)
    expect(popup.locator("#counts li")).to_have_text(["1Likely AI"])
    until(lambda: nodes(context, page) < before + 200, "all removed nodes are freed")


def test_the_popup_says_why_the_server_does_not_answer(
    page: Page, context: BrowserContext, popup: Page, site: HTTPServer, free_port: int
) -> None:
    use_server(context, f"http://127.0.0.1:{free_port}")
    page.goto(serve_page(site, picture(site, "ai-one")))
    open_popup(popup, page)
    expect(popup.locator("#server")).to_contain_text("server not running")
    expect(popup.locator("#counts li")).to_have_text(["1Unavailable"])


def test_a_stricter_threshold_applies_at_once_to_the_page_and_the_popup(
    page: Page, context: BrowserContext, popup: Page, site: HTTPServer
) -> None:
    page.goto(serve_page(site, picture(site, "ai-one")))
    open_popup(popup, page)
    expect(popup.locator("#counts li")).to_have_text(["1Likely AI"])
    with context.new_page() as options:
        options.goto(f"chrome-extension://{EXTENSION_ID}/options.html")
        flagged = options.locator("#samples li", has_text="Likely AI")
        expect(flagged).to_have_count(4)
        options.get_by_label("Flag images as").select_option("From 95% on")
        expect(flagged).to_have_count(2)
        options.get_by_role("button", name="Save").click()
        expect(options.get_by_text("Saved.")).to_be_visible()
    expect(badge(page, "ai-one")).to_contain_text("Uncertain, leans AI 93%")
    expect(popup.locator("#counts li")).to_have_text(["1Uncertain"])
    expect(popup.locator("#flagged")).to_be_hidden()


def test_the_popup_has_no_faults_that_axe_finds(
    page: Page, context: BrowserContext, popup: Page, site: HTTPServer
) -> None:
    page.goto(serve_page(site, picture(site, "ai-one") + picture(site, "real-one")))
    open_popup(popup, page)
    expect(popup.locator("#counts li")).to_have_count(2)
    expect(popup.locator("#server")).to_contain_text("Model m1 is ready")
    for settings in ({}, {"pausedUntil": 2**53 - 1}, {"pausedUntil": 0, "mode": "manual"}):
        change_settings(context, **settings)
        for scheme in ("light", "dark"):
            popup.emulate_media(color_scheme=scheme)
            assert axe_violations(popup) == []


def test_a_chosen_language_applies_at_once_and_has_no_faults_that_axe_finds(
    context: BrowserContext, page: Page, popup: Page, site: HTTPServer
) -> None:
    page.goto(serve_page(site, picture(site, "ai-one")))
    badge(page, "ai-one").click()
    with context.new_page() as options, context.new_page() as panel:
        panel.goto(f"chrome-extension://{EXTENSION_ID}/sidepanel.html")
        options.goto(f"chrome-extension://{EXTENSION_ID}/options.html")
        options.get_by_label("Language").select_option("العربية")
        expect(options.get_by_role("heading", level=1)).to_have_text("إعدادات Assay")
        expect(options.locator("#connection")).to_contain_text("جاهز")
        expect(panel.locator(".verdict").first).to_contain_text("ذكاء اصطناعي غالبًا")
        expect(page.locator(".badge .word")).to_have_text("ذكاء اصطناعي غالبًا")
        expect(page.get_by_role("dialog")).to_contain_text("احتمال أن الصورة")
        expect(page.locator("assay-overlay")).to_have_attribute("lang", "ar")
        assert axe_violations(page, "assay-overlay") == []
        page.keyboard.press("Escape")
        open_popup(popup, page)
        expect(popup.locator("#counts li")).to_have_text(["1ذكاء اصطناعي غالبًا"])
        expect(popup.locator("#server")).to_contain_text("جاهز")
        for own in (options, panel, popup):
            expect(own.locator("html")).to_have_attribute("dir", "rtl")
            expect(own.locator("html")).to_have_attribute("lang", "ar")
            assert axe_violations(own) == []
        options.get_by_label("اللغة").select_option("")
        expect(page.locator(".badge .word")).to_have_text("Likely AI")
        expect(popup.get_by_text("Check images")).to_be_visible()
