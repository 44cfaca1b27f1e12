"""The console in a real browser: with JavaScript and without, by mouse and by keyboard alone."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect
from pytest_httpserver import HTTPServer
from redis import Redis
from werkzeug import Request, Response

from backend.api_keys import KeyStore
from backend.supervisor import Supervisor
from tests.conftest import hits, settings_at
from tests.e2e.axe import axe_violations
from tests.e2e.browser import bare_chromium
from tests.e2e.pages import serve_image, serve_photograph
from tests.machines.roles import api
from tests.pictures import drawing, encoded, photograph

TITLES = re.compile("^(Likely AI|Uncertain|No sign of AI)")
PHONE = {"width": 390, "height": 844}
ATTACK = 'https://example.com/"><img src=x onerror=alert(1)>'
TRANSFER = """files => {
    const transfer = new DataTransfer();
    for (const [name, type, content] of files) {
        const bytes = Uint8Array.from(atob(content), each => each.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
    }
    return transfer;
}"""
PASTE = """transfer => document.body.dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }))"""


class Console:
    """The console in a browser, and what the browser did.

    Attributes:
        url: its address.
        asked: the addresses that the browser asked for.
        allowed: those of other servers that it may ask for.
        faults: what the page's policy forbade, and errors of its scripts.
    """

    def __init__(self, browser: Browser, url: str) -> None:
        self.url = url
        self.asked: list[str] = []
        self.allowed: set[str] = set()
        self.faults: list[str] = []
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    def open(self, path: str = "/", **options: object) -> Page:
        """Open a page in a fresh browser, with options of playwright's `new_context`."""
        context = self._browser.new_context(**options)  # type: ignore[arg-type]
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        page.on("console", lambda message: self._hear(message.text))
        page.goto(self.url + path)
        return page

    def others(self) -> set[str]:
        """Return the addresses of other servers that the browser asked for."""
        return {url for url in self.asked if not url.startswith((f"{self.url}/", "blob:"))}

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _hear(self, text: str) -> None:
        if "Failed to load resource" not in text:  # also written for statuses that are expected
            self.faults.append(text)


@pytest.fixture(scope="module")
def chrome(playwright: Playwright) -> Iterator[Browser]:
    with bare_chromium(playwright) as browser:
        yield browser


@pytest.fixture
def console(chrome: Browser, stack: Supervisor) -> Iterator[Console]:
    console = Console(chrome, stack.url)
    yield console
    console.close()
    assert console.faults == []
    assert console.others() <= console.allowed


def check_url(page: Page, url: str) -> None:
    page.get_by_label("Address of an image").fill(url)
    page.get_by_role("button", name="Check image").click()


def check_list(page: Page, urls: Sequence[str]) -> None:
    page.get_by_label("Addresses of images").fill("\n".join(urls))
    page.get_by_role("button", name="Check list").click()


def drawings(site: HTTPServer, seeds: Sequence[int]) -> list[str]:
    return [serve_image(site, f"/{n}.png", encoded(drawing(n), "PNG")) for n in seeds]


def heading(page: Page) -> str:
    """Return the title of the newest result, once it is there."""
    title = page.get_by_role("article").first.get_by_role("heading", level=2)
    expect(title).to_have_text(TITLES)
    return title.inner_text()


# One image


def test_an_address_is_checked_without_javascript(console: Console, site: HTTPServer) -> None:
    url = serve_photograph(site, "/chelsea.jpg")
    page = console.open(java_script_enabled=False)
    check_url(page, url)
    verdict = requests.post(
        f"{console.url}/v1/checks", json={"urls": [url], "wait": 20}, timeout=30
    ).json()["items"][0]["verdict"]
    result = page.get_by_role("article")
    expect(result).to_contain_text(
        f"Probability that the image is AI-made: {verdict['probability']:.0%}"
    )
    expect(result).to_contain_text(url)
    expect(result).to_contain_text(verdict["image"]["sha256"])
    assert TITLES.match(heading(page))


