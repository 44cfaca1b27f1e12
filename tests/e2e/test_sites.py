"""Badges on pages that behave like those of the web: a lightbox, a feed, and a hostile page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from pytest_httpserver import HTTPServer

from tests.e2e.extension import JUDGED, badge, card, worker_requests
from tests.e2e.pages import img, serve_image, serve_page
from tests.pictures import drawing, encoded

LIGHTBOX = """<style>
  #shade { position: fixed; inset: 0; z-index: 2147483647; background: #000d; display: grid;
           place-items: center }
  #shade[hidden] { display: none }
</style>
<div id=shade hidden></div>
<script>
  const shade = document.querySelector("#shade");
  document.querySelector("[alt=small]").onclick = () => {
    shade.innerHTML = "<img alt=large src=/large.png width=600>";
    shade.hidden = false;
  };
  addEventListener("keydown", ({ key }) => { if (key === "Escape") shade.hidden = true; });
</script>"""

FEED = """<style>
  article { position: relative; width: 400px; height: 300px; margin: 0 0 900px }
  article div { position: absolute; inset: 0; background-size: cover; filter: blur(20px) }
  article img { position: absolute; inset: 0; margin: auto; height: 280px }
</style>
<main></main><p id=end>
<script>
  const main = document.querySelector("main");
  let shown = 0;
  new IntersectionObserver(([{ isIntersecting }]) => {
    if (!isIntersecting || shown === 4) return;
    const src = `/post${shown}.png`, post = document.createElement("article");
    post.innerHTML = `<div style="background-image:url(${src})"></div>
      <img src=${src} alt=post${shown} loading=lazy>`;
    main.append(post);
    if (shown > 1) main.children[shown - 2].replaceChildren(); // What is far above is freed.
    shown++;
  }, { rootMargin: "200px" }).observe(document.querySelector("#end"));
</script>"""

HOSTILE = """<script>
  const refuse = () => { throw new Error("refused"); };
  Element.prototype.attachShadow = refuse;
  Element.prototype.getBoundingClientRect = refuse;
  Element.prototype.append = Node.prototype.appendChild = refuse;
  document.createElement = document.elementsFromPoint = document.querySelectorAll = refuse;
  window.MutationObserver = window.IntersectionObserver = window.ResizeObserver = refuse;
  window.requestAnimationFrame = window.setTimeout = window.setInterval = refuse;
  window.getComputedStyle = Map.prototype.set = WeakMap.prototype.get = refuse;
  Promise.prototype.then = JSON.parse = Array.prototype.map = refuse;
  window.chrome = { runtime: { sendMessage: refuse } };
</script>"""

REMOVE = """<script>
  let removed = 0;
  const observer = new MutationObserver(() => {
    for (const each of document.querySelectorAll("assay-overlay")) { each.remove(); removed++; }
  });
  observer.observe(document.documentElement, { childList: true });
</script>"""


@pytest.fixture(autouse=True)
def _pictures(site: HTTPServer) -> None:
    for seed, name in enumerate(("small", "large", "post0", "post1", "post2", "post3")):
        size = (800, 600) if name == "large" else (400, 300)
        serve_image(site, f"/{name}.png", encoded(drawing(900 + seed, size), "PNG"))


def test_a_lightbox_has_the_badge_of_its_own_image(page: Page, site: HTTPServer) -> None:
    page.goto(serve_page(site, img("/small.png", "small") + LIGHTBOX))
    expect(badge(page, "small", JUDGED)).to_be_visible()
    page.get_by_alt_text("small").click()
    expect(badge(page, "large", JUDGED)).to_be_visible()
    expect(badge(page, "small")).to_have_count(0)
    badge(page, "large", JUDGED).click()
    expect(card(page)).to_contain_text("800 × 600 pixels")
    page.keyboard.press("Escape")
    expect(card(page)).not_to_be_visible()
    expect(page.get_by_alt_text("large")).to_be_visible()  # Escape was the card's alone.
    page.keyboard.press("Escape")
    expect(badge(page, "large")).to_have_count(0)
    expect(badge(page, "small", JUDGED)).to_be_visible()


def test_a_feed_that_recycles_its_posts_has_one_badge_for_each_in_view(
    page: Page, site: HTTPServer
) -> None:
    page.goto(serve_page(site, FEED))
    for number in range(4):
        page.locator("#end").scroll_into_view_if_needed()
        page.get_by_alt_text(f"post{number}").scroll_into_view_if_needed()
        expect(badge(page, f"post{number}", JUDGED)).to_be_visible()
        expect(page.locator(".badge.placed")).to_have_count(1)


def test_a_page_that_breaks_the_prototypes_has_badges(page: Page, site: HTTPServer) -> None:
    page.goto(serve_page(site, img("/small.png", "small"), head=HOSTILE))
    expect(badge(page, "small", JUDGED)).to_be_visible()


def test_a_page_that_removes_the_overlay_goes_on_and_gets_it_back(
    page: Page, site: HTTPServer
) -> None:
    page.goto(serve_page(site, img("/small.png", "small"), head=REMOVE))
    page.wait_for_function("removed > 2")
    page.evaluate("observer.disconnect()")
    expect(badge(page, "small", JUDGED)).to_be_visible()


def test_a_page_cannot_have_images_checked_by_faked_messages(page: Page, site: HTTPServer) -> None:
    fake = site.url_for("/large.png")
    page.goto(serve_page(site, img("/small.png", "small")))
    page.evaluate(
        """async (url) => {
            for (const kind of ["check-url", "check-now", "check-link", "show-check"]) {
                const message = { kind, url, again: true };
                postMessage(message, "*");
                dispatchEvent(new CustomEvent("message", { detail: message }));
                document.querySelector("assay-overlay")?.dispatchEvent(
                    new CustomEvent(kind, { detail: message }));
                await window.chrome?.runtime?.sendMessage?.(message);
            }
        }""",
        fake,
    )
    expect(badge(page, "small", JUDGED)).to_be_visible()
    assert worker_requests(site, "/large.png") == 0
    expect(card(page)).to_have_count(0)
