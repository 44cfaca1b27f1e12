"""The extension in a real Chromium, before a real server, worker and store."""

from __future__ import annotations

import base64
import re

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from backend.supervisor import Supervisor
from tests.conftest import until
from tests.e2e.axe import axe_violations
from tests.e2e.browser import EXTENSION_ID, service_worker
from tests.e2e.extension import (
    JUDGED,
    badge,
    card,
    change_settings,
    check_image,
    worker_requests,
)
from tests.e2e.pages import TYPES, img, serve_image, serve_page, serve_photograph
from tests.pictures import drawing, encoded, photograph

# From page load to badge


def test_images_of_every_format_get_a_verdict_on_page_load(page: Page, site: HTTPServer) -> None:
    body = "".join(img(serve_photograph(site, f"/cat.{kind}"), alt=kind) for kind in TYPES)
    page.goto(serve_page(site, body))
    for kind in TYPES:
        expect(badge(page, kind, JUDGED)).to_be_visible()
        expect(badge(page, kind)).to_have_attribute("aria-label", re.compile("probability of AI"))


def test_an_image_added_later_gets_a_badge(page: Page, site: HTTPServer) -> None:
    src = serve_photograph(site, "/later.jpg")
    page.goto(serve_page(site, "<main></main>"))
    page.evaluate(
        "markup => document.querySelector('main').insertAdjacentHTML('beforeend', markup)",
        f"<p><picture>{img(src, alt='later')}</picture></p>",
    )
    expect(badge(page, "later", JUDGED)).to_be_visible()


def test_an_image_far_below_is_checked_when_it_comes_near(page: Page, site: HTTPServer) -> None:
    above, below = (serve_photograph(site, f"/{name}.jpg") for name in ("above", "below"))
    body = f"{img(above, 'above')}<div style='height:6000px'></div>{img(below, 'below')}"
    page.goto(serve_page(site, body))
    expect(badge(page, "above", JUDGED)).to_be_visible()
    expect(page.locator(".badge")).to_have_count(1)
    assert worker_requests(site, "/below.jpg") == 0
    page.get_by_alt_text("below").scroll_into_view_if_needed()
    expect(badge(page, "below", JUDGED)).to_be_visible()


def test_a_small_image_gets_no_badge(page: Page, site: HTTPServer) -> None:
    src = serve_photograph(site, "/photo.jpg")
    page.goto(serve_page(site, img(src, alt="small", width=90) + img(src, alt="large")))
    expect(badge(page, "large", JUDGED)).to_be_visible()
    expect(page.locator(".badge")).to_have_count(1)


def test_a_logo_gets_a_small_dot(page: Page, site: HTTPServer) -> None:
    logo = serve_image(site, "/logo.png", encoded(drawing(3, (400, 100)), "PNG"))
    page.goto(serve_page(site, img(logo, alt="logo", width=400)))
    dot = badge(page, "logo", JUDGED)
    box = dot.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (24, 24)
    expect(dot.locator(".words")).to_be_hidden()


@pytest.mark.parametrize(
    ("overlay", "host", "seen"),
    [
        ("clear.png", "127.0.0.1", {"photo", "alone"}),
        ("full.png", "127.0.0.1", {"overlay", "alone"}),
        ("clear.png", "localhost", {"alone"}),
    ],
    ids=["transparent", "opaque", "not readable"],
)
def test_of_two_images_on_each_other_only_the_one_that_is_known_to_be_seen_has_a_badge(
    page: Page, site: HTTPServer, overlay: str, host: str, seen: set[str]
) -> None:
    clear = Image.new("RGBA", (300, 200), (255, 255, 255, 0))
    serve_image(site, "/clear.png", encoded(clear, "PNG"))
    serve_image(site, "/full.png", encoded(drawing(5, (300, 200)), "PNG"))
    photo, alone = (serve_photograph(site, f"/{name}.jpg") for name in ("photo", "alone"))
    style = (
        "<style>div{position:relative;height:220px} div img{position:absolute;height:200px}</style>"
    )
    over = img(f"http://{host}:{site.port}/{overlay}", "overlay")
    page.goto(
        serve_page(site, f"<div>{img(photo, 'photo')}{over}</div>{img(alone, 'alone')}", head=style)
    )
    expect(page.locator(".badge:not([data-state=checking])")).to_have_count(3)
    expect(page.locator(".badge.placed")).to_have_count(len(seen))
    for alt in seen:
        expect(badge(page, alt, JUDGED)).to_be_visible()


