"""One address, from its URL to its cache entry: real fetches, models and Valkey."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pytest
from celery import Celery
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from models.ensemble import Classification
from models.errors import ErrorCode
from tests.conftest import LOOPBACK
from tests.pictures import drawing, encoded, photograph
from tests.workers.fetching.servers import ScriptedServer, answer
from tests.workers.processing.conftest import CountingEnsemble, Do, Make
from tests.workers.processing.jobs import job
from workers.fetching.urls import canonical_url
from workers.processing import resolve
from workers.storage.stores import Stores
from workers.storage.uploads import Uploads
from workers.storage.verdict_cache import upload_address


def test_who_asked_before_the_clock_was_set_back_has_an_answer(do: Do, site: HTTPServer) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(drawing()))
    asked_at = time.time() + 3600
    (known,) = do([site.url_for("/a.jpg")], since=asked_at)
    assert known.at >= asked_at


def test_each_spelling_of_an_address_is_asked_for_as_it_is_and_has_its_own_answer(do: Do) -> None:
    """A server may sign an address, and refuse another that means the same."""
    signed = "%7euser/a%2fb[1].jpg?s=ab%2fcd%3d|"
    file = answer(encoded(drawing()))
    others = ("~user/a%2fb[1].jpg?s=ab%2fcd%3d|", signed.replace("%2f", "%2F"), signed + "&", "?")
    with ScriptedServer(answer(b"", status="403 Forbidden"), **{signed: [file]}) as server:
        addresses = [canonical_url(server.url(path), LOOPBACK) for path in (*others, signed)]
        known = do(addresses)
        again = do(addresses, since=time.time())
    assert [request.split(" ")[1] for request in server.requests].count(f"/{signed}") == 2
    for each in (known, again):
        assert [found.error and found.error.code for found in each] == [
            *[ErrorCode.HTTP_STATUS] * len(others),
            None,
        ]


def test_a_smaller_copy_is_classified_and_names_the_image_seen_before(
    do: Do, site: HTTPServer, ensemble: CountingEnsemble
) -> None:
    small = photograph().resize((256, 256))
    site.expect_request("/a.jpg").respond_with_data(encoded(photograph()))
    site.expect_request("/small.webp").respond_with_data(encoded(small, "WEBP", quality=70))
    site.expect_request("/other.jpg").respond_with_data(encoded(drawing()))
    first, copy, other = (
        do([site.url_for(path)])[0].verdict for path in ("/a.jpg", "/small.webp", "/other.jpg")
    )
    assert first
    assert copy
    assert other
    assert ensemble.classified == 3
    (before,) = copy.similar
    assert (before.sha256, before.label) == (first.image.sha256, first.label)
    assert (before.probability, before.checked_at) == (first.probability, first.checked_at)
    assert first.similar == other.similar == ()


def test_the_same_image_at_two_urls_is_classified_once(
    do: Do, site: HTTPServer, ensemble: CountingEnsemble
) -> None:
    data = encoded(photograph())
    for path in ("/one.jpg", "/two.jpg", "/three.jpg"):
        site.expect_request(path).respond_with_data(data)
    known = do([site.url_for("/one.jpg"), site.url_for("/two.jpg")])
    known += do([site.url_for("/three.jpg")])
    assert ensemble.classified == 1
    assert len({each.verdict and each.verdict.checked_at for each in known}) == 1


def test_two_workers_that_meet_the_same_image_classify_it_once(
    stores: Stores, celery: Celery, make: Make, site: HTTPServer
) -> None:
    site.expect_request("/one.jpg").respond_with_data(data := encoded(photograph("coffee")))
    site.expect_request("/two.jpg").respond_with_data(data)
    together = threading.Barrier(2)

    class Waiting(CountingEnsemble):
        """Lets the other worker come while this one judges."""

        def classify(self, pixels) -> Classification:  # type: ignore[no-untyped-def]
            time.sleep(0.2)
            return super().classify(pixels)

    workers = [Waiting.load(), Waiting.load()]

    def work(number: int, path: str) -> None:
        do = Do(make(workers[number]), stores, celery)
        together.wait()
        do.jobs([job(site.url_for(path))])

    threads = [
        threading.Thread(target=work, args=args) for args in enumerate(("/one.jpg", "/two.jpg"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(worker.classified for worker in workers) == 1
    assert all(
        known and known.verdict
        for known in stores.cache.lookup([site.url_for("/one.jpg"), site.url_for("/two.jpg")])
    )


def test_an_image_that_has_not_changed_is_asked_for_by_its_etag_and_not_sent_again(
    do: Do, site: HTTPServer, ensemble: CountingEnsemble
) -> None:
    def answer(request: Request) -> Response:
        if request.headers.get("If-None-Match") == '"v1"':
            return Response(status=304)
        return Response(encoded(photograph()), headers={"ETag": '"v1"'})

    site.expect_request("/a.jpg").respond_with_handler(answer)
    url = site.url_for("/a.jpg")
    (first,) = do([url])
    now = time.time()
    (second,) = do([url], since=now)
    assert second.at >= now > first.at
    assert first.verdict is not None
    assert second.verdict is not None
    assert second.verdict.expires_at > first.verdict.expires_at
    assert second.verdict == first.verdict.model_copy(
        update={"expires_at": second.verdict.expires_at}
    )
    assert [response.status_code for _, response in site.log] == [200, 304]
    assert ensemble.classified == 1


def test_an_image_that_has_changed_is_judged_anew(do: Do, site: HTTPServer) -> None:
    bodies = [encoded(photograph("astronaut")), encoded(photograph("rocket"))]
    site.expect_ordered_request("/a.jpg").respond_with_data(
        bodies[0], headers={"Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}
    )
    site.expect_ordered_request(
        "/a.jpg", headers={"If-Modified-Since": "Mon, 05 Jan 2026 10:00:00 GMT"}
    ).respond_with_data(bodies[1])
    (first,) = do([site.url_for("/a.jpg")])
    (second,) = do([site.url_for("/a.jpg")], since=time.time())
    assert first.verdict is not None
    assert second.verdict is not None
    assert first.verdict.image.sha256 != second.verdict.image.sha256


def test_an_upload_is_judged_and_then_gone_from_the_disk(
    do: Do, uploads: Uploads, tmp_path: Path
) -> None:
    data = encoded(photograph())
    sha256 = hashlib.sha256(data).hexdigest()
    with uploads.receive([data]) as upload:
        upload.keep()
    (known,) = do([upload_address(sha256)])
    assert known.verdict is not None
    assert known.verdict.image.sha256 == sha256
    assert list((tmp_path / "uploads").iterdir()) == []


def test_an_image_that_killed_its_process_several_times_is_given_up(
    do: Do, stores: Stores, site: HTTPServer, ensemble: CountingEnsemble
) -> None:
    data = encoded(photograph())
    site.expect_request("/a.jpg").respond_with_data(data)
    for _ in range(resolve.MOST_ATTEMPTS):
        with (
            pytest.raises(KeyboardInterrupt),
            stores.image_locks.hold(hashlib.sha256(data).hexdigest()),
        ):
            raise KeyboardInterrupt
    (known,) = do([site.url_for("/a.jpg")])
    assert known.error is not None
    assert known.error.code == ErrorCode.INTERNAL
    assert ensemble.classified == 0
