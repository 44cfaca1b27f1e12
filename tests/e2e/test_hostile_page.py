"""A page that means harm, in a real browser, against the API on the same machine.

The browser itself would keep pages of the internet from loopback. This page is served from loopback
too, so that nothing but Assay is in its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Page, Playwright
from pytest_httpserver import HTTPServer
from redis import Redis

from backend.supervisor import Supervisor
from tests.conftest import hits, until
from tests.e2e.browser import bare_chromium
from tests.pictures import drawing, encoded

REBOUND = "rebound.example"
ATTACK = (Path(__file__).parent / "attack.js").read_text()
WAYS = {
    *("fetch-json", "fetch-text", "fetch-upload", "fetch-get", "no-cors-post", "no-cors-get"),
    *("beacon", "form-text", "form-upload", "img", "script", "style", "iframe", "events"),
}


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    with bare_chromium(
        playwright,
        f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1",
        # Of late it keeps pages of the internet from loopback by itself; other browsers do not.
        "--disable-features=LocalNetworkAccessChecks",
    ) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


class Victim:
    """The running API, with a check whose id the attacker has come to know."""

    def __init__(self, stack: Supervisor, site: HTTPServer) -> None:
        self.url = stack.url
        self._redis = Redis.from_url(str(stack.settings.redis_url))
        self._site = site
        site.expect_request("/bait.png").respond_with_data(encoded(drawing(41), "PNG"))
        self.bait = site.url_for("/bait.png")
        known = requests.post(f"{self.url}/v1/checks", json={"urls": ["x:"]}, timeout=10).json()
        self.check_id = known["id"]
        self._before = self._jobs()

    def _jobs(self) -> set[bytes]:
        return {
            key
            for pattern in ("assay:check:*", "assay:scan*", "assay:claim:*", "assay:address:*")
            for key in self._redis.scan_iter(pattern)
        }

    def triggered(self) -> bool:
        """Whether anything was begun or fetched since this was made; what expired is no sign."""
        return bool(self._jobs() - self._before) or hits(self._site, "/bait.png") > 0


@pytest.fixture
def victim(stack: Supervisor, site: HTTPServer) -> Victim:
    return Victim(stack, site)


def attack(page: Page, address: str, victim: Victim, api: str) -> tuple[dict[str, str], set[int]]:
    """Try every way from a page at this address; return what each read, and the API's statuses."""
    ways: dict[str, str] = {}
    statuses: dict[str, int] = {}

    def note_request(event: dict[str, Any]) -> None:
        if fragment := event["request"].get("urlFragment"):
            ways[event["requestId"]] = fragment.removeprefix("#")

    def note_status(event: dict[str, Any]) -> None:
        statuses[event["requestId"]] = event["statusCode"]

    # What the browser itself sees on the wire; it hides from the page most of what is refused.
    devtools = page.context.new_cdp_session(page)
    devtools.on("Network.requestWillBeSent", note_request)
    devtools.on("Network.responseReceivedExtraInfo", note_status)
    devtools.send("Network.enable")
    page.goto(address)
    read = page.evaluate(ATTACK, {"api": api, "bait": victim.bait, "id": victim.check_id})

    def answered() -> dict[str, int]:
        return {ways[request]: status for request, status in statuses.items() if request in ways}

    def all_answered() -> bool:
        page.wait_for_timeout(10)  # lets the events in; the page itself waits for no beacon
        return answered().keys() >= WAYS

    until(all_answered, "every way was really tried, and reached the API")
    return read, set(answered().values())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["same site", "cross site"])
def test_a_page_of_another_origin_reads_nothing_and_triggers_nothing(
    page: Page, victim: Victim, site: HTTPServer, host: str
) -> None:
    site.expect_request("/page").respond_with_data("<!doctype html>", content_type="text/html")
    read, statuses = attack(page, f"http://{host}:{site.port}/page", victim, victim.url)
    assert read == {}
    assert statuses == {403}
    assert not victim.triggered()


def test_a_page_whose_name_was_pointed_at_this_machine_is_told_nothing(
    page: Page, victim: Victim
) -> None:
    """DNS rebinding: to the browser the API is of the page's own origin."""
    api = f"http://{REBOUND}:{urlsplit(victim.url).port}"
    page.route(f"{api}/page", lambda route: route.fulfill(body="<p>", content_type="text/html"))
    read, statuses = attack(page, f"{api}/page", victim, api)
    assert statuses == {421}
    assert all(victim.bait not in text and victim.check_id not in text for text in read.values())
    assert not victim.triggered()


def test_the_same_attack_from_the_api_s_own_origin_would_succeed(
    page: Page, victim: Victim
) -> None:
    """So the tests above can fail."""
    page.route(f"{victim.url}/page", lambda r: r.fulfill(body="<p>", content_type="text/html"))
    read, statuses = attack(page, f"{victim.url}/page", victim, victim.url)
    assert {"fetch-json", "fetch-upload", "fetch-get"} <= read.keys()
    assert victim.check_id in read["fetch-get"]
    assert {200, 202} & statuses
    assert victim.triggered()


def test_a_link_on_a_foreign_page_leads_to_the_api_s_own_pages(
    page: Page, victim: Victim, site: HTTPServer
) -> None:
    site.expect_request("/page").respond_with_data(
        f'<a href="{victim.url}/openapi">Assay</a>', content_type="text/html"
    )
    page.goto(f"http://localhost:{site.port}/page")
    with page.expect_navigation() as navigation:
        page.click("a")
    assert navigation.value is not None
    assert navigation.value.status == 200
