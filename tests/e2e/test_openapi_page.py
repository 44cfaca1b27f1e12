"""The page that shows the API to try out, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, Playwright, expect

from backend.supervisor import Supervisor
from tests.e2e.browser import bare_chromium

LOOKUP = "#operations-lookups-create_lookup"


@pytest.fixture
def page(playwright: Playwright) -> Iterator[Page]:
    with bare_chromium(playwright) as browser:
        yield browser.new_page()


def test_the_page_shows_every_call_at_once_and_can_try_one_out(
    stack: Supervisor, page: Page
) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(f"{stack.url}/openapi")
    document = requests.get(f"{stack.url}/openapi.json", timeout=30).json()
    expect(page.locator(".opblock")).to_have_count(sum(map(len, document["paths"].values())))

    page.locator(f"{LOOKUP} .opblock-summary").click()
    page.locator(f"{LOOKUP} .try-out button").click()
    page.locator(f"{LOOKUP} .execute").click()
    status = page.locator(f"{LOOKUP} .live-responses-table .response .response-col_status")
    expect(status.first).to_contain_text("200")

    assert complaints == [], "among them would be what the page's policy forbids"
    assert all(url.startswith((f"{stack.url}/", "data:")) for url in asked), asked
    assert len(asked) >= 5


def test_the_page_may_load_nothing_from_elsewhere_and_is_framed_by_nobody(
    stack: Supervisor, page: Page
) -> None:
    page.goto(f"{stack.url}/openapi")
    loaded = page.evaluate(
        """() => new Promise(resolve => {
             const image = new Image();
             image.onload = () => resolve("loaded");
             image.onerror = () => resolve("refused");
             image.src = "http://127.0.0.1:9/a.png";
             document.addEventListener("securitypolicyviolation", () => resolve("forbidden"));
           })"""
    )
    assert loaded == "forbidden"
    policy = requests.get(f"{stack.url}/openapi", timeout=30).headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/openapi", "/openapi/"])
def test_it_is_found_under_its_usual_addresses(stack: Supervisor, path: str) -> None:
    answer = requests.get(stack.url + path, timeout=30)
    assert answer.status_code == 200
    assert "swagger" in answer.text
