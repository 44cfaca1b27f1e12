"""A real Chromium, with the built extension in it or without."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Playwright, Worker

EXTENSION = Path(__file__).parents[2] / "extension" / ".output" / "chrome-mv3"
EXTENSION_ID = "ogpobafbiekihfldlbjgmeedgmabengf"

_FLAGS = (
    "--no-sandbox",  # Chromium refuses its sandbox to root, as whom containers run
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
_WITH_EXTENSION = (
    "--headless=new",  # the old headless mode knows no extensions
    f"--disable-extensions-except={EXTENSION}",
    f"--load-extension={EXTENSION}",
)


@contextmanager
def chromium(playwright: Playwright, profile: Path, **options: object) -> Iterator[BrowserContext]:
    """Start the machine's Chromium on a fresh profile, with the extension.

    Args:
        playwright: the one that runs; a process can have no other.
        profile: an empty folder.
        options: what playwright's `launch_persistent_context` takes.

    Raises:
        FileNotFoundError: there is no Chromium, or the extension has not been built.
    """
    if not (EXTENSION / "manifest.json").exists():
        raise FileNotFoundError(
            "The extension is not built: cd extension && npm ci && npm run build"
        )
    context = playwright.chromium.launch_persistent_context(
        profile,
        executable_path=_program(),
        headless=False,  # a flag says how
        args=[*_FLAGS, *_WITH_EXTENSION],
        # As people's browsers do, keep pages to which one may go back.
        ignore_default_args=["--disable-back-forward-cache"],
        **options,  # type: ignore[arg-type]
    )
    try:
        service_worker(context)  # the extension is there once its worker is
        yield context
    finally:
        context.close()


@contextmanager
def bare_chromium(playwright: Playwright, *flags: str) -> Iterator[Browser]:
    """Start the machine's Chromium without any extension.

    Raises:
        FileNotFoundError: there is no Chromium.
    """
    browser = playwright.chromium.launch(executable_path=_program(), args=[*_FLAGS, *flags])
    try:
        yield browser
    finally:
        browser.close()


def _program() -> str:
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        raise FileNotFoundError("No Chromium: install one, or set CHROMIUM to its path.")
    return program


def service_worker(context: BrowserContext) -> Worker:
    """Return the extension's service worker, once it has started."""
    workers = context.service_workers
    return workers[0] if workers else context.wait_for_event("serviceworker")


def use_server(context: BrowserContext, url: str) -> None:
    """Have the extension ask the server at this address."""
    service_worker(context).evaluate("server => chrome.storage.local.set({ server })", url)