def test_both_ways_show_the_same_and_the_result_is_there_after_a_reload(
    console: Console, site: HTTPServer
) -> None:
    url = serve_photograph(site, "/astronaut.jpg", "astronaut")
    page = console.open(timezone_id="UTC")
    check_url(page, url)
    heading(page)
    by_script = page.get_by_role("article").inner_text().split()
    page.reload()
    heading(page)
    assert page.get_by_role("article").inner_text().split() == by_script
    check_id = page.url.rpartition("=")[2]
    plain = console.open(f"/check/{check_id}", java_script_enabled=False)
    by_server = plain.get_by_role("article").inner_text().replace(" UTC", "").split()
    assert by_server == by_script


def test_files_are_dropped_pasted_and_chosen_and_shown_with_their_verdicts(
    console: Console, tmp_path: Path
) -> None:
    page = console.open()

    def transfer(name: str, data: bytes) -> object:
        return page.evaluate_handle(
            TRANSFER, [[name, "image/jpeg", base64.b64encode(data).decode()]]
        )

    dropped = transfer("dropped.jpg", encoded(photograph("coffee")))
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    page.evaluate(PASTE, transfer("pasted.jpg", encoded(photograph("rocket"))))
    names = ["chosen.png", "broken.jpg", "unseen.tiff", "no-image.txt"]
    for name, data in zip(
        names,
        (encoded(drawing(3), "PNG"), b"\xff\xd8\xff\xe0 no", encoded(drawing(4), "TIFF"), b"no"),
        strict=True,
    ):
        (tmp_path / name).write_bytes(data)
    page.get_by_label("Image files").set_input_files([tmp_path / name for name in names])
    expect(page.locator("article[aria-busy=false]")).to_have_count(6)

    for name in ("dropped.jpg", "pasted.jpg", "chosen.png"):
        result = page.get_by_role("article").filter(has_text=name)
        expect(result.get_by_role("heading", level=2)).to_have_text(TITLES)
        shown = result.get_by_role("img", name=name)
        assert shown.evaluate("image => image.complete && image.naturalWidth > 0")
        assert shown.get_attribute("src").startswith("blob:")  # type: ignore[union-attr]
    broken = page.get_by_role("article").filter(has_text="broken.jpg")
    expect(broken).to_contain_text("Unavailable")
    expect(broken).to_contain_text("damaged")
    expect(page.get_by_role("article").filter(has_text="no-image.txt")).not_to_contain_text(
        "choose the file"
    )
    unseen = page.get_by_role("article").filter(has_text="unseen.tiff")
    expect(unseen.get_by_role("heading", level=2)).to_have_text(TITLES)
    expect(unseen.get_by_role("img", name="unseen.tiff")).to_have_count(0)


def test_where_an_image_looks_ai_made_is_shown_on_demand(
    console: Console, site: HTTPServer, tmp_path: Path
) -> None:
    page = console.open()
    check_url(page, serve_photograph(site, "/coffee.jpg", "coffee"))
    heading(page)
    show_explanation(page)
    (tmp_path / "file.png").write_bytes(encoded(drawing(17), "PNG"))
    page.get_by_label("Image files").set_input_files(tmp_path / "file.png")
    heading(page)
    show_explanation(page)
    report = saved_report(page, tmp_path)
    assert "file.png" in report
    assert report.count('<img src="data:image/') == 2, "a copy and the map"
    page.get_by_role("button", name="Hide where it looks AI-made").first.click()
    expect(page.get_by_alt_text("The image in grey under a map")).to_have_count(2)
    expect(page.get_by_alt_text("The image in grey under a map").first).to_be_hidden()


def saved_report(page: Page, folder: Path) -> str:
    """Save the report of the newest result, or of the list."""
    saves = page.get_by_role("button", name="Save report")
    with page.expect_download() as saving:
        (saves if saves.count() else page.get_by_role("link", name="Save report")).first.click()
    saving.value.save_as(folder / "report.html")
    return (folder / "report.html").read_text()


def show_explanation(page: Page) -> None:
    newest = page.get_by_role("article").first
    newest.get_by_role("button", name="Where it looks AI-made", exact=True).click()
    picture = newest.get_by_alt_text("The image in grey under a map")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") >= 400
    expect(newest).to_contain_text("In our test")


