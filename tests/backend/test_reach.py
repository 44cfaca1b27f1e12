"""Where Assay sends packets, which names it looks up and what it writes, seen from outside it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.errors import ErrorCode
from tests.backend.namespace import NAMES, PUBLIC, private_addresses, url_of

pytestmark = pytest.mark.slow

ALONE = ("unshare", "--map-root-user", "--net", "--mount")


def run_alone(module: str, folder: Path) -> dict[str, Any]:
    """Run a module with this folder in a network namespace without a way out; return what it saw.

    Skips the test where no such namespace can be made.
    """
    try:
        trial = [*ALONE, "ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo"]
        subprocess.run(trial, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        words = getattr(error, "stderr", b"").decode().strip() or str(error)
        pytest.skip(f"no network namespace can be made here: {words}")
    run = subprocess.run(
        [*ALONE, sys.executable, "-m", module, str(folder)],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of every URL, and where packets went."""
    return run_alone("tests.backend.namespace", tmp_path_factory.mktemp("namespace"))


def test_no_packet_is_sent_but_to_public_addresses_of_images(seen: dict[str, Any]) -> None:
    assert set(seen["reached"]) == PUBLIC
    assert set(seen["sent"]) <= PUBLIC | {"127.0.0.1", "::1"}, "or among Assay's own processes"


def test_no_name_is_looked_up_that_nobody_asked_for(seen: dict[str, Any]) -> None:
    assert seen["asked"] == []


def test_nothing_is_written_outside_the_data_folder(seen: dict[str, Any]) -> None:
    libraries = ("training/.keras", "training/.cache", "training/.config")
    assert [path for path in seen["written"] if not path.startswith(libraries)] == []


def test_a_worker_refuses_every_private_address_by_itself(seen: dict[str, Any]) -> None:
    expected = [url_of(address) for address in private_addresses()]
    assert seen["literal"] == dict.fromkeys(expected, ErrorCode.BLOCKED_ADDRESS)


def test_a_redirect_to_a_private_address_or_name_is_refused(seen: dict[str, Any]) -> None:
    for url, became in seen["redirected"].items():
        public = "/public" in url
        assert became == ("done" if public else ErrorCode.BLOCKED_ADDRESS), url
    assert len(seen["redirected"]) == len(private_addresses()) + len(NAMES)


def test_a_name_is_judged_by_all_its_addresses(seen: dict[str, Any]) -> None:
    assert {url.split("/")[2]: became for url, became in seen["named"].items()} == {
        name: "done" if set(addresses) <= PUBLIC else ErrorCode.BLOCKED_ADDRESS
        for name, addresses in NAMES.items()
    }
