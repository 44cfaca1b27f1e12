"""Which images of a page the extension finds, and which it leaves alone, in a real Chromium."""

from __future__ import annotations

import base64
from threading import Event

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.conftest import until
from tests.e2e.extension import (
    JUDGED,
    badge,
    card,
    change_settings,
    check_image,
    worker_requests,
)
from tests.e2e.pages import img, serve_image, serve_page, serve_photograph
from tests.pictures import drawing, encoded

VECTOR = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"><path d="M0 0h9v9"/></svg>'
)
CLEAR = encoded(Image.new("RGBA", (300, 200), (255, 255, 255, 0)), "PNG")
BOX = "width:200px;height:150px;background-size:cover;"


def serve_drawing(
    site: HTTPServer, path: str, seed: int = 0, size: tuple[int, int] = (320, 240)
) -> str:
    """Serve a drawing as PNG, and return the address."""
    return serve_image(site, path, encoded(drawing(seed, size), "PNG"))


def data_url(seed: int) -> str:
    """Return a drawing as an address that carries its bytes."""
    return f"data:image/png;base64,{base64.b64encode(encoded(drawing(seed), 'PNG')).decode()}"


# Where images are


@pytest.mark.parametrize(
    "markup",
    [
        "<input type=image src={src} alt=it width=200>",
        "<video poster={src} aria-label=it width=200 height=150></video>",
        "<svg width=200 height=150><image href={src} aria-label=it width=200 height=150 /></svg>",
        "<div aria-label=it style='" + BOX + "background-image:linear-gradient(#0003,#0003),"
        "url({src})'></div>",
        "<style>p{{position:relative;" + BOX + "}} p::after{{content:'';position:absolute;inset:0;"
        "background:url({src}) 50%/cover}}</style><p aria-label=it>",
        "<div style='" + BOX + 'background-image:image-set("/small.png" 1x, "{src}" 2x)\''
        " aria-label=it></div>",
    ],
    ids=["input", "poster", "svg image", "background", "pseudo-element", "image-set"],
)
def test_an_image_of_another_kind_than_img_gets_a_badge(
    page: Page, site: HTTPServer, markup: str
) -> None:
    src = serve_photograph(site, "/kind.jpg", "coffee")
    serve_drawing(site, "/small.png")
    page.goto(serve_page(site, markup.format(src=src)))
    badge(page, "it", JUDGED).click()
    expect(card(page)).to_contain_text("600 × 400 pixels, JPEG")
    assert worker_requests(site, "/kind.jpg") == 1


@pytest.mark.parametrize("mode", ["open", "closed"])
@pytest.mark.parametrize("when", ["at once", "later", "when its name is defined"])
def test_images_in_a_shadow_root_get_badges(
    page: Page, site: HTTPServer, mode: str, when: str
) -> None:
    inside = img(serve_drawing(site, "/inside.png", 51), "inside")
    deeper = img(serve_drawing(site, "/deeper.png", 52), "deeper")
    script = """
        const attach = (host, content) => {
            const root = host.attachShadow({ mode: MODE });
            root.innerHTML = content + "<section></section>";
            return root.querySelector("section");
        };
        const fill = (host) => attach(attach(host, INSIDE), DEEPER);
        const late = document.querySelector("late-host");
        if (WHEN === "at once") fill(late);
        addEventListener("load", () => setTimeout(() => {
            if (WHEN === "later") fill(late);
            class Late extends HTMLElement { constructor() { super(); fill(this); } }
            if (WHEN.startsWith("when")) customElements.define("late-host", Late);
        }, 1000));
    """
    for name, value in {"MODE": mode, "WHEN": when, "INSIDE": inside, "DEEPER": deeper}.items():
        script = script.replace(name, repr(value))
    page.goto(serve_page(site, f"<late-host></late-host><script>{script}</script>"))
    for alt in ("inside", "deeper"):
        expect(badge(page, alt, JUDGED)).to_be_visible()
        box = badge(page, alt).bounding_box()
        assert box is not None
        assert box["x"] == 8 + 8, "it is at the corner of its image"