def test_one_model_s_score_is_shown_on_demand(console: Console, site: HTTPServer) -> None:
    url = serve_photograph(site, "/chelsea.webp")
    page = console.open()
    check_url(page, url)
    title = heading(page)
    scores = requests.post(f"{console.url}/v1/lookups", json={"urls": [url]}, timeout=30)
    members = scores.json()["items"][0]["verdict"]["members"]
    result = page.get_by_role("article")
    for name, score in members.items():
        page.get_by_label("Result of").select_option(name)
        if len(members) > 1:
            expect(result.locator(".lead")).to_have_text(re.compile(f"{score:.0%}$"))
            expect(result).to_contain_text("Only all models together give a verdict.")
    page.get_by_label("Result of").select_option("")
    assert heading(page) == title


def test_an_image_of_another_server_is_shown_only_on_demand(
    console: Console, site: HTTPServer
) -> None:
    url = serve_photograph(site, "/coffee.jpg", "coffee")
    console.allowed = {url}
    for scripts in (True, False):
        page = console.open(java_script_enabled=scripts)
        check_url(page, url)
        heading(page)
        assert console.others() == set()
        page.get_by_role("link", name="Show the image").click()
        shown = page.get_by_role("article").get_by_role("img", name="The image")
        expect(shown).to_be_visible()
        assert console.others() == {url}
        console.asked.clear()


