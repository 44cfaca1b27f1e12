"""The console's pages, as a browser without JavaScript gets them. `tests/e2e` has the scripts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from backend.api_keys import KeyStore
from backend.blueprints import console
from backend.services import Services
from backend.web.words import WORDS, percent, share
from models.errors import ErrorCode
from models.quality import Quality
from models.verdict import Evidence, ItemError, Label, Verdict
from tests.backend.conftest import bearer
from tests.backend.fake_api import claim, similar, verdict
from workers.storage.verdict_cache import CacheEntry

MESSAGES = Path(__file__).parents[2] / "extension" / "public" / "_locales" / "en" / "messages.json"
URL = "https://example.com/a.jpg"
BASE = "http://localhost:8750"
PAGES = ("/", "/bulk", "/status")


def post(client: FlaskClient, url: str = URL, **headers: str) -> TestResponse:
    """Send the form, as a browser does."""
    return client.post(
        "/check", data={"url": url}, base_url=BASE, headers={"Origin": BASE, **headers}
    )


def know(app: Flask, found: Verdict | ItemError, url: str = URL) -> None:
    """Do a worker's job: put what was found about a URL into the cache."""
    services: Services = app.extensions["assay"]
    is_verdict = isinstance(found, Verdict)
    entry = CacheEntry(
        at=time.time(), verdict=found if is_verdict else None, error=None if is_verdict else found
    )
    services.stores.cache.save_entry(url, entry)


@pytest.fixture
def app(app_with: Callable[..., Flask]) -> Flask:
    return app_with()


@pytest.fixture
def shown(app: Flask) -> Callable[..., str]:
    """Return the page that shows a result."""

    def show(found: Verdict | ItemError, url: str = URL, query: str = "") -> str:
        know(app, found, url)
        client = app.test_client()
        result = post(client, url)
        assert result.status_code == 303
        page = client.get(result.location + query)
        assert page.status_code == 200
        assert page.content_type == "text/html; charset=utf-8"
        return page.text

    return show


# One image


def test_a_form_is_answered_by_the_verdict_with_everything_a_reader_needs(
    shown: Callable[..., str],
) -> None:
    seen = similar(0.81, Label.UNCERTAIN)
    page = shown(verdict(0.93, evidence=(claim("Made with a generator"),), similar=(seen,)))
    for words in (
        "Likely AI",
        "<strong>93%</strong>",
        "EfficientNet for art",
        "50%",
        "Made with a generator",
        "Content Credentials",
        "no trusted signature",
        "Similar images seen before",
        "Uncertain 81%",
        "640 × 480 pixels, JPEG",
        "2 Jan 2026, 03:04 UTC",
        "Model 2026-01-01.0123abcd",
        "ab" * 32,
    ):
        assert words in page, words


@pytest.mark.parametrize(
    ("probability", "title"),
    [
        (0.93, "Likely AI"),
        (0.7, "Uncertain, leans AI"),
        (0.5, "Uncertain"),
        (0.3, "Uncertain, leans not AI"),
        (0.05, "No sign of AI"),
    ],
)
def test_the_title_is_the_label_and_which_way_it_leans(
    shown: Callable[..., str], probability: float, title: str
) -> None:
    (heading,) = re.findall(r"<h2>.*</svg>(.*)</h2>", shown(verdict(probability)))
    assert heading == title


def test_what_decided_is_said_and_what_the_pixels_say(shown: Callable[..., str]) -> None:
    page = shown(verdict(0.12, label="ai", pixels="real", decided_by="credentials"))
    assert (
        "Decided by Content Credentials of a trusted signer. The pixels alone: No sign of AI."
        in page
    )
    assert "<p>Few real images" not in page
    assert "<p>Few real images" in shown(verdict(0.93))


def test_a_model_that_judged_alone_has_no_second_number(shown: Callable[..., str]) -> None:
    page = shown(verdict(0.93, members={"clip_shallow": 0.88}))
    assert "CLIP, first layers" in page
    assert "judged alone" in page
    assert "88%" not in page


def test_a_failure_says_why_and_what_to_do(shown: Callable[..., str]) -> None:
    page = shown(ItemError(code=ErrorCode.HTTP_STATUS, detail="The server answered 403."))
    assert "Unavailable" in page
    assert "The server answered 403." in page
    assert "choose the file" in page


