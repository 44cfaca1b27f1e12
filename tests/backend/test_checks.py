"""Checks, lookups and uploads over HTTP, through the whole running stack."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer
from redis import Redis
from werkzeug import Request, Response

from backend.supervisor import Supervisor
from models.errors import ErrorCode
from tests.conftest import hits, until
from tests.pictures import drawing, encoded, photograph


class Api:
    """The HTTP API, as a client calls it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def check(self, *urls: str, wait: float = 20, **more: Any) -> requests.Response:
        body = {"urls": urls, "wait": wait, **more}
        return requests.post(f"{self.url}/v1/checks", json=body, timeout=30)

    def lookup(self, *urls: str) -> list[dict[str, Any]]:
        answer = requests.post(f"{self.url}/v1/lookups", json={"urls": urls}, timeout=5)
        assert answer.status_code == 200
        return list(answer.json()["items"])

    def upload(self, data: bytes, wait: float = 20) -> requests.Response:
        return requests.post(
            f"{self.url}/v1/images", files={"image": data}, data={"wait": wait}, timeout=30
        )


@pytest.fixture
def api(stack: Supervisor) -> Api:
    return Api(stack.url)


def serve(site: HTTPServer, path: str, data: bytes, delay: float = 0, **headers: str) -> str:
    def answer(_: Request) -> Response:
        time.sleep(delay)
        return Response(data, headers=headers)

    site.expect_request(path).respond_with_handler(answer)
    return site.url_for(path)


def test_a_check_has_a_verdict_with_everything_a_reader_needs(api: Api, site: HTTPServer) -> None:
    data = encoded(photograph("astronaut"))
    url = serve(site, "/a.jpg", data)
    answer = api.check(url)
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "done"
    (item,) = body["items"]
    assert item["url"] == url
    assert item["status"] == "done"
    verdict = item["verdict"]
    assert verdict["label"] in ("ai", "uncertain", "real")
    assert 0 <= verdict["probability"] <= 1
    assert list(verdict["members"]) in (["clip_shallow"], ["clip_shallow", "clip"])
    assert len(verdict["image"].pop("perceptual_hash")) == 16
    assert verdict["image"] == {
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": 512,
        "height": 512,
        "format": "jpeg",
        "frames": 1,
    }
    assert verdict["model_version"]
    assert verdict["checked_at"] < verdict["expires_at"]
    assert verdict["cached"] is False


def test_a_second_check_is_answered_from_the_cache(api: Api, site: HTTPServer) -> None:
    url = serve(site, "/a.jpg", encoded(photograph("coffee")))
    first = api.check(url).json()["items"][0]["verdict"]
    second = api.check(url + "#fragment", wait=0)
    assert second.status_code == 200
    verdict = second.json()["items"][0]["verdict"]
    assert verdict == first | {"cached": True}
    assert hits(site, "/a.jpg") == 1


def test_who_does_not_wait_is_told_where_to_ask_again(api: Api, site: HTTPServer) -> None:
    url = serve(site, "/slow.jpg", encoded(drawing(1)), delay=0.5)
    answer = api.check(url, wait=0)
    assert answer.status_code == 202
    assert answer.json()["status"] == "pending"
    assert answer.json()["items"] == [{"url": url, "status": "pending"}]
    assert int(answer.headers["Retry-After"]) > 0
    again = requests.get(api.url + answer.headers["Location"], params={"wait": 20}, timeout=30)
    assert again.status_code == 200
    assert again.json()["id"] == answer.json()["id"]
    assert again.json()["items"][0]["status"] == "done"


def test_many_who_ask_for_one_image_at_once_cause_one_fetch(api: Api, site: HTTPServer) -> None:
    url = serve(site, "/a.jpg", encoded(drawing(2)), delay=0.5)
    statuses: list[str] = []

    def ask() -> None:
        statuses.append(api.check(url).json()["items"][0]["status"])

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == ["done"] * 10
    assert hits(site, "/a.jpg") == 1


def test_items_come_in_the_order_of_the_urls_and_each_has_its_own_fate(
    api: Api, site: HTTPServer
) -> None:
    good = serve(site, "/good.png", encoded(drawing(3), "PNG"))
    page = serve(site, "/page.png", b"<!doctype html><title>no</title>", content_type="image/png")
    missing = site.url_for("/missing.png")
    site.expect_request("/missing.png").respond_with_data(b"", status=404)
    urls = [good, "ftp://example.com/a", page, good, "http://10.1.2.3/a.png", missing, "no url"]
    answer = api.check(*urls)
    assert answer.status_code == 200
    items = answer.json()["items"]
    assert [item["url"] for item in items] == urls
    assert [item["status"] for item in items] == ["done", *["failed"] * 2, "done", *["failed"] * 3]
    assert [item["error"]["code"] for item in items if "error" in item] == [
        ErrorCode.BAD_URL,
        ErrorCode.NOT_AN_IMAGE,
        ErrorCode.BLOCKED_ADDRESS,
        ErrorCode.HTTP_STATUS,
        ErrorCode.BAD_URL,
    ]
    assert hits(site, "/good.png") == 1