def test_a_server_that_is_down_is_named_and_asked_again_on_demand(
    console: Console, site: HTTPServer
) -> None:
    url = serve_photograph(site, "/rocket.jpg", "rocket")
    page = console.open()
    page.context.set_offline(True)
    check_url(page, url)
    expect(page.get_by_role("article")).to_contain_text("The server does not answer.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    heading(page)
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_an_address_needs_no_scheme(console: Console) -> None:
    page = console.open()
    for typed, asked in (("10.1.2.3/a.jpg", "https://10.1.2.3/a.jpg"), ("ftp://a.org/b", "ftp:")):
        check_url(page, typed)
        expect(page.get_by_role("article").first).to_contain_text(asked)
    check_url(page, " ")
    expect(page.get_by_role("article")).to_have_count(2)


# A list


def test_a_list_is_followed_live_sorted_filtered_downloaded_and_found_again(
    console: Console, site: HTTPServer, tmp_path: Path
) -> None:
    release = threading.Event()
    file = encoded(drawing(77), "PNG")

    def slowly() -> Iterator[bytes]:
        """Send a byte now and then, because a site that sends none for 5 seconds is given up."""
        sent = 0
        while not release.wait(0.5):
            yield file[sent : sent + 1]
            sent += 1
        yield file[sent:]

    def held(_: Request) -> Response:
        return Response(slowly(), content_type="image/png")

    site.expect_request("/held.png").respond_with_handler(held)
    urls = [
        *drawings(site, range(20, 23)),
        serve_photograph(site, "/chelsea.png"),
        "ftp://example.com/x",
        site.url_for("/held.png"),
    ]
    page = console.open("/bulk")
    check_list(page, urls)
    expect(page.get_by_text("5 of 6 images")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(5)
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.get_by_role("link", name="Save report")).to_be_hidden()
    release.set()
    expect(page.get_by_role("status").filter(has_text="Finished.")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(6)
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    assert all(url in saved_report(page, tmp_path) for url in urls)

    numbers = page.locator("tbody td:first-child")
    expect(numbers).to_have_text(["1", "2", "3", "4", "5", "6"])
    by_probability = page.get_by_role("button", name="Probability")
    by_probability.click()
    expect(numbers.first).to_have_text("5")  # the one without
    by_probability.click()
    expect(numbers.first).to_have_text("4")  # the photograph
    expect(page.get_by_role("columnheader", name="Probability")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_label("Show", exact=True).select_option("Unavailable")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("Only http and https URLs can be checked.")
    expect(page.locator("tbody").get_by_role("link")).to_have_count(0)

    for name, lines in (("Download CSV", 7), ("Download JSON Lines", 6)):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        download.value.save_as(tmp_path / "results")
        assert len((tmp_path / "results").read_text().splitlines()) == lines

    page.reload()
    expect(page.locator("tbody tr")).to_have_count(6)
    again = console.open(page.url.removeprefix(console.url))
    expect(again.get_by_text("6 of 6 images")).to_be_visible()
    expect(again.locator("tbody tr")).to_have_count(6)
    again.get_by_role("link", name="New list").click()
    again.locator("#recent").get_by_role("link").first.click()
    expect(again.locator("tbody tr")).to_have_count(6)


def test_a_list_is_cancelled(console: Console, site: HTTPServer) -> None:
    release = threading.Event()

    def held(_: Request) -> Response:
        release.wait(60)
        return Response(b"")

    site.expect_request(re.compile("/held/.*")).respond_with_handler(held)
    page = console.open("/bulk")
    check_list(page, [site.url_for(f"/held/{n}") for n in range(200)])
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile(r"^Cancelled: \d+$"))).to_be_visible()
    release.set()
    expect(page.get_by_role("status").filter(has_text="Cancelled.")).to_be_visible()
    expect(page.locator("#labels")).not_to_contain_text("-")  # a negative number


def test_a_site_map_is_followed_and_its_images_shown_with_page_and_place(
    console: Console, site: HTTPServer
) -> None:
    release = threading.Event()

    def held(_: Request) -> Response:
        release.wait(4)  # a site that sends nothing for 5 seconds is given up
        return Response("<p>Only text.", content_type="text/html")

    site.expect_request("/robots.txt").respond_with_data("")
    (image,) = drawings(site, [60])
    html = f'<img src="{image}"><meta property="og:image" content="{image}">'
    site.expect_request("/1").respond_with_data(html, content_type="text/html")
    site.expect_request("/2").respond_with_handler(held)
    urls = "".join(f"<url><loc>{site.url_for(path)}</loc></url>" for path in ("/1", "/2"))
    site.expect_request("/sitemap.xml").respond_with_data(f"<urlset>{urls}</urlset>")
    page = console.open("/bulk", viewport=PHONE)
    page.get_by_label("These are pages, site maps or feeds").check()
    check_list(page, [site.url_for("/sitemap.xml")])
    expect(page.get_by_text("2 of 3 pages and site maps read")).to_be_visible()
    expect(page.get_by_text(re.compile("of 1 results"))).to_be_visible()
    release.set()
    expect(page.get_by_role("status").filter(has_text="Finished.")).to_be_visible()
    expect(page.get_by_text("2 of 2 results")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="img 1, og:image on")
    expect(row.get_by_role("link")).to_have_text([image, site.url_for("/1")])
    expect(page.get_by_role("row").filter(has_text="names no image")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("link", name="New list").click()
    expect(page.locator("#recent li").first).to_contain_text("2 results of pages · done")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", "nr;Image URL\n1;{0}\n2;{1}\n"),
        ("list.txt", "{0}\n{1}\n"),
        ("list.jsonl", '{{"url": "{0}"}}\n{{"url": "{1}"}}\n'),
        ("list.json", '["{0}", "{1}"]'),
        ("body.json", '{{"urls": ["{0}", "{1}"]}}'),
    ],
)
def test_a_list_of_any_kind_is_dropped(console: Console, name: str, text: str) -> None:
    content = text.format("ftp://example.com/a", "https://10.1.2.3/b.jpg").encode()
    page = console.open("/bulk")
    transfer = page.evaluate_handle(TRANSFER, [[name, "", base64.b64encode(content).decode()]])
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    page.get_by_role("button", name="Check list").click()
    expect(page.get_by_text("2 of 2 images")).to_be_visible()