def test_what_a_stranger_wrote_is_shown_as_text(app: Flask, shown: Callable[..., str]) -> None:
    attack = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
    fact = Evidence(kind=attack, says="ai", detail=attack, trusted=True)
    pages = [shown(verdict(0.93, evidence=(fact,)))]
    client = app.test_client()
    pages.append(client.get(post(client, attack).location).text)  # not a URL
    pages.append(client.get("/", query_string={"url": attack}).text)
    for page in pages:
        assert "alert(1)" in page
        assert "<img src=x" not in page
        assert "<script>" not in page


def test_a_result_that_is_not_there_yet_can_be_looked_at_again(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "LONGEST_WAIT", 0)
    client = app.test_client()
    location = post(client).location
    page = client.get(location).text
    assert "Checking…" in page
    assert f'href="{location}"' in page
    know(app, verdict(0.93))
    assert "Likely AI" in client.get(location).text


def test_the_form_has_the_address_that_a_link_names(app: Flask) -> None:
    page = app.test_client().get("/", query_string={"url": URL}).text
    assert f'value="{URL}"' in page
    assert "<article" not in page, "opening a page checks nothing"


# Who may use the form


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    ],
)
def test_another_site_s_form_starts_nothing(app: Flask, headers: dict[str, str]) -> None:
    answer = app.test_client().post("/check", data={"url": URL}, base_url=BASE, headers=headers)
    assert answer.status_code == 403


def test_a_form_costs_what_a_check_costs(client_with: Callable[..., FlaskClient]) -> None:
    client = client_with(rate_limit="1/day")
    assert post(client).status_code == 303
    refused = post(client)
    assert refused.status_code == 429
    assert "1 URLs a day are allowed" in refused.text


def test_where_a_key_is_needed_the_pages_ask_for_it_and_the_form_is_refused(
    client_with: Callable[..., FlaskClient],
) -> None:
    client = client_with(require_key=True)
    for path in PAGES:
        assert 'id="key"' in client.get(path).text
        assert "needs JavaScript" in client.get(path).text
    assert post(client).status_code == 401
    assert client.get("/check/" + "0" * 32).status_code == 401
    assert client.get("/web/../v1/usage").status_code == 404, "it is a file's name, and not open"


def test_where_no_key_is_needed_none_is_asked_for(client: FlaskClient) -> None:
    for path in PAGES:
        assert 'id="key"' not in client.get(path).text


def test_a_check_of_a_key_is_not_shown_to_others(client: FlaskClient, keys: KeyStore) -> None:
    mine = bearer(keys.create("mine")[1])
    check_id = client.post("/v1/checks", json={"urls": ["http://10.1.2.3/"]}, headers=mine).json[
        "id"
    ]
    assert client.get(f"/check/{check_id}", headers=mine).status_code == 200
    assert client.get(f"/check/{check_id}").status_code == 404


@pytest.mark.parametrize(
    ("url", "status", "detail"),
    [("", 422, "The address of an image is needed."), (" ", 422, "is needed.")],
)
def test_a_problem_is_a_page(client: FlaskClient, url: str, status: int, detail: str) -> None:
    answer = post(client, url)
    assert answer.status_code == status
    assert answer.content_type == "text/html; charset=utf-8"
    assert detail in answer.text
    assert "form.url" not in answer.text
    assert "Content-Security-Policy" in answer.headers


def test_an_old_check_is_a_page_that_says_so(client: FlaskClient) -> None:
    answer = client.get("/check/" + "0" * 32)
    assert answer.status_code == 404
    assert "older than an hour" in answer.text
    assert client.get("/check").location == "/"


# Headers


@pytest.mark.parametrize("path", [*PAGES, "/web/check.js", "/web/nothing", "/check/x"])
def test_a_page_may_use_this_server_only(client: FlaskClient, path: str) -> None:
    headers = client.get(path, buffered=True).headers
    policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' blob:"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_images_of_other_servers_are_shown_only_to_who_asks(
    app: Flask, shown: Callable[..., str]
) -> None:
    assert f'src="{URL}"' not in shown(verdict())
    assert f'src="{URL}" alt="The image" referrerpolicy="no-referrer"' in shown(
        verdict(), query="?images=on"
    )
    policy = app.test_client().get("/?images=on").headers["Content-Security-Policy"]
    assert "img-src 'self' blob: http: https:;" in policy


def test_a_result_is_not_kept_and_all_else_is_asked_for_again(client: FlaskClient) -> None:
    assert client.get("/check/x").headers["Cache-Control"] == "no-store"
    assert client.get("/").headers["Cache-Control"] == "no-cache"
    file = client.get("/web/style.css", buffered=True)
    assert file.headers["Cache-Control"] == "no-cache"
    etag = {"If-None-Match": file.headers["ETag"]}
    assert client.get("/web/style.css", headers=etag, buffered=True).status_code == 304


