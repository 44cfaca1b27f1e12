"""docs/api.md, held to the API: every command is run, and every answer compared."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from redis import Redis

from backend.api_keys import KeyStore
from backend.client import Client
from backend.middleware.quotas import DEFAULT_FOR_KEYS
from backend.supervisor import Supervisor
from models.errors import ErrorCode
from tests.conftest import until
from tests.pictures import drawing, encoded, photograph
from tests.workers.webhooks.receiver import Receiver
from workers.fetching.urls import SHORTEST_PREFIX, address_hash, canonical_url
from workers.storage.scans.webhooks import LONGEST_PAUSE
from workers.webhooks.deliver import Schedule
from workers.webhooks.post import LIMITS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text()
API, SITE = "http://127.0.0.1:8750", "https://example.com"

BLOCK = re.compile(
    r"^```sh\n(?P<command>.*?)^```\n(?:```http\n(?P<answer>.*?)^```\n)?", re.MULTILINE | re.DOTALL
)
COMPARED = ("content-type", "cache-control", "vary", "retry-after")
"""Headers whose values are the same for everyone; of the others the page shows samples."""
NAMES = ("id", "sha256", "hash", "prefix", "secret")
"""Fields whose values later commands of the page use."""


PYTHON = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Answer:
    """An HTTP response, as `curl -i` prints it and as the page shows it."""

    status: int
    headers: Mapping[str, str]
    body: str

    @classmethod
    def parse(cls, text: str) -> Answer:
        head, _, body = text.replace("\r\n", "\n").partition("\n\n")
        first, *lines = head.splitlines()
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        return cls(int(first.split()[1]), headers, body)


class Session:
    """Runs the page's commands against real servers, with real values for the page's samples.

    Args:
        folder: where the commands run.
        samples: what stands in the page → what stands for it here.
    """

    def __init__(self, folder: Path, samples: dict[str, str]) -> None:
        self._folder = folder
        self._samples = samples

    def run(self, command: str) -> Answer:
        for sample, real in self._samples.items():
            command = command.replace(sample, real)
        done = subprocess.run(
            ["bash", "-ec", f'curl() {{ command curl -sS -i --max-time 60 "$@"; }}\n{command}'],
            cwd=self._folder,
            env={**os.environ, "KEY": self._samples["$KEY"], "no_proxy": "*"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return Answer.parse(done.stdout)

    def compare(self, shown: Answer, real: Answer) -> None:
        """See that the answer is as it is shown, but for values that differ each time."""
        assert real.status == shown.status, real.body
        for name, value in shown.headers.items():
            assert name in real.headers
            if name in COMPARED:
                assert real.headers[name] == value, name
        if "etag" in shown.headers:
            self._samples[shown.headers["etag"]] = real.headers["etag"]
        if shown.body:
            self._compare_bodies(real.headers["content-type"], shown.body, real.body)

    def _compare_bodies(self, content_type: str, shown: str, real: str) -> None:
        match content_type.partition(";")[0]:
            case "application/json" | "application/problem+json":
                self._compare_values(json.loads(shown), json.loads(real), "body")
            case "application/jsonl":
                values = [
                    [json.loads(line) for line in text.split("\n") if line]
                    for text in (shown, real)
                ]
                self._compare_values(*(sorted(v, key=lambda i: i["index"]) for v in values), "body")
            case "text/csv":
                tables = [list(csv.reader(io.StringIO(text))) for text in (shown, real)]
                assert tables[0][0] == tables[1][0]
                assert [row[:2] for row in tables[0]] == [row[:2] for row in tables[1]]
            case "text/event-stream":
                events = [list(_events(text)) for text in (shown, real)]
                assert {name for name, _ in events[0]} == {name for name, _ in events[1]}
                by_place = [sorted(e, key=lambda e: (e[0], e[1].get("index", 0))) for e in events]
                for (_, one), (_, other) in zip(*by_place, strict=True):
                    self._compare_values(one, other, "data")
            case other:
                raise AssertionError(f"The page shows a body of {other}.")

    def _compare_values(self, shown: object, real: object, place: str) -> None:
        if isinstance(shown, dict):
            assert isinstance(real, dict), place
            assert list(shown) == list(real), place
            for name in shown:
                if name in NAMES:
                    self._samples[str(shown[name])] = str(real[name])
                self._compare_values(shown[name], real[name], f"{place}.{name}")
        elif isinstance(shown, list):
            assert isinstance(real, list), place
            for number, (one, other) in enumerate(zip_longest(shown, real)):
                self._compare_values(one, other, f"{place}.{number}")
        elif isinstance(shown, bool | str):
            assert type(real) is type(shown), place
        elif isinstance(shown, int | float):
            assert isinstance(real, int | float), place


def _events(text: str) -> Iterator[tuple[str, dict[str, object]]]:
    for frame in text.strip().split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in frame.splitlines())
        if "event" in fields:
            yield fields["event"], json.loads(fields["data"])


@pytest.fixture
def served(stack: Supervisor, site: HTTPServer) -> dict[str, str]:
    """The page's servers: what stands for them here."""
    photo, painting = encoded(photograph()), encoded(drawing(71), "PNG")
    site.expect_request("/photo.jpg").respond_with_data(photo, content_type="image/jpeg")
    site.expect_request("/painting.png").respond_with_data(painting, content_type="image/png")
    return {API: stack.url, SITE: site.url_for("").rstrip("/")}


