"""One real browser and one real stack for all end-to-end tests; a fresh page for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect, sync_playwright
from pytest_httpserver import HTTPServer

from backend.supervisor import Supervisor
from tests.e2e.browser import chromium, use_server
from tests.e2e.pages import favicon

# A busy machine takes long; what is there at once is not waited for.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(
    playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowserContext]:
    with chromium(playwright, tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture
def context(browser: BrowserContext, stack: Supervisor) -> BrowserContext:
    """The browser, with the extension's settings as they are at first, but for the server."""
    use_server(browser, stack.url)
    return browser


@pytest.fixture
def page(context: BrowserContext, site: HTTPServer) -> Iterator[Page]:
    favicon(site)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    page.close()
