"""A real Chromium with the built extension in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Worker, sync_playwright

EXTENSION = Path(__file__).parents[2] / "extension" / ".output" / "chrome-mv3"
EXTENSION_ID = "ogpobafbiekihfldlbjgmeedgmabengf"

_FLAGS = (
    "--headless=new",  # the old headless mode knows no extensions
    "--no-sandbox",  # Chromium refuses its sandbox to root, as whom containers run
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    f"--disable-extensions-except={EXTENSION}",
    f"--load-extension={EXTENSION}",
)


@contextmanager
def chromium(profile: Path, **options: object) -> Iterator[BrowserContext]:
    """Start the machine's Chromium on a fresh profile, with the extension.

    Args:
        profile: an empty folder.
        options: what playwright's `launch_persistent_context` takes.

    Raises:
        FileNotFoundError: there is no Chromium, or the extension has not been built.
    """
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        raise FileNotFoundError("No Chromium: install one, or set CHROMIUM to its path.")
    if not (EXTENSION / "manifest.json").exists():
        raise FileNotFoundError(
            "The extension is not built: cd extension && npm ci && npm run build"
        )
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=program,
            headless=False,  # the flag above says how
            args=list(_FLAGS),
            **options,  # type: ignore[arg-type]
        )
        try:
            service_worker(context)  # the extension is there once its worker is
            yield context
        finally:
            context.close()


def service_worker(context: BrowserContext) -> Worker:
    """Return the extension's service worker, once it has started."""
    workers = context.service_workers
    return workers[0] if workers else context.wait_for_event("serviceworker")


def use_server(context: BrowserContext, url: str) -> None:
    """Have the extension ask the server at this address."""
    service_worker(context).evaluate("server => chrome.storage.local.set({ server })", url)
