"""The history, private look-ups, commands and menu entries of the extension in a real Chromium.

A headless browser has no side panel, no native menus and no browser-wide shortcuts. So the panel is
opened in a tab, and menu entries and commands are chosen by dispatching the browser's own event.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from backend.client import url_hash
from backend.supervisor import Supervisor
from tests.backend.fake_api import done
from tests.conftest import QuickHTTPServer
from tests.e2e.axe import axe_violations
from tests.e2e.browser import EXTENSION_ID, service_worker
from tests.e2e.extension import change_settings
from tests.e2e.pages import img, serve_page, serve_photograph

PANEL = f"chrome-extension://{EXTENSION_ID}/sidepanel.html"
JUDGED = ".badge.placed:is([data-state=ai], [data-state=uncertain], [data-state=real])"
UNKNOWN = ".badge.placed.dot[data-state=unknown]"
VERDICT = re.compile("Likely AI · |Uncertain|No sign of AI")


@pytest.fixture(autouse=True)
def _forget(context: BrowserContext) -> Iterator[None]:
    """Each test begins without settings and known verdicts of the one before."""
    yield
    worker = service_worker(context)
    worker.evaluate("chrome.storage.local.remove(['history', 'privateLookups', 'sitesOff'])")
    worker.evaluate("chrome.storage.session.clear()")


@pytest.fixture
def panel(context: BrowserContext) -> Iterator[Page]:
    """The history, which is empty at first."""
    panel = context.new_page()
    panel.set_default_timeout(60_000)
    panel.set_viewport_size({"width": 360, "height": 720})
    panel.goto(PANEL)
    expect(panel.locator("#count")).not_to_be_empty()
    if panel.get_by_role("listitem").count() > 0:
        clear(panel)
    yield panel
    panel.close()


def clear(panel: Page) -> None:
    """Clear the history, which is not empty."""
    panel.get_by_role("button", name="Clear").click()
    panel.get_by_role("dialog").get_by_role("button", name="Clear").click()
    expect(panel.get_by_role("listitem")).to_have_count(0)


def show(page: Page, site: HTTPServer, *names: str) -> None:
    """Open a page with these photographs."""
    body = "".join(img(serve_photograph(site, f"/{name}.jpg", name), name) for name in names)
    page.bring_to_front()
    page.goto(serve_page(site, body))


def dispatch(context: BrowserContext, event: str, argument: object) -> None:
    """Have the browser tell the extension that the user chose something in the page's tab."""
    service_worker(context).evaluate(
        """async ([event, argument]) => {
            const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
            const [api, name] = event.split(".");
            chrome[api][name].dispatch(argument, tab);
        }""",
        [event, argument],
    )


def choose(context: BrowserContext, entry: str, **info: str) -> None:
    """Choose an entry of the context menu."""
    dispatch(context, "contextMenus.onClicked", {"menuItemId": entry, "frameId": 0, **info})


# The history