def test_a_damaged_image_says_why_it_has_no_verdict(page: Page, site: HTTPServer) -> None:
    src = serve_image(site, "/half.jpg", encoded(photograph())[:20_000])
    page.goto(serve_page(site, img(src, alt="half")))
    unavailable = badge(page, "half", "[data-state=unavailable]")
    expect(unavailable).to_have_text("Unavailable damaged file")
    unavailable.click()
    expect(card(page)).to_contain_text("What you can do")
    expect(card(page).get_by_role("button", name="Try again")).to_be_visible()


def test_a_known_image_is_not_fetched_again_for_another_tab(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    address = serve_page(site, img(serve_photograph(site, "/shared.png"), alt="shared"))
    page.goto(address)
    expect(badge(page, "shared", JUDGED)).to_be_visible()
    with context.new_page() as other:
        other.goto(address)
        expect(badge(other, "shared", JUDGED)).to_be_visible()
    assert worker_requests(site, "/shared.png") == 1


def test_a_listed_site_has_no_badges_until_it_is_taken_off_the_list(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    page.goto(serve_page(site, img(serve_photograph(site, "/listed.jpg"), alt="listed")))
    expect(badge(page, "listed", JUDGED)).to_be_visible()
    change_settings(context, sitesOff=["127.0.0.1"])
    try:
        expect(page.locator(".badge")).to_have_count(0)
    finally:
        change_settings(context, sitesOff=[])
    expect(badge(page, "listed", JUDGED)).to_be_visible()


# What badges do to a page: nothing


def test_badges_move_nothing_and_add_nothing_to_the_body(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    drawn = [encoded(drawing(seed), "PNG") for seed in range(4)]
    cells = "".join(
        f"<figure>{img(serve_image(site, f'/{n}.png', data), f'n{n}')}<figcaption>{n}</figcaption>"
        "</figure>"
        for n, data in enumerate(drawn)
    )
    style = (
        "<style>main{display:flex;flex-wrap:wrap} figure>:first-child{border:5px solid}"
        " figure>:nth-child(3){display:none} body>:last-child{margin-left:40px}</style>"
    )
    address = serve_page(site, f"<main>{cells}</main>", head=style)
    measure = """() => [...document.body.querySelectorAll('*')].map((element) => {
        const { x, y, width, height } = element.getBoundingClientRect();
        return [element.localName, x, y, width, height];
    })"""
    change_settings(context, mode="manual")
    try:
        page.goto(address, wait_until="load")
        without = page.evaluate(measure)
        height = page.evaluate("document.documentElement.scrollHeight")
        markup = page.evaluate("document.body.outerHTML")
    finally:
        change_settings(context, mode="everywhere")
    for n in range(4):
        expect(badge(page, f"n{n}", JUDGED)).to_be_visible()
    assert page.evaluate(measure) == without
    assert page.evaluate("document.documentElement.scrollHeight") == height
    assert page.evaluate("document.body.outerHTML") == markup


def test_no_style_of_the_page_reaches_a_badge(page: Page, site: HTTPServer) -> None:
    style = (
        "<style>*:not(head,style,title){all:revert!important} button,assay-overlay{display:none"
        "!important;visibility:hidden!important;opacity:0!important;position:fixed!important;"
        "left:-9999px!important;transform:scale(0)!important}</style>"
    )
    page.goto(serve_page(site, img(serve_photograph(site, "/hostile.jpg"), "hostile"), head=style))
    shown = badge(page, "hostile", JUDGED)
    expect(shown).to_be_visible()
    image, button = page.locator("img").bounding_box(), shown.bounding_box()
    assert image is not None
    assert button is not None
    assert (button["x"], button["y"]) == (image["x"] + 8, image["y"] + 8)
    assert button["height"] in (24, 26)  # a dot, or a pill


def test_a_strict_content_security_policy_hinders_nothing(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    policy = {"Content-Security-Policy": "default-src 'none'; img-src 'self' data:"}
    data = f"data:image/png;base64,{base64.b64encode(encoded(drawing(31), 'PNG')).decode()}"
    body = img(serve_photograph(site, "/strict.jpg"), "strict") + img(data, "inline")
    page.goto(serve_page(site, body, headers=policy))
    expect(badge(page, "strict", JUDGED)).to_have_css("height", re.compile("2[46]px"))
    check_image(context, page, page.get_by_alt_text("inline"))
    expect(card(page)).to_contain_text("320 × 240 pixels, PNG")


def test_a_badge_follows_its_image_and_goes_with_it(page: Page, site: HTTPServer) -> None:
    src = serve_photograph(site, "/moves.jpg")
    body = (
        "<div id=pane style='overflow:auto;height:250px;width:400px'>"
        f"<div style='height:100px'></div>{img(src, 'moves')}<div style='height:900px'></div></div>"
    )
    page.goto(serve_page(site, body))
    moving = badge(page, "moves", JUDGED)
    expect(moving).to_be_visible()
    at_corner = """() => {
        const image = document.images[0].getBoundingClientRect();
        const root = document.querySelector('assay-overlay').shadowRoot;
        const badge = root.querySelector('.badge').getBoundingClientRect();
        return badge.x === image.x + 8 && badge.y === Math.max(image.y, 8) + 8;
    }"""
    page.wait_for_function(at_corner)
    page.evaluate("pane.scrollTop = 150")  # its corner is cut off by the pane
    page.wait_for_function(at_corner)
    page.evaluate("pane.style.marginLeft = '120px'")
    page.wait_for_function(at_corner)
    page.evaluate("pane.scrollTop = 700")  # cut off by the pane, though near the viewport
    expect(page.locator(".badge")).to_have_count(0)
    page.evaluate("pane.scrollTop = 0")
    expect(moving).to_be_visible()
    page.evaluate("document.images[0].remove()")
    expect(page.locator(".badge")).to_have_count(0)


def test_a_bar_that_sticks_covers_the_badges_beneath_it(page: Page, site: HTTPServer) -> None:
    bar = "<header style='position:fixed;inset:0 0 auto;height:120px;background:#fff'></header>"
    body = bar + img(serve_photograph(site, "/under.jpg"), "under") + "<p style='height:3000px'>"
    page.goto(serve_page(site, body))
    hidden = page.locator(f"{JUDGED}[aria-label$='“under”']")
    expect(hidden).to_have_count(1)
    expect(hidden).to_be_hidden()
    page.evaluate("document.querySelector('header').remove()")
    expect(hidden).to_be_visible()


# By keyboard, and for screen readers


def test_a_badge_is_reached_opened_and_left_by_keyboard(page: Page, site: HTTPServer) -> None:
    body = f"<a href='#'>A link</a>{img(serve_photograph(site, '/keys.jpg'), 'keys')}"
    page.goto(serve_page(site, body))
    expect(badge(page, "keys", JUDGED)).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(badge(page, "keys")).to_be_focused()
    page.keyboard.press("Enter")
    expect(card(page).get_by_role("heading", level=2)).to_be_focused()
    expect(card(page)).to_contain_text("Found in the file")
    page.keyboard.press("Tab")
    expect(card(page).get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(card(page)).to_have_count(0)
    expect(badge(page, "keys")).to_be_focused()


def test_badges_and_card_have_no_faults_that_axe_finds(page: Page, site: HTTPServer) -> None:
    half = serve_image(site, "/half.jpg", encoded(photograph("coffee"))[:20_000])
    page.goto(
        serve_page(site, img(serve_photograph(site, "/fine.jpg"), "fine") + img(half, "half"))
    )
    expect(badge(page, "half", "[data-state=unavailable]")).to_be_visible()
    expect(badge(page, "fine", JUDGED)).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert axe_violations(page, "assay-overlay") == []
        for alt in ("fine", "half"):
            badge(page, alt).click()
            expect(card(page)).to_be_visible()
            assert axe_violations(page, "assay-overlay") == []
            page.keyboard.press("Escape")


# From right-click to verdict


def test_check_image_shows_the_verdict_in_place(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    src = serve_photograph(site, "/asked.webp", "coffee")
    page.goto(serve_page(site, img(src, "asked", width=80)))  # too small for a badge
    check_image(context, page, page.get_by_alt_text("asked"))
    expect(card(page)).to_contain_text("Probability that the image is AI-made")
    expect(card(page)).to_contain_text("600 × 400 pixels, WEBP")
    expect(card(page).locator(".members li")).not_to_have_count(1)  # the verdict says the same
    image, shown = page.locator("img").bounding_box(), card(page).bounding_box()
    assert image is not None
    assert shown is not None
    assert 0 < shown["x"] - (image["x"] + image["width"]) < 50


def test_check_image_works_on_a_data_image(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    data = base64.b64encode(encoded(drawing(7), "PNG")).decode()
    page.goto(serve_page(site, img(f"data:image/png;base64,{data}", "inline")))
    check_image(context, page, page.get_by_alt_text("inline"))
    expect(card(page)).to_contain_text("320 × 240 pixels, PNG")


@pytest.mark.parametrize("revoked", [False, True], ids=["still there", "revoked since"])
def test_check_image_works_on_a_blob_image(
    page: Page, context: BrowserContext, site: HTTPServer, revoked: bool
) -> None:
    src = serve_photograph(site, "/source.jpg", "rocket")
    page.goto(serve_page(site, "<img alt=blob width=300>"))
    page.evaluate(
        """async ([src, revoked]) => {
            const image = document.images[0];
            image.src = URL.createObjectURL(await (await fetch(src)).blob());
            await image.decode();
            if (revoked) URL.revokeObjectURL(image.src);
        }""",
        [src, revoked],
    )
    check_image(context, page, page.get_by_alt_text("blob"))
    expect(card(page)).to_contain_text(f"640 × 427 pixels, {'PNG' if revoked else 'JPEG'}")


def test_an_image_behind_a_login_is_sent_only_when_it_is_asked_for(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    photo = encoded(photograph("coffee"), "PNG")

    def guarded(request: Request) -> Response:
        if request.cookies.get("login") != "yes":
            return Response("Who are you?", 403)
        return Response(photo, content_type="image/png")

    site.expect_request("/private.png").respond_with_handler(guarded)
    address = serve_page(
        site, img("/private.png", "private"), headers={"Set-Cookie": "login=yes; SameSite=Strict"}
    )
    page.goto(address)
    expect(badge(page, "private")).to_have_text("Unavailable site refused")
    check_image(context, page, page.get_by_alt_text("private"))
    expect(card(page)).to_contain_text("600 × 400 pixels, PNG")
    page.keyboard.press("Escape")
    expect(badge(page, "private", JUDGED)).to_be_visible()


def test_an_image_that_only_the_browser_may_reach_asks_for_access_to_its_site(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    # A name that the server refuses, of another origin than the page, and not in the manifest.
    elsewhere = serve_photograph(site, "/else.png").replace("127.0.0.1", "cdn.localhost")
    page.goto(serve_page(site, img(elsewhere, "elsewhere")))
    check_image(context, page, page.get_by_alt_text("elsewhere"))
    expect(card(page)).to_contain_text("permission needed")
    expect(card(page)).to_contain_text("images from cdn.localhost")
    expect(card(page).get_by_role("button", name="Allow and check")).to_be_visible()


def test_check_image_works_where_the_browser_does_not_tell_the_address(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    page.goto(serve_page(site, img(serve_photograph(site, "/untold.jpg"), "untold")))
    check_image(context, page, page.get_by_alt_text("untold"), src="")
    expect(card(page)).to_contain_text("451 × 300 pixels, JPEG")


# The options page


def test_the_options_page_tells_whether_the_server_answers(
    page: Page, context: BrowserContext, stack: Supervisor, free_port: int
) -> None:
    connection = page.locator("#connection")

    def connected() -> bool:
        page.goto(f"chrome-extension://{EXTENSION_ID}/options.html")
        expect(connection).not_to_have_text("Connecting…")
        return "Connected" in connection.inner_text()

    until(connected, "the server is ready, which a busy machine's is not all the time")
    address = page.get_by_label("Server address")
    expect(address).to_have_value(stack.url)
    address.fill(f"http://127.0.0.1:{free_port}")
    page.get_by_role("button", name="Test connection").click()
    expect(connection).to_contain_text("No connection: server not running")
    address.fill("not an address")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Not a valid address")
    address.fill(stack.url)
    page.get_by_label("Except on these sites").fill("*.x.example\nexa mple")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("“exa mple” is not a site")
    saved = service_worker(context).evaluate("() => chrome.storage.local.get()")
    assert saved["server"] == stack.url
    assert not saved.get("sitesOff")
    page.get_by_label("Except on these sites").fill("*.x.example")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    saved = service_worker(context).evaluate("() => chrome.storage.local.get()")
    assert saved["sitesOff"] == ["*.x.example"]
    change_settings(context, sitesOff=[])


def test_the_options_page_has_no_faults_that_axe_finds(page: Page) -> None:
    page.goto(f"chrome-extension://{EXTENSION_ID}/options.html")
    expect(page.locator("#samples")).to_contain_text("Likely AI")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert axe_violations(page, "html") == []
