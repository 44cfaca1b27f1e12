"""The client's lookups, feedback and list of scans, asked of the API itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from pydantic import ValidationError
from redis import Redis
from werkzeug.serving import make_server

from backend.api_keys import KeyStore
from backend.app import create_app
from backend.client import Client, RefusedError, url_hash
from models.errors import CheckError
from models.verdict import Verdict
from tests.backend.test_lookups import URL, remember
from tests.conftest import settings_at
from tests.workers.storage.test_verdict_cache import SHA
from workers.fetching.urls import address_hash, canonical_url

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@pytest.fixture
def app(valkey_url: str, tmp_path: Path) -> Flask:
    return create_app(settings_at(tmp_path, redis_url=valkey_url))


@pytest.fixture
def server(app: Flask) -> Iterator[str]:
    """The API, answering on loopback."""
    listening = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture
def known(redis: Redis) -> Verdict:
    return remember(redis, URL)


@pytest.mark.usefixtures("known")
def test_urls_and_bytes_are_looked_up_together(server: str) -> None:
    items = Client(server).lookup([URL, "https://example.com/b"], sha256=[SHA])
    assert [item.status for item in items] == ["done", "unknown", "done"]


def test_a_lookup_of_nothing_is_not_sent() -> None:
    with pytest.raises(ValidationError):
        Client("http://127.0.0.1:9").lookup()


def test_verdicts_are_found_without_telling_which_url_is_meant(
    server: str, app: Flask, known: Verdict
) -> None:
    asked: list[str] = []
    answer = app.wsgi_app

    def note(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked.append(environ["PATH_INFO"])
        return answer(environ, start_response)

    app.wsgi_app = note  # type: ignore[method-assign]
    urls = ["HTTPS://EXAMPLE.com:443/x/../a.jpg#f", "https://example.com/b", "no url", URL]
    first, second, third, fourth = Client(server).lookup_privately(urls)
    assert first is not None
    assert first == fourth
    assert first.hash == address_hash(URL)
    assert (first.label, first.probability) == (known.label, known.probability)
    assert (second, third) == (None, None)
    b = address_hash("https://example.com/b")
    assert asked == [f"/v1/lookups/{address_hash(URL)[:5]}", f"/v1/lookups/{b[:5]}"]


@pytest.mark.usefixtures("known")
def test_more_digits_are_told_where_that_is_wanted(server: str) -> None:
    (found,) = Client(server).lookup_privately([URL], digits=64)
    assert found is not None
    with pytest.raises(RefusedError) as refused:
        Client(server).lookup_privately([URL], digits=4)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.jpg",
        "HTTPS://EXAMPLE.com:443/x/../a.jpg#f",
        "https://example.com/ü?q=ü",
        "https://bücher.example/%7euser/",
        "http://127.0.0.1:12345/a.jpg",
        "http://localhost:12345/a.jpg",
    ],
)
def test_a_client_hashes_a_url_as_the_server_does(url: str) -> None:
    from tests.conftest import LOOPBACK

    assert url_hash(url) == hashlib.sha256(canonical_url(url, LOOPBACK).encode()).hexdigest()


def test_the_hash_of_a_known_url_is_what_the_documentation_says() -> None:
    assert (
        url_hash("https://example.com/photo.jpg")
        == hashlib.sha256(b"https://example.com/photo.jpg").hexdigest()
    )


def test_what_is_no_url_has_no_hash() -> None:
    with pytest.raises(CheckError):
        url_hash("ftp://example.com/a.jpg")


def test_a_verdict_is_contested(server: str, known: Verdict) -> None:
    kept = Client(server).contest(url=URL, says="real", how="made_it", comment="Mine.")
    assert kept.verdict == known
    assert (kept.says, kept.how, kept.source, kept.comment) == ("real", "made_it", None, "Mine.")
    assert Client(server).contest(sha256=SHA, says="ai").id == kept.id


@pytest.mark.usefixtures("redis")
def test_what_has_no_verdict_cannot_be_contested(server: str) -> None:
    with pytest.raises(RefusedError) as refused:
        Client(server).contest(url=URL, says="real")
    assert refused.value.status == 404
    with pytest.raises(ValidationError):
        Client(server).contest(says="real")


def test_a_key_is_sent_whatever_netrc_says(
    server: str, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    _, secret = KeyStore(redis).create("tests")
    client = Client(server, key=secret)
    client._server._session.trust_env = True
    assert client.lookup([URL])[0].status == "unknown"
    with pytest.raises(RefusedError) as refused:
        Client(server, key=secret[:-1] + "x").lookup([URL])
    assert refused.value.status == 401


def test_all_of_the_caller_s_scans_are_yielded_the_newest_first(
    server: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.client.api_client.MOST_LISTED", 2)
    keys = KeyStore(redis)
    mine, another_s = (Client(server, key=keys.create(name)[1]) for name in ("a", "b"))
    ids = [mine.create_scan([f"x:{n}"]).id for n in range(5)]
    another_s.create_scan(["x:"])
    assert [scan.id for scan in mine.scans()] == ids[::-1]
    assert len(list(another_s.scans())) == 1
    assert list(Client(server).scans()) == []