def test_the_history_is_filled_searched_exported_and_cleared(
    panel: Page, page: Page, site: HTTPServer, tmp_path: Path
) -> None:
    show(page, site, "chelsea", "coffee")
    expect(page.locator(JUDGED)).to_have_count(2)
    panel.bring_to_front()
    entries = panel.get_by_role("listitem")
    expect(entries).to_have_count(2)
    expect(entries.first).to_contain_text(VERDICT)
    expect(entries.first).to_contain_text(f"127.0.0.1:{site.port}/page")

    panel.get_by_label("Search the history").fill("coff")
    expect(entries).to_have_count(1)
    expect(panel.get_by_text("1 of 2 images")).to_be_visible()
    with panel.expect_download() as download:
        panel.get_by_role("button", name="Export CSV").click()
    download.value.save_as(tmp_path / "history.csv")
    with (tmp_path / "history.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["image"] == site.url_for("/coffee.jpg")
    assert row["page"] == site.url_for("/page")
    assert 0 < float(row["probability"]) < 1

    panel.get_by_label("Search the history").fill("")
    panel.get_by_role("button", name="Clear").click()
    panel.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(entries).to_have_count(2)
    clear(panel)
    expect(panel.get_by_text("No checks yet.")).to_be_visible()
    panel.reload()
    expect(panel.get_by_text("No checks yet.")).to_be_visible()


def test_a_picture_is_kept_only_if_the_page_may_read_it_and_costs_no_request(
    panel: Page, page: Page, site: HTTPServer
) -> None:
    own = serve_photograph(site, "/own.jpg")
    foreign = serve_photograph(site, "/foreign.jpg", "coffee").replace("127.0.0.1", "localhost")
    page.goto(serve_page(site, img(own, "own") + img(foreign, "foreign")))
    expect(page.locator(JUDGED)).to_have_count(2)
    requests = len(site.log)
    panel.bring_to_front()
    expect(panel.get_by_role("listitem")).to_have_count(2)
    with_picture = panel.get_by_role("listitem").filter(has=panel.locator(".picture img"))
    expect(with_picture).to_have_count(1)
    expect(with_picture).to_contain_text("own.jpg")
    size = with_picture.locator("img").evaluate("image => [image.naturalWidth, image.src]")
    assert size[0] == 96
    assert size[1].startswith("data:image/webp;")
    assert len(site.log) == requests


def test_an_image_without_an_address_is_known_by_its_hash_and_has_a_picture(
    panel: Page, page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    src = serve_photograph(site, "/source.jpg", "rocket")
    page.bring_to_front()
    page.goto(serve_page(site, "<img alt=blob width=300>"))
    page.evaluate(
        """async src => {
            const image = document.images[0];
            image.src = URL.createObjectURL(await (await fetch(src)).blob());
            await image.decode();
        }""",
        src,
    )
    page.get_by_alt_text("blob").click(button="right")
    choose(context, "check-image", srcUrl=page.evaluate("document.images[0].src"))
    expect(page.get_by_role("dialog")).to_contain_text("Probability")
    panel.bring_to_front()
    entry = panel.get_by_role("listitem")
    expect(entry).to_contain_text("sha256:")
    expect(entry.locator(".picture img")).to_have_count(1)


def test_a_history_that_is_turned_off_keeps_nothing(
    panel: Page, page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    change_settings(context, history=False)
    expect(panel.get_by_text("The history is turned off")).to_be_visible()
    show(page, site, "chelsea")
    expect(page.locator(JUDGED)).to_have_count(1)
    change_settings(context, history=True)
    page.reload()  # Now the same image is kept, and nothing was before.
    panel.bring_to_front()
    expect(panel.get_by_role("listitem")).to_have_count(1)
    expect(panel.get_by_text("The history is turned off")).to_have_count(0)


def test_the_panel_has_no_faults_that_axe_finds(panel: Page, page: Page, site: HTTPServer) -> None:
    faults = axe_violations(panel)
    show(page, site, "chelsea", "coffee")
    panel.bring_to_front()
    expect(panel.get_by_role("listitem")).to_have_count(2)
    for scheme in ("light", "dark"):
        panel.emulate_media(color_scheme=scheme)
        faults += axe_violations(panel)
    panel.get_by_role("button", name="Clear").click()
    faults += axe_violations(panel)
    panel.get_by_role("button", name="Cancel").click()
    assert faults == []


# Private look-ups


class Api:
    """A server that knows one image.

    Attributes:
        log: the path and the body of each request.
    """

    def __init__(self, server: HTTPServer, known: str) -> None:
        self.url = server.url_for("").rstrip("/")
        self.log: list[tuple[str, str]] = []
        item = done(known, expires_at=datetime.now(UTC) + timedelta(days=1))
        self._verdict = item.model_dump(mode="json", exclude_none=True)["verdict"]
        self._hash = url_hash(known)
        server.expect_request(re.compile("/v1/lookups/.*")).respond_with_handler(self._look_up)
        server.expect_request("/v1/checks").respond_with_handler(self._check)

    def paths(self) -> set[str]:
        return {path for path, _ in self.log}

    def _look_up(self, request: Request) -> Response:
        self._hear(request)
        prefix = request.path.rpartition("/")[2]
        known = [{"hash": self._hash, **self._verdict}] if self._hash.startswith(prefix) else []
        keys = "hash", "label", "probability", "model_version", "checked_at", "expires_at"
        verdicts = [{key: verdict[key] for key in keys} for verdict in known]
        return _json({"prefix": prefix, "verdicts": verdicts})

    def _check(self, request: Request) -> Response:
        self._hear(request)
        items = [
            done(url).model_dump(mode="json", exclude_none=True)
            for url in request.get_json()["urls"]
        ]
        return _json({"id": "c", "status": "done", "items": items})

    def _hear(self, request: Request) -> None:
        self.log.append((request.path, request.get_data(as_text=True)))


def _json(body: object) -> Response:
    return Response(json.dumps(body), content_type="application/json")


def test_private_look_ups_send_only_prefixes_until_a_check_is_asked_for(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    addresses = [site.url_for(f"/{name}.jpg") for name in ("chelsea", "coffee", "rocket")]
    with QuickHTTPServer(host="127.0.0.1", threaded=True) as server:
        api = Api(server, known=addresses[0])
        change_settings(context, server=api.url, privateLookups=True)
        show(page, site, "chelsea", "coffee", "rocket")
        expect(page.locator(UNKNOWN)).to_have_count(2)
        expect(page.locator(JUDGED)).to_have_count(1)
        prefixes = {f"/v1/lookups/{url_hash(address)[:5]}" for address in addresses}
        assert api.paths() == prefixes
        assert not any(body for _, body in api.log)

        page.locator(UNKNOWN).first.click()
        card = page.get_by_role("dialog")
        expect(card).to_contain_text("the address of this image was not sent")
        card.get_by_role("button", name="Check image").click()
        expect(card).to_contain_text("Probability that the image is AI-made")
        page.keyboard.press("Escape")
        expect(page.locator(JUDGED)).to_have_count(2)
        assert api.paths() - prefixes == {"/v1/checks"}
        (body,) = [body for path, body in api.log if path == "/v1/checks"]
        assert addresses[1] in body
        assert addresses[2] not in body

        dispatch(context, "commands.onCommand", "check-page")
        expect(page.locator(JUDGED)).to_have_count(3)
        assert addresses[2] in api.log[-1][1]


def test_a_verdict_that_the_server_knows_is_found_by_a_real_look_up(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    show(page, site, "chelsea")
    expect(page.locator(JUDGED)).to_have_count(1)
    shown = page.locator(JUDGED).inner_text()
    service_worker(context).evaluate("chrome.storage.session.clear()")
    change_settings(context, privateLookups=True)
    page.reload()
    expect(page.locator(JUDGED)).to_have_text(shown, use_inner_text=True)
    page.locator(JUDGED).click()
    expect(page.get_by_role("dialog")).to_contain_text("Only the start of a hash")


# Commands and menu entries


def test_a_command_checks_the_image_under_the_pointer(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    src = serve_photograph(site, "/pointed.jpg")
    veil = "<a href='#' style='position:absolute;inset:0;z-index:1'></a>"
    body = f"<div style='position:relative;width:80px'>{img(src, 'small', width=80)}{veil}</div>"
    page.bring_to_front()
    page.goto(serve_page(site, body))
    page.mouse.move(600, 500)
    dispatch(context, "commands.onCommand", "check-image")
    expect(page.get_by_role("dialog")).to_contain_text("Point at an image")
    page.keyboard.press("Escape")
    page.mouse.move(40, 30)
    dispatch(context, "commands.onCommand", "check-image")
    expect(page.get_by_role("dialog")).to_contain_text("451 × 300 pixels, JPEG")


def test_a_command_checks_a_background_in_a_shadow_root_in_its_largest_version(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    small, large = (
        serve_photograph(site, "/small.jpg"),
        serve_photograph(site, "/large.jpg", "rocket"),
    )
    page.bring_to_front()
    page.goto(serve_page(site, "<div id=host></div>"))
    page.evaluate(
        """([small, large]) => {
            document.querySelector("#host").attachShadow({ mode: "open" }).innerHTML = `
                <div style="width: 300px; height: 200px; background: center / cover
                    image-set(url('${small}') 1x, url('${large}') 2x)"></div>`;
        }""",
        [small, large],
    )
    page.mouse.move(60, 60)
    dispatch(context, "commands.onCommand", "check-image")
    expect(page.get_by_role("dialog")).to_contain_text("640 × 427 pixels, JPEG")


def test_a_command_checks_the_image_of_the_badge_in_focus_also_in_a_frame(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    src = serve_photograph(site, "/framed.jpg")
    inner = f"<body>{img(src, 'framed')}</body>"
    site.expect_request("/inner").respond_with_data(inner, content_type="text/html")
    page.bring_to_front()
    page.goto(serve_page(site, "<iframe src=/inner width=500 height=500></iframe>"))
    frame = page.frame_locator("iframe")
    expect(frame.locator(JUDGED)).to_have_count(1)
    frame.locator(JUDGED).focus()
    dispatch(context, "commands.onCommand", "check-image")
    expect(frame.get_by_role("dialog")).to_contain_text("451 × 300 pixels, JPEG")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_all_images_are_checked_on_request_where_badges_are_off(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    change_settings(context, sitesOff=["127.0.0.1"])
    show(page, site, "chelsea", "coffee")
    expect(page.locator(".badge")).to_have_count(0)
    choose(context, "check-page")
    expect(page.locator(JUDGED)).to_have_count(2)


def test_the_image_that_a_link_points_to_is_checked(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    large = serve_photograph(site, "/large.jpg", "rocket")
    page.bring_to_front()
    page.goto(serve_page(site, f"<a href='{large}'>large</a>"))
    page.get_by_role("link").click(button="right")
    choose(context, "check-link", linkUrl=large)
    expect(page.get_by_role("dialog")).to_contain_text("640 × 427 pixels, JPEG")


def test_an_image_opens_in_the_servers_page(
    page: Page, context: BrowserContext, site: HTTPServer, stack: Supervisor
) -> None:
    show(page, site, "chelsea")
    address = site.url_for("/chelsea.jpg")
    with context.expect_page() as opened:
        choose(context, "open-console", srcUrl=address)
    with opened.value as console:
        expect(console.get_by_label("Address of an image")).to_have_value(address)
        assert console.url.startswith(stack.url)
        assert parse_qs(urlsplit(console.url).query) == {"url": [address]}


def test_the_options_lead_to_the_history_and_to_the_privacy_policy(
    page: Page, context: BrowserContext
) -> None:
    page.goto(f"chrome-extension://{EXTENSION_ID}/options.html")
    page.get_by_label("Private look-ups").check()
    page.get_by_label("Keep a history").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    saved = service_worker(context).evaluate("chrome.storage.local.get()")
    assert (saved["privateLookups"], saved["history"]) == (True, False)
    for name, text in (
        ("Show the history", "Assay history"),
        ("What Assay sends and keeps", "no analytics"),
    ):
        with context.expect_page() as opened:
            page.get_by_role("link", name=name).click()
        with opened.value as other:
            expect(other.locator("body")).to_contain_text(text)