def test_a_hundred_urls_are_checked_in_one_request(api: Api, site: HTTPServer) -> None:
    urls = [serve(site, f"/{n}.png", encoded(drawing(n % 7), "PNG")) for n in range(100)]
    answer = api.check(*urls)
    while answer.status_code == 202:
        answer = requests.get(api.url + answer.headers["Location"], params={"wait": 20}, timeout=30)
    assert [item["status"] for item in answer.json()["items"]] == ["done"] * 100


def test_force_asks_the_web_again(api: Api, site: HTTPServer) -> None:
    url = serve(site, "/a.jpg", encoded(drawing(4)))
    api.check(url)
    answer = api.check(url, force=True)
    assert answer.json()["items"][0]["verdict"]["cached"] is False
    assert hits(site, "/a.jpg") == 2


def test_a_failure_is_remembered_for_a_while(api: Api, site: HTTPServer) -> None:
    site.expect_request("/gone.jpg").respond_with_data(b"", status=410)
    url = site.url_for("/gone.jpg")
    first = api.check(url).json()["items"][0]
    assert first["error"]["code"] == ErrorCode.HTTP_STATUS
    assert "410" in first["error"]["detail"]
    assert api.check(url).json()["items"] == [first]
    assert hits(site, "/gone.jpg") == 1


def test_the_image_s_server_learns_the_page_s_origin_and_no_more(
    api: Api, site: HTTPServer
) -> None:
    url = serve(site, "/a.jpg", encoded(drawing(5)))
    api.check(url, page="https://news.example/secret/path?token=1")
    (request, _), *_ = site.log
    assert request.headers["Referer"] == "https://news.example/"
    assert "Cookie" not in request.headers


def test_a_lookup_tells_what_is_known_and_fetches_nothing(api: Api, site: HTTPServer) -> None:
    known = serve(site, "/known.jpg", encoded(drawing(6)))
    unknown = serve(site, "/unknown.jpg", encoded(drawing(7)))
    api.check(known)
    first, second, third = api.lookup(known, unknown, "javascript:alert(1)")
    assert first["status"] == "done"
    assert first["verdict"]["cached"] is True
    assert second == {"url": unknown, "status": "unknown"}
    assert third["error"]["code"] == ErrorCode.BAD_URL
    assert hits(site, "/unknown.jpg") == 0


def test_an_uploaded_image_is_judged_and_its_bytes_are_not_kept(
    api: Api, stack: Supervisor
) -> None:
    data = encoded(drawing(8), "WEBP")
    answer = api.upload(data)
    assert answer.status_code == 200
    (item,) = answer.json()["items"]
    assert item["url"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert item["verdict"]["image"]["format"] == "webp"
    until(lambda: not list((stack.settings.data_dir / "uploads").iterdir()), "it is deleted")


def test_an_upload_of_an_image_seen_on_the_web_is_known_at_once(api: Api, site: HTTPServer) -> None:
    data = encoded(drawing(9))
    api.check(serve(site, "/a.jpg", data))
    answer = api.upload(data, wait=0)
    assert answer.status_code == 200
    assert answer.json()["items"][0]["verdict"]["cached"] is True


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"hello", encoded(photograph())[:4000]])
def test_an_upload_that_is_no_image_fails_as_an_item_and_is_not_kept(
    api: Api, stack: Supervisor, data: bytes
) -> None:
    (item,) = api.upload(data).json()["items"]
    until(lambda: not list((stack.settings.data_dir / "uploads").iterdir()), "it is deleted")
    assert item["status"] == "failed"
    assert item["error"]["code"] in (ErrorCode.NOT_AN_IMAGE, ErrorCode.CORRUPT_IMAGE)


def test_a_client_cannot_name_an_upload_as_a_url(api: Api) -> None:
    (item,) = api.check("sha256:" + "0" * 64).json()["items"]
    assert item["error"]["code"] == ErrorCode.BAD_URL


def test_waiting_is_for_a_notification_and_not_a_poll_loop(
    api: Api, site: HTTPServer, stack: Supervisor
) -> None:
    assert stack.settings.redis_url is not None
    url = serve(site, "/slow.jpg", encoded(drawing(10)), delay=2)
    with Redis.from_url(stack.settings.redis_url) as redis:

        def reads() -> int:
            return int(redis.info("commandstats").get("cmdstat_mget", {}).get("calls", 0))

        before = reads()
        started = time.monotonic()
        assert api.check(url).status_code == 200
        assert time.monotonic() - started >= 2
        assert reads() - before <= 8, "the same few reads, however long the wait"
