"""axe, which finds what keeps people with disabilities from using a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

_AXE = Path(__file__).parents[2] / "extension" / "node_modules" / "axe-core" / "axe.min.js"


def axe_violations(page: Page, selector: str = "html") -> list[str]:
    """Return what axe finds wrong with the elements that a selector matches."""
    page.evaluate(_AXE.read_text())
    found = page.evaluate("selector => axe.run(selector)", selector)
    return [f"{each['id']}: {each['help']}" for each in found["violations"]]
