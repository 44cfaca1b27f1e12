"""What the card does about a verdict, in a real Chromium before a real server."""

from __future__ import annotations

import io
from urllib.parse import parse_qs, urlsplit

from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect
from pytest_httpserver import HTTPServer
from redis import Redis

from backend.supervisor import Supervisor
from tests.e2e.axe import axe_violations
from tests.e2e.extension import JUDGED, badge, card, worker_requests
from tests.e2e.pages import img, serve_page, serve_photograph
from workers.storage.feedback import FeedbackStore

NARROW = {"width": 340, "height": 600}


def open_card(page: Page, alt: str) -> None:
    """Open the card of the image that is described so, when it has a verdict."""
    expect(badge(page, alt, JUDGED)).to_be_visible()
    badge(page, alt).click()
    expect(card(page)).to_contain_text("SHA-256")


def test_feedback_arrives_at_the_server(page: Page, site: HTTPServer, stack: Supervisor) -> None:
    page.set_viewport_size(NARROW)
    src = serve_photograph(site, "/wrong.jpg")
    page.goto(serve_page(site, img(src, "cat")))
    open_card(page, "cat")
    card(page).get_by_role("button", name="This is wrong").click()
    send = card(page).get_by_role("button", name="Send")
    expect(card(page).get_by_label("AI-made", exact=True)).to_be_focused()
    expect(send).to_be_disabled()
    card(page).get_by_label("AI-made", exact=True).check()
    card(page).get_by_label("How do you know?").fill("I made it with a model.")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert axe_violations(page, "assay-overlay") == []
    send.click()
    expect(card(page)).to_contain_text("Thank you. The server has your answer.")
    with Redis.from_url(str(stack.settings.redis_url)) as redis:
        (feedback,) = (each for each in FeedbackStore(redis).all() if each.url == src)
    assert (feedback.says, feedback.comment) == ("ai", "I made it with a model.")


def test_the_copied_link_opens_the_servers_page_with_the_image(
    page: Page, context: BrowserContext, site: HTTPServer, stack: Supervisor
) -> None:
    src = serve_photograph(site, "/linked.jpg")
    page.goto(serve_page(site, img(f"{src}?a=b&c", "cat")))
    open_card(page, "cat")
    card(page).get_by_role("button", name="Copy link").click()
    expect(card(page)).to_contain_text("Link copied.")
    context.grant_permissions(["clipboard-read"])
    link = page.evaluate("navigator.clipboard.readText()")
    context.clear_permissions()
    assert link.startswith(f"{stack.url}/?url=")
    assert parse_qs(urlsplit(link).query) == {"url": [f"{src}?a=b&c"]}
    page.goto(link)
    expect(page.locator("#check input[name=url]")).to_have_value(f"{src}?a=b&c")


def test_the_map_is_drawn_on_demand_where_the_page_forbids_all_other_images(
    page: Page, site: HTTPServer
) -> None:
    page.set_viewport_size(NARROW)
    src = serve_photograph(site, "/map.jpg")
    strict = {"Content-Security-Policy": "default-src 'none'; img-src 'self'"}
    page.goto(serve_page(site, img(src, "cat"), headers=strict))
    open_card(page, "cat")
    assert worker_requests(site, "/map.jpg") == 1
    card(page).get_by_role("button", name="Where it looks AI-made").click()
    picture = card(page).get_by_role("img", name="The image in grey under a map of colours")
    again = card(page).get_by_role("button", name="Try again")
    expect(picture.or_(again)).to_be_visible()
    if again.is_visible():  # The server gives up after 25 seconds, which a busy machine may need.
        again.click()
    expect(picture).to_be_visible()
    shown = Image.open(io.BytesIO(picture.screenshot())).convert("RGB")
    assert shown.getcolors(1000) is None  # It has more, so it is not empty.
    expect(card(page)).to_contain_text("In our test")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert axe_violations(page, "assay-overlay") == []
    hide = card(page).get_by_role("button", name="Hide where it looks AI-made")
    expect(hide).to_be_focused()
    hide.click()
    expect(picture).to_be_hidden()