def test_images_in_frames_get_badges_there_and_none_on_a_listed_site(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    names = ("served", "written", "blank")
    inner = serve_page(site, img(serve_drawing(site, "/a.png", 53), "served"), path="/inner")
    written = img(serve_drawing(site, "/b.png", 54), "written").replace('"', "")
    page.goto(
        serve_page(
            site,
            f"<iframe name=served src={inner}></iframe>"
            f"<iframe name=written srcdoc='{written}'></iframe><iframe name=blank></iframe>",
        )
    )
    page.evaluate(
        "markup => { frames.blank.document.body.innerHTML = markup }",
        img(serve_drawing(site, "/c.png", 55), "blank"),
    )
    for name in names:
        frame = page.frame_locator(f"[name={name}]")
        expect(badge(frame, name, JUDGED)).to_be_visible()
    change_settings(context, sitesOff=["127.0.0.1"])
    try:
        for name in names:
            expect(page.frame_locator(f"[name={name}]").locator(".badge")).to_have_count(0)
    finally:
        change_settings(context, sitesOff=[])


def test_images_without_an_address_on_the_web_are_sent(page: Page, site: HTTPServer) -> None:
    src = serve_photograph(site, "/source.jpg", "rocket")
    page.goto(serve_page(site, img(data_url(56), "data") + "<img alt=blob width=300>"))
    page.evaluate(
        """async (src) => {
            const blob = await (await fetch(src)).blob();
            document.querySelector("[alt=blob]").src = URL.createObjectURL(blob);
        }""",
        src,
    )
    for alt, size in (("data", "320 × 240 pixels, PNG"), ("blob", "640 × 427 pixels, JPEG")):
        badge(page, alt, JUDGED).click()
        expect(card(page)).to_contain_text(size)
        page.keyboard.press("Escape")
    assert worker_requests(site, "/source.jpg") == 0


# Where none are


def test_what_is_no_picture_gets_no_badge(page: Page, site: HTTPServer) -> None:
    photo = serve_photograph(site, "/photo.jpg")
    sheet = serve_drawing(site, "/sheet.png", 57, (1000, 1000))
    tile = serve_drawing(site, "/tile.png", 58, (80, 80))
    icon = serve_drawing(site, "/icon.png", 59, (128, 128))
    vector = serve_image(site, "/vector.svg", VECTOR)
    beacon = data_url(60)
    page.goto(
        serve_page(
            site,
            f"""<img src={photo} alt=avatar style="width:64px;height:64px;border-radius:50%">
            <img src={vector} alt=vector width=300>
            <div aria-label=vector style="{BOX}background-image:url({vector})"></div>
            <div aria-label=sheet style="{BOX}background:url({sheet}) -200px -300px"></div>
            <div aria-label=tile style="width:300px;height:300px;background:url({tile})"></div>
            <div aria-label=icon style="{BOX}background:url({icon}) no-repeat 8px/24px"></div>
            <div aria-label=hidden style="{BOX}background:url({beacon});display:none"></div>
            <div aria-label=picture style="{BOX}background-image:url({photo})"></div>""",
        )
    )
    expect(badge(page, "picture", JUDGED)).to_be_visible()
    expect(page.locator(".badge")).to_have_count(1)
    assert {path for path in ("/sheet.png", "/tile.png") if worker_requests(site, path)} == set()


def test_an_image_over_its_own_background_has_one_badge(page: Page, site: HTTPServer) -> None:
    twin, sharp = serve_drawing(site, "/twin.png", 61), serve_drawing(site, "/sharp.png", 62)
    page.goto(
        serve_page(
            site,
            f"""<div aria-label=background style="{BOX}background-image:url({twin})">
                  <img src={twin} alt=transparent width=200 style="opacity:0"></div>
                <div aria-label=blurred style="{BOX}background-image:url({sharp})">
                  <img src={sharp} alt=sharp width=160 height=120></div>""",
        )
    )
    expect(badge(page, "background", JUDGED)).to_be_visible()
    expect(badge(page, "sharp", JUDGED)).to_be_visible()
    expect(page.locator(".badge.placed")).to_have_count(2)


def test_of_an_image_and_the_background_below_it_the_one_that_is_seen_has_a_badge(
    page: Page, site: HTTPServer
) -> None:
    preview, photo = serve_drawing(site, "/preview.png", 77), serve_photograph(site, "/photo.jpg")
    clear = serve_image(site, "/clear.png", CLEAR)
    size = "style='width:200px;height:150px'"
    page.goto(
        serve_page(
            site,
            f"""<div aria-label=preview style="{BOX}background-image:url({preview})">
                  <img src={photo} alt=photo {size}></div>
                <div aria-label=background style="{BOX}background-image:url({photo}?2)">
                  <img src={clear} alt=clear {size}></div>""",
        )
    )
    expect(page.locator(".badge:not([data-state=checking])")).to_have_count(4)
    expect(badge(page, "photo", JUDGED)).to_be_visible()
    expect(badge(page, "background", JUDGED)).to_be_visible()
    expect(page.locator(".badge.placed")).to_have_count(2)


# Which version of an image


@pytest.mark.parametrize(
    "markup",
    [
        "<img src=/s.png srcset='/s.png 300w, /l.png 1200w' sizes=200px alt=it width=200>",
        "<img src=/s.png srcset='/l.png 4x' alt=it width=200>",
        "<picture><source media='(width > 9000px)' srcset='/other.png 1x, /none.png 9x'>"
        "<source type=image/png srcset='/s.png 300w, /l.png 1200w' sizes=200px>"
        "<img src=/other.png alt=it width=200></picture>",
    ],
    ids=["widths", "densities", "picture"],
)
def test_the_largest_version_is_judged_and_the_card_says_its_size(
    page: Page, context: BrowserContext, site: HTTPServer, markup: str
) -> None:
    serve_drawing(site, "/s.png", 63, (300, 225))
    serve_drawing(site, "/l.png", 63, (1200, 900))
    serve_drawing(site, "/other.png", 64)
    page.goto(serve_page(site, markup))
    badge(page, "it", JUDGED).click()
    expect(card(page)).to_contain_text("1200 × 900 pixels, PNG")
    page.keyboard.press("Escape")
    check_image(context, page, page.get_by_alt_text("it"))
    expect(card(page)).to_contain_text("1200 × 900 pixels, PNG")
    assert worker_requests(site, "/s.png") == 0


# What changes


def test_an_image_that_grows_or_shows_another_file_is_judged_then(
    page: Page, site: HTTPServer
) -> None:
    first, second = serve_drawing(site, "/1.png", 65), serve_drawing(site, "/2.png", 66, (500, 400))
    page.goto(serve_page(site, img(first, "it", width=50) + img(first, "other")))
    expect(badge(page, "other", JUDGED)).to_be_visible()
    expect(page.locator(".badge")).to_have_count(1)
    page.evaluate("document.images[0].width = 300")
    expect(badge(page, "it", JUDGED)).to_be_visible()
    page.evaluate("src => { document.images[0].src = src }", second)
    badge(page, "it", JUDGED).click()
    expect(card(page)).to_contain_text("500 × 400 pixels")


def test_a_background_is_found_when_a_class_or_a_style_sheet_brings_it(
    page: Page, site: HTTPServer
) -> None:
    by_class, by_sheet = serve_drawing(site, "/1.png", 67), serve_drawing(site, "/2.png", 68)
    style = f"<style>div{{{BOX}}} .dark .one{{background-image:url({by_class})}}</style>"
    page.goto(
        serve_page(
            site, "<div class=one aria-label=one></div><div aria-label=two></div>", head=style
        )
    )
    page.evaluate("document.body.className = 'dark'")
    expect(badge(page, "one", JUDGED)).to_be_visible()
    page.add_style_tag(content=f"[aria-label=two]{{background-image:url({by_sheet})}}")
    expect(badge(page, "two", JUDGED)).to_be_visible()
    page.evaluate("document.body.className = ''")
    expect(badge(page, "one")).to_have_count(0)


def test_a_page_that_grows_while_one_scrolls_gets_badges_to_its_end(
    page: Page, site: HTTPServer
) -> None:
    for number in range(4):
        serve_drawing(site, f"/{number}.png", 70 + number)
    script = """
        let number = 0;
        const more = () => {
            if (number < 4) {
                const image = `<img alt=n${number} width=200 src=/${number}.png>`;
                const item = `<p style="height:1500px">${image}</p>`;
                document.querySelector("main").insertAdjacentHTML("beforeend", item);
                number++;
            }
        };
        more();
        addEventListener("scroll", () => {
            if (scrollY + innerHeight > document.documentElement.scrollHeight - 100) more();
        });
    """
    page.goto(serve_page(site, f"<main></main><script>{script}</script>"))
    for number in range(4):
        expect(page.get_by_alt_text(f"n{number}")).to_have_count(1)
        page.get_by_alt_text(f"n{number}").scroll_into_view_if_needed()
        expect(badge(page, f"n{number}", JUDGED)).to_be_visible()
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")


def test_a_page_to_which_one_goes_back_asks_again_for_what_it_was_not_told(
    page: Page, site: HTTPServer
) -> None:
    photo, gone = encoded(drawing(75), "PNG"), Event()

    def slow_to_assay(request: Request) -> Response:
        if "Mozilla" not in str(request.user_agent):
            gone.wait(10)
        return Response(photo, content_type="image/png")

    site.expect_request("/slow.png").respond_with_handler(slow_to_assay)
    page.goto(serve_page(site, img("/slow.png", "slow")))
    page.evaluate("addEventListener('pageshow', (event) => { window.kept = event.persisted })")
    expect(badge(page, "slow", "[data-state=checking]")).to_have_count(1)
    page.goto(serve_page(site, "<p>Another page", path="/other"))
    gone.set()
    page.evaluate("history.back()")
    page.wait_for_function("window.kept")
    expect(badge(page, "slow", JUDGED)).to_be_visible()


def test_nothing_is_kept_of_ten_thousand_images_that_came_and_went(
    page: Page, site: HTTPServer
) -> None:
    src = serve_drawing(site, "/many.png", 76)
    page.goto(serve_page(site, "<main></main>"))
    devtools = page.context.new_cdp_session(page)

    def nodes() -> int:
        for _ in range(2):  # what was freed may free more
            devtools.send("HeapProfiler.collectGarbage")
        count: int = devtools.send("Memory.getDOMCounters")["nodes"]
        return count

    before = nodes()
    for _ in range(10):
        page.evaluate(
            """(src) => {
                const box = "display:block;width:100px;height:100px";
                const one = `<p><img src="${src}" width=100 height=100>
                    <i style="background:url(${src});${box}"></i></p>`;
                document.querySelector("main").innerHTML = one.repeat(500);
            }""",
            src,
        )
        expect(page.locator(f"{JUDGED}.placed").first).to_be_visible()
        page.evaluate("document.querySelector('main').replaceChildren()")
        expect(page.locator(".badge")).to_have_count(0)
    until(lambda: nodes() < before + 500, "the nodes are freed")


# On a right-click


@pytest.mark.parametrize(
    "markup",
    [
        "<video poster=/it.jpg id=it width=200 height=150></video>",
        "<a href=# style='display:block;"
        + BOX
        + "background-image:url(/it.jpg)'><b id=it>A</b></a>",
        "<svg width=200 height=150><image id=it href=/it.jpg width=200 height=150 /></svg>",
        "<img src=/it.jpg width=200 style='pointer-events:none' id=it>",
    ],
    ids=["poster", "background", "svg image", "no pointer events"],
)
def test_check_image_finds_an_image_that_the_browser_does_not_tell(
    page: Page, context: BrowserContext, site: HTTPServer, markup: str
) -> None:
    serve_photograph(site, "/it.jpg", "coffee")
    page.goto(serve_page(site, markup))
    check_image(context, page, page.locator("#it"), src="")
    expect(card(page)).to_contain_text("600 × 400 pixels, JPEG")


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize("badges", [True, False], ids=["with badges", "without badges"])
def test_check_image_on_a_transparent_image_finds_the_one_below(
    page: Page, context: BrowserContext, site: HTTPServer, told: bool, badges: bool
) -> None:
    photo = img(serve_photograph(site, "/it.jpg", "coffee"), "photo")
    clear = serve_image(site, "/clear.png", CLEAR)
    style = "<style>img{position:absolute;height:200px}</style>"
    change_settings(context, badges=badges)
    try:
        page.goto(serve_page(site, f"{photo}{img(clear, 'clear')}", head=style))
        check_image(context, page, page.get_by_alt_text("clear"), src=clear if told else "")
        expect(card(page)).to_contain_text("600 × 400 pixels, JPEG")
    finally:
        change_settings(context, badges=True)


def test_check_image_says_where_there_is_none(
    page: Page, context: BrowserContext, site: HTTPServer
) -> None:
    page.goto(serve_page(site, "<p id=it>Text"))
    check_image(context, page, page.locator("#it"), src="")
    expect(card(page)).to_contain_text("no image here")