def test_every_command_of_the_page_is_answered_as_the_page_shows(
    stack: Supervisor, served: dict[str, str], tmp_path: Path
) -> None:
    assert stack.settings.redis_url is not None
    (tmp_path / "photo.jpg").write_bytes(encoded(photograph("coffee")))
    with Redis.from_url(stack.settings.redis_url) as redis:
        _, key = KeyStore(redis).create("docs")
    prefix = {address_hash(f"{at}/photo.jpg")[:SHORTEST_PREFIX]: at for at in (SITE, served[SITE])}
    sample, real = prefix
    session = Session(tmp_path, {**served, sample: real, "$KEY": key})
    blocks = [block for block in BLOCK.finditer(PAGE) if "curl" in block["command"]]
    assert len(blocks) >= 15
    for block in blocks:
        answer = session.run(block["command"])
        assert block["answer"], f"The page shows no answer to: {block['command']}"
        try:
            session.compare(Answer.parse(block["answer"]), answer)
        except AssertionError as error:
            raise AssertionError(f"{block['command']}\n{error}\n{answer}") from error


def test_the_page_s_python_runs(served: dict[str, str], tmp_path: Path) -> None:
    (program,) = (program for program in PYTHON if "assay.client" in program)
    for sample, real in served.items():
        program = program.replace(sample, real)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    first, second, newest, *scanned, last = done.stdout.splitlines()
    assert newest == "True"
    assert re.search(r"photo.jpg (ai|real|uncertain)$", first)
    assert re.search(r"painting.png (ai|real|uncertain)$", second)
    assert sorted(scanned) == ["0 done", "1 done"]
    assert 0 <= float(last) <= 1


def test_the_page_s_webhook_is_what_is_posted_and_its_python_verifies_it(stack: Supervisor) -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (program,) = (program for program in PYTHON if "def verify" in program)
    scope: dict[str, Any] = {}
    exec(program, scope)
    verify = scope["verify"]
    with Receiver().running() as receiver:
        webhook = Client(stack.url).create_scan(["no url"], webhook=receiver.url).webhook
        until(lambda: bool(receiver.received), "the webhook is called")
    assert webhook is not None
    assert webhook.secret is not None
    (got,) = receiver.received
    Session(Path(), {})._compare_values(json.loads(shown), json.loads(got.body), "body")
    verify(webhook.secret, got.headers, got.body)
    old = {**dict(got.headers), "webhook-timestamp": "1614265330"}
    for headers, body in ((got.headers, got.body + b" "), (old, got.body)):
        with pytest.raises(ValueError, match="just now"):
            verify(webhook.secret, headers, body)


def test_the_attempts_are_those_that_the_page_names() -> None:
    assert "after 5 seconds, 1, 5 and 30 minutes, and 1, 2, 4 and 8 hours" in PAGE
    assert Schedule().pauses == (5, 60, 300, 1800, 3600, 7200, 14_400, 28_800)
    assert (LIMITS.total, Schedule().spread, LONGEST_PAUSE) == (10, 0.2, 24 * 3600)


def test_what_is_hashed_is_what_the_page_says() -> None:
    rows = re.findall(r"^\| `(http\S+)` \| `(http\S+)` \| `(\w{5})` \|$", PAGE, re.MULTILINE | re.I)
    assert len(rows) == 6
    for url, canonical, prefix in rows:
        assert canonical_url(url) == canonical
        assert address_hash(canonical).startswith(prefix)


def test_the_sizes_of_buckets_are_computed() -> None:
    rows = re.findall(
        r"^\| (\d) \| ([\d,]+) \| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE
    )
    assert [int(row[0]) for row in rows] == [5, 6, 7, 8]
    for digits, buckets, web, of_a_million, of_more in rows:
        count = 16 ** int(digits)
        assert int(buckets.replace(",", "")) == count
        assert int(web.replace(",", "")) == round(1e12 / count)
        for shown, cached in ((of_a_million, 1e6), (of_more, 1e8)):
            assert float(shown) == pytest.approx(cached / count, rel=0.02)


def test_every_error_code_is_explained_and_no_other() -> None:
    table = PAGE[PAGE.index("## Errors") : PAGE.index("problem document (RFC 9457)")]
    firsts = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    assert sorted(code for cell in firsts for code in re.findall(r"`(\w+)`", cell)) == sorted(
        ErrorCode
    )


def test_the_quotas_named_are_those_of_a_key() -> None:
    minute, day = re.findall(r"(\d+)/", DEFAULT_FOR_KEYS)
    assert f"{int(minute):,} and {int(day):,} for a key" in PAGE


def test_every_link_leads_somewhere() -> None:
    titles = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    for file, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", PAGE):
        if file:
            assert (ROOT / "docs" / file).exists(), file
        elif anchor:
            assert anchor in anchors, anchor
