"""What Chromium sends for the URLs of which our own requests are tested to be the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Playwright

from tests.e2e.browser import bare_chromium
from tests.workers.fetching.servers import ScriptedServer, answer
from tests.workers.fetching.test_wire import HOSTS, TARGETS, host_of, target_of

ASK = "url => fetch(url, {mode: 'no-cors', cache: 'no-store'}).then(() => true)"


@pytest.fixture(scope="module")
def site() -> Iterator[ScriptedServer]:
    with ScriptedServer(answer(b"", "Content-Type: text/html")) as server:
        yield server


@pytest.fixture(scope="module")
def page(playwright: Playwright, site: ScriptedServer) -> Iterator[Page]:
    """A page of the site, in a browser without the extension."""
    with bare_chromium(playwright) as browser:
        page = browser.new_page()
        page.goto(site.url("page"))
        yield page


def sent(page: Page, site: ScriptedServer, url: str) -> str:
    """Let the page ask for a URL; return the head of the request as it came."""
    site.requests.clear()
    assert page.evaluate(ASK, url)
    (head,) = [each for each in site.requests if target_of(each) != "/favicon.ico"]
    return head


@pytest.mark.parametrize(("written", "target"), TARGETS.items())
def test_chromium_sends_the_same_target(
    page: Page, site: ScriptedServer, written: str, target: str
) -> None:
    assert target_of(sent(page, site, f"http://127.0.0.1:{site.port}{written}")) == target


@pytest.mark.parametrize(("written", "host"), HOSTS.items())
def test_chromium_sends_the_same_host(
    page: Page, site: ScriptedServer, written: str, host: str
) -> None:
    assert host_of(sent(page, site, f"http://{written}:{site.port}/a")) == f"{host}:{site.port}"