def test_a_list_that_cannot_be_read_is_refused_with_the_reason(console: Console) -> None:
    page = console.open("/bulk")
    check_list(page, [])
    expect(page.get_by_role("alert").first).to_have_text("Either paste addresses or choose a file.")
    check_list(page, ["src,link", "https://10.1.2.3/a.jpg,https://10.1.2.3/b.jpg"])
    expect(page.get_by_role("alert").first).to_contain_text("link")
    page.get_by_label("Column of the addresses").fill("link")
    page.get_by_role("button", name="Check list").click()
    expect(page.locator("tbody")).to_contain_text("https://10.1.2.3/b.jpg")


def test_a_long_list_is_shown_in_pages(console: Console) -> None:
    page = console.open("/bulk")
    check_list(page, [f"https://10.1.2.3/{n}.jpg" for n in range(250)])
    expect(page.get_by_text("250 of 250 images")).to_be_visible()
    expect(page.get_by_text("1 to 100 of 250")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("201 to 250 of 250")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(50)
    expect(page.get_by_role("button", name="Next")).to_be_disabled()


def test_thumbnails_are_fetched_only_on_demand(console: Console, site: HTTPServer) -> None:
    urls = drawings(site, range(30, 33))
    console.allowed = set(urls)
    page = console.open("/bulk")
    check_list(page, urls)
    expect(page.locator("tbody tr")).to_have_count(3)
    assert console.others() == set()
    before = hits(site, "/30.png")
    page.get_by_role("link", name="Show thumbnails").click()
    expect(page.locator("tbody img")).to_have_count(3)
    for image in page.locator("tbody img").all():
        expect(image).to_have_js_property("complete", value=True)
    assert hits(site, "/30.png") == before + 1
    assert console.others() == set(urls)


def test_what_a_list_contains_is_never_markup_or_a_script(console: Console) -> None:
    page = console.open("/bulk")
    check_list(page, [ATTACK, "javascript:alert(1)", "https://10.1.2.3/a.jpg"])
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.locator("tbody")).to_contain_text(ATTACK)
    expect(page.locator("tbody img")).to_have_count(0)
    expect(page.locator("tbody a[href^=javascript]")).to_have_count(0)


# The status


def test_the_status_shows_the_live_figures(console: Console) -> None:
    page = console.open("/status")
    expect(page.get_by_role("status").filter(has_text="Ready")).to_be_visible()
    expect(page.locator("#interactive")).to_have_text(re.compile(r"^\d+$"))
    expect(page.locator("#bulk")).to_have_text(re.compile(r"^\d+$"))
    expect(page.locator("#hits")).to_have_text(re.compile(r"^(–|\d+% of [\d,]+)$"))


# Keys


def test_a_key_is_asked_for_sent_and_forgotten_with_the_tab(
    chrome: Browser, valkey_url: str, redis: Redis, tmp_path: Path
) -> None:
    _, secret = KeyStore(redis).create("newsroom")
    settings = settings_at(tmp_path, redis_url=valkey_url, require_key=True)
    with api(settings, tmp_path) as url:
        console = Console(chrome, url)
        assert axe_violations(console.open(bypass_csp=True)) == []
        page = console.open()
        state = page.locator("#key-state")
        check_url(page, "https://10.1.2.3/a.jpg")
        expect(page.get_by_role("article")).to_contain_text("Enter an API key first.")
        for key, answer in (
            ("assay_0", "This API key is not valid."),
            (secret, "not on the public web"),
        ):
            page.get_by_label("API key").fill(key)
            page.get_by_role("button", name="Use key").click()
            expect(state).to_have_text("A key is in use.")
            check_url(page, "https://10.1.2.3/a.jpg")
            expect(page.get_by_role("article").first).to_contain_text(answer)

        page.goto(f"{url}/bulk")
        check_list(page, ["https://10.1.2.3/a.jpg"])
        scan = page.url
        for name in ("Download CSV", "Download JSON Lines"):
            with page.expect_download() as download:
                page.get_by_role("link", name=name).click()
            assert "10.1.2.3" in Path(download.value.path()).read_text()
            assert download.value.suggested_filename.startswith("scan-")
        page.goto(f"{url}/status")
        expect(page.locator("#interactive")).to_have_text(re.compile(r"^\d+$"))

        stored = page.evaluate("[JSON.stringify({...localStorage}), document.cookie]")
        assert stored == ["{}", ""]
        other_tab = page.context.new_page()
        other_tab.goto(scan)
        expect(other_tab.locator("#key-state")).to_have_text("")
        page.get_by_role("button", name="Forget key").click()
        expect(page.locator("#problem")).to_have_text("Enter an API key first.")
        console.close()
        assert console.faults == []


