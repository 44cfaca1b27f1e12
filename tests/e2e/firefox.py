"""A real Firefox without a window, driven by Marionette, the protocol that is built into it.

Playwright drives only its own build of Firefox, and geckodriver is not in Debian.
See https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backend.processes import free_port

EXTENSION = Path(__file__).parents[2] / "extension" / ".output" / "firefox-mv3"

_ID = "assay@assay.invalid"
_PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:9/",
    "toolkit.telemetry.enabled": False,
}


# Without the third, scripts may not have the rights of the browser.
_OPTIONS = ("--headless", "--marionette", "--remote-allow-system-access", "--no-remote")


class FirefoxError(Exception):
    """Firefox refused a command."""


def program() -> str | None:
    """Return the path of the machine's Firefox, if it has one."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox:
    """A connection to a running Firefox."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._file = connection.makefile("rb")
        self._receive()  # it introduces itself
        self.command("WebDriver:NewSession", capabilities={"alwaysMatch": {}})

    def command(self, name: str, **parameters: object) -> Any:
        """Send a command, and return what it returned.

        Raises:
            FirefoxError: it failed.
        """
        body = json.dumps([0, 1, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(body), body))
        _, _, error, result = self._receive()
        if error:
            raise FirefoxError(f"{name}: {error['message']}")
        return result

    def open(self, url: str) -> None:
        """Open a page, and wait until it has loaded."""
        self.command("WebDriver:Navigate", url=url)

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page, with the rights of the browser, and return its value.

        What it returns may be a promise.
        """
        given = {"script": script, "args": list(arguments), "sandbox": "system"}
        return self.command("WebDriver:ExecuteScript", **given)["value"]

    def extension_url(self, path: str) -> str:
        """Return the address of a page of the extension. Firefox invents its host."""
        self.command("Marionette:SetContext", value="chrome")
        host = self.run(f"return WebExtensionPolicy.getByID('{_ID}').mozExtensionHostname")
        self.command("Marionette:SetContext", value="content")
        return f"moz-extension://{host}/{path}"

    def close(self) -> None:
        """Close the connection."""
        self._file.close()

    def _receive(self) -> Any:
        length = b""
        while (character := self._file.read(1)) != b":":
            if not character:
                raise FirefoxError("Firefox has ended")
            length += character
        return json.loads(self._file.read(int(length)))


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """Start Firefox with the built extension.

    Args:
        folder: an empty one, for its profile.
    """
    port = free_port("127.0.0.1")
    preferences = {**_PREFERENCES, "marionette.port": port}
    (folder / "user.js").write_text(
        "".join(f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in preferences.items())
    )
    process = subprocess.Popen(
        [str(program()), *_OPTIONS, "--profile", str(folder)],
        env={**os.environ, "HOME": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with _connect(port, process) as connection:
            browser = Firefox(connection)
            browser.command("Addon:Install", path=str(EXTENSION), temporary=True)
            yield browser
            browser.close()
    finally:
        process.terminate()
        process.wait(20)


def _connect(port: int, process: subprocess.Popen[bytes]) -> socket.socket:
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
