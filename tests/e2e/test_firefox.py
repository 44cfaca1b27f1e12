"""The extension in a real Firefox: it loads, keeps its settings, and shows what the server says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from pytest_httpserver import HTTPServer

from backend.supervisor import Supervisor
from tests.conftest import until
from tests.e2e.firefox import Firefox, firefox, program
from tests.e2e.pages import favicon, img, serve_page, serve_photograph

pytestmark = pytest.mark.skipif(
    program() is None, reason="needs Firefox: on Debian, apt install firefox-esr"
)

SET_SERVER = """const settings = Components.utils.cloneInto({ server: arguments[0] }, window);
    return window.wrappedJSObject.browser.storage.local.set(settings)"""
LABELS = """return [...document.querySelectorAll("*")].flatMap((host) =>
    [...(host.openOrClosedShadowRoot?.querySelectorAll(".badge.placed") ?? [])].map((badge) =>
        [badge.getAttribute("aria-label"), badge.dataset.state]))"""


@pytest.fixture
def browser(stack: Supervisor, tmp_path: Path) -> Iterator[Firefox]:
    with firefox(tmp_path) as browser:
        browser.open(browser.extension_url("options.html"))
        browser.run(SET_SERVER, stack.url)
        yield browser


def test_badges_show_the_verdicts_of_the_server(
    browser: Firefox, stack: Supervisor, site: HTTPServer
) -> None:
    favicon(site)
    urls = {name: serve_photograph(site, f"/{name}.jpg", name) for name in ("coffee", "rocket")}
    browser.open(serve_page(site, "".join(img(url, name) for name, url in urls.items())))

    def labels() -> dict[str, str]:
        return {label: state for label, state in browser.run(LABELS) if state != "checking"}

    until(lambda: len(labels()) == len(urls), "every badge has a verdict")
    answer = requests.post(f"{stack.url}/v1/lookups", json={"urls": [*urls.values()]}, timeout=30)
    for name, item in zip(urls, answer.json()["items"], strict=True):
        (state,) = (state for label, state in labels().items() if label.endswith(f"“{name}”"))
        assert state == item["verdict"]["label"]