# For everyone


def test_the_keyboard_alone_checks_an_image_a_file_and_a_list(
    console: Console, site: HTTPServer, tmp_path: Path
) -> None:
    page = console.open()
    # A listener makes Chromium report choosers. Added just before the key, it may be too late.
    page.on("filechooser", lambda _: None)
    keys = page.keyboard

    def tab_to(name: str) -> None:
        for _ in range(30):
            keys.press("Tab")
            focused = page.locator(":focus")
            label = focused.evaluate(
                "e => e.labels?.[0]?.textContent ?? e.textContent", timeout=5_000
            )
            if label.strip() == name:
                outline = focused.evaluate("e => getComputedStyle(e).outlineStyle")
                assert outline == "solid", f"the focus on {name} is not seen"
                return
        raise AssertionError(f"no {name} by the Tab key")

    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    tab_to("Address of an image")
    keys.type(serve_photograph(site, "/chelsea.bmp"))
    keys.press("Enter")
    heading(page)

    (tmp_path / "mine.jpg").write_bytes(encoded(photograph("coffee")))
    tab_to("Image files")
    with page.expect_file_chooser() as chooser:
        keys.press("Space")
    chooser.value.set_files(tmp_path / "mine.jpg")
    expect(page.get_by_role("article").filter(has_text="mine.jpg")).to_contain_text("SHA-256")
    tab_to("Result of")

    page.goto(f"{console.url}/bulk")
    tab_to("Addresses of images")
    keys.type("https://10.1.2.3/a.jpg\nhttps://10.1.2.3/b.jpg")
    tab_to("Check list")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Results of a list")).to_be_focused()
    expect(page.locator("tbody tr")).to_have_count(2)
    tab_to("No.")
    keys.press("Enter")
    expect(page.locator("tbody td").first).to_have_text("2")
    expect(page.get_by_role("button", name="No.")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, PHONE])
def test_axe_finds_nothing_wrong_and_nothing_is_wider_than_the_screen(
    console: Console, site: HTTPServer, tmp_path: Path, scheme: str, viewport: dict[str, int]
) -> None:
    def inspect() -> None:
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width == viewport["width"], page.url
        assert axe_violations(page) == [], page.url

    # The policy of the pages would stop axe, which writes HTML.
    page = console.open(viewport=viewport, color_scheme=scheme, bypass_csp=True)
    page.emulate_media(reduced_motion="reduce")
    inspect()
    long_name = "a-name-without-a-break" * 8 + ".jpg"
    url = serve_photograph(site, f"/{long_name}")
    check_url(page, url)
    heading(page)
    (tmp_path / long_name).write_bytes(b"no image")
    page.get_by_label("Image files").set_input_files(tmp_path / long_name)
    expect(page.locator("article[data-state=unavailable]")).to_be_visible()
    inspect()
    page.goto(f"{console.url}/bulk")
    inspect()
    check_list(page, [url, f"https://10.1.2.3/{long_name}", *drawings(site, range(2))])
    expect(page.locator("tbody tr")).to_have_count(4)
    inspect()
    page.goto(f"{console.url}/status")
    expect(page.locator("#hits")).not_to_be_empty()
    inspect()
    page.goto(f"{console.url}/check/{'0' * 32}")
    inspect()


def test_every_target_is_large_enough(console: Console) -> None:
    """24 pixels each way (WCAG 2.2, 2.5.8); links within a text are exempt."""
    for path in ("/", "/bulk", "/status"):
        page = console.open(path, viewport=PHONE)
        for target in page.locator("button, select, input, textarea, nav a, .button").all():
            box = target.bounding_box()
            if box is not None:
                assert min(box["width"], box["height"]) >= 24, target
