"""Assay sees an image as a browser shows it: compares tables of damaged files with Chromium."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, Playwright
from pytest_httpserver import HTTPServer

from models.image import decode
from tests.e2e.browser import bare_chromium
from tests.models.colour_files import Coloured, coloured_files
from tests.models.damaged_files import DamagedFile, damaged_files, rejected_though_shown

READ = (Path(__file__).parent / "canvas.js").read_text()

Show = Callable[[bytes], NDArray[np.uint8] | None]


@pytest.fixture(scope="module")
def show(playwright: Playwright) -> Iterator[Show]:
    """Have the browser show a file, and return its RGBA; None where it shows nothing."""
    with HTTPServer("127.0.0.1") as site, bare_chromium(playwright) as browser:
        site.expect_request("/favicon.ico").respond_with_data(status=404)
        site.expect_request("/").respond_with_data("<!doctype html>", content_type="text/html")
        page = browser.new_page()
        page.goto(site.url_for("/"))
        yield reader(page, site)


def reader(page: Page, site: HTTPServer) -> Show:
    numbers = itertools.count()

    def read(data: bytes) -> NDArray[np.uint8] | None:
        path = f"/{next(numbers)}"
        site.expect_oneshot_request(path).respond_with_data(data, content_type="image/unknown")
        seen = page.evaluate(READ, site.url_for(path))
        if not seen["width"]:
            return None
        pixels = np.frombuffer(base64.b64decode(seen["pixels"]), np.uint8)
        return pixels.reshape(seen["height"], seen["width"], 4)

    return read


def on_white(rgba: NDArray[np.uint8]) -> NDArray[np.float64]:
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + 255 * (1 - alpha)


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, id=file.name) for file in (*damaged_files(), *rejected_though_shown())],
)
def test_the_browser_shows_a_damaged_file_completely_or_not(file: DamagedFile, show: Show) -> None:
    intact, seen = show(file.intact), show(file.data)
    assert intact is not None
    if seen is None or seen.shape != intact.shape:
        assert not file.whole, file.why
        return
    gaps = (seen[..., 3] == 0).any()
    changed = int((seen != intact).any(axis=2).sum())
    # Of a progressive JPEG without its end mark, the last block lacks its last bits.
    few = 16 * 16 if file.name.startswith("progressive JPEG") else 0
    assert file.whole == (not gaps and changed <= few), f"{changed} pixels differ: {file.why}"


@pytest.mark.parametrize("file", [pytest.param(file, id=file.name) for file in coloured_files()])
def test_colours_are_the_browsers(file: Coloured, show: Show) -> None:
    seen = show(file.data)
    assert seen is not None
    difference = np.abs(decode(file.data).pixels - on_white(seen))
    assert difference.mean() < file.tolerance, file.why