# Words


def test_the_words_are_those_of_the_extension() -> None:
    messages = {name: each["message"] for name, each in json.loads(MESSAGES.read_text()).items()}
    for group, prefix in (
        ("states", "state_"),
        ("leans", "leans_"),
        ("members", "member_"),
        ("evidence", "evidence_"),
        ("decisions", "decided_"),
    ):
        for name, words in WORDS[group].items():
            assert messages[prefix + name] == words
    for label in Label:
        assert messages[f"meaning_{label}"] == WORDS["meanings"][label]
    for name, ours in (
        ("card_caution", "caution"),
        ("members", "members_heading"),
        ("evidence", "evidence_heading"),
        ("evidence_none", "evidence_none"),
        ("image_heading", "image_heading"),
    ):
        assert messages[name] == WORDS[ours]


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "< 1%"), (0.009, "< 1%"), (0.01, "1%"), (0.432, "43%"), (0.99, "99%"), (1.0, "> 99%")],
)
def test_no_probability_is_certain(probability: float, words: str) -> None:
    assert percent(probability) == words


# Status


def test_the_status_names_the_models_their_version_and_their_thresholds(app: Flask) -> None:
    services: Services = app.extensions["assay"]
    page = app.test_client().get("/status").text
    assert services.stores.model_version in page
    for member in services.members:
        assert f"<code>{member.name}</code>" in page
    assert f"from {services.thresholds.ai:.0%} on" in page
    assert f"below {services.thresholds.real:.0%}" in page


def test_every_member_is_explained() -> None:
    assert WORDS["about_members"].keys() == WORDS["members"].keys()


def test_the_figures_of_the_shipped_weights_are_shown(app: Flask) -> None:
    quality = Quality.load()
    assert quality is not None
    page = app.test_client().get("/status").text
    clean = quality.tiers["clean"]
    for side in (clean.ai, clean.real):
        for label, count in side.counts.items():
            cell = rf"{share(side.shares[label])}</strong>\s*<small>{count} of {side.images} images"
            assert re.search(cell, page), label
    for source in quality.sources:
        assert source.name in page
    assert page.count("<circle") == len(quality.reliability)
    assert "are others" not in page


def test_figures_of_other_weights_are_marked(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    measured = Quality.load()
    assert measured is not None
    measured.model_copy(update={"version": "2020-01-01.0"}).save(tmp_path)
    other = Quality.load(tmp_path)
    monkeypatch.setattr(Quality, "load", lambda: other)
    assert "of version 2020-01-01.0. The models in use are others." in client.get("/status").text
    monkeypatch.setattr(Quality, "load", lambda: None)
    assert "<h2>Quality</h2>" not in client.get("/status").text


def test_the_whole_report_is_linked_where_it_is(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert 'href="/report"' in client.get("/status").text
    answer = client.get("/report", buffered=True)
    assert answer.content_type.startswith("text/plain")
    assert answer.text.startswith("# Evaluation report")
    monkeypatch.setattr(console, "_REPORT", tmp_path / "report.md")
    assert 'href="/report"' not in client.get("/status").text
    assert client.get("/report").status_code == 404


@pytest.mark.parametrize(
    ("part", "words"), [(0.0, "0%"), (0.0019, "0.2%"), (0.786, "79%"), (1.0, "100%")]
)
def test_small_shares_have_a_decimal(part: float, words: str) -> None:
    assert share(part) == words


# Colours


def colours(*paths: Path) -> list[dict[str, str]]:
    """Return the custom properties of style sheets, of the light and of the dark scheme."""
    text = "".join(path.read_text() for path in paths)
    dark = r"@media \(prefers-color-scheme: dark\) \{.*?\n\}"
    found = ("".join(re.findall(dark, text, re.DOTALL)), re.sub(dark, "", text, flags=re.DOTALL))
    return [dict(re.findall(r"--([\w-]+): (#\w+);", each)) for each in found]


def test_the_colours_are_those_of_the_extension() -> None:
    style = Path(console.web.__file__).parent / "static" / "style.css"
    lib = MESSAGES.parents[3] / "lib"
    for ours, theirs in zip(
        colours(style), colours(lib / "labels.css", lib / "theme.css"), strict=True
    ):
        shared = ours.keys() & theirs.keys()
        assert {"ai", "uncertain", "real", "paper", "ink", "accent"} <= shared
        assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}
