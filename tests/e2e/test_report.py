"""Reports in a real browser that is offline: they open, sort, print, and leave nothing out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from backend.report.document import Sheet, check_report, scan_report
from backend.schemas.scans import ScanLine
from models.report_pictures import LONGEST_IN_ROW, small_copy
from models.verdict import Label
from tests.backend.fake_api import claim, done, failed, similar
from tests.e2e.axe import axe_violations
from tests.e2e.browser import bare_chromium
from tests.pictures import photograph

ATTACK = '"><img src=http://127.0.0.1:9/x><script>alert(1)</script>'
Open = Callable[[Iterator[bytes]], Page]


@pytest.fixture(scope="module")
def offline(playwright: Playwright) -> Iterator[Browser]:
    with bare_chromium(playwright) as browser:
        yield browser


@pytest.fixture
def opened(offline: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open a report from its file; afterwards, it has asked for nothing and broken no rule."""
    context = offline.new_context(offline=True)
    asked: list[str] = []
    faults: list[str] = []

    def open_report(document: Iterator[bytes]) -> Page:
        (tmp_path / "report.html").write_bytes(b"".join(document))
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.goto((tmp_path / "report.html").as_uri())
        return page

    yield open_report
    context.close()
    assert set(asked) <= {"file", "data"}
    assert faults == []


def lines(count: int) -> Iterator[ScanLine]:
    for n in range(count):
        url = f"http://h/{n}.jpg"
        item = failed(url) if n % 5 == 4 else done(url, (n * 7 % 10) / 10, evidence=[claim(ATTACK)])
        yield ScanLine(index=n, page=f"http://p/{n // 3}", place="img 1", **dict(item))


def number_of_pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def test_a_scan_s_report_sorts_and_shows_a_long_table_in_parts(opened: Open) -> None:
    page = opened(scan_report(list(lines(520))))
    rows = page.locator("#images tbody tr:visible")
    expect(rows).to_have_count(500)
    page.get_by_role("button", name="Next").click()
    expect(rows).to_have_count(20)
    expect(rows.first.locator("td").first).to_have_text("501")

    by_probability = page.get_by_role("columnheader", name="AI", exact=True)
    by_probability.get_by_role("button").click()
    expect(by_probability).to_have_attribute("aria-sort", "descending")
    expect(rows.first).to_contain_text("90%")
    by_probability.get_by_role("button").click()
    expect(rows.first).to_contain_text("Unavailable")
    page.emulate_media(media="print")
    expect(rows).to_have_count(520)


def test_a_scan_s_report_is_accessible_and_prints(opened: Open) -> None:
    picture = small_copy(np.asarray(photograph()), LONGEST_IN_ROW)
    page = opened(scan_report(list(lines(25)), {2: picture, 5: "it is gone."}))
    widths = page.locator("#images img").evaluate_all("all => all.map(img => img.naturalWidth)")
    assert widths == [LONGEST_IN_ROW]
    assert axe_violations(page) == []
    pages = number_of_pages(page.pdf(prefer_css_page_size=True))
    assert pages >= 3, "summary, rows, limits"
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_check_s_report_shows_its_pictures_and_prints_a_sheet_for_each_image(
    opened: Open,
) -> None:
    picture = small_copy(np.asarray(photograph()))
    before = [similar(0.2, Label.REAL)]
    item = done("photo.jpg", evidence=[claim(ATTACK, trusted=True)], similar=before)
    page = opened(check_report([Sheet(item, picture, picture), Sheet(failed(ATTACK))]))

    widths = page.locator("img").evaluate_all("all => all.map(image => image.naturalWidth)")
    assert widths == [512, 512]
    expect(page.get_by_role("heading", name=ATTACK)).to_be_visible()
    assert axe_violations(page) == []
    pages = number_of_pages(page.pdf(prefer_css_page_size=True))
    assert pages >= 4, "summary, 2 sheets, limits"
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
