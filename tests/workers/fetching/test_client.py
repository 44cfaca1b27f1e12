"""What a fetch sends, what it returns, and which redirects it follows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from models.errors import ErrorCode
from tests.workers.fetching.conftest import PATIENT, Names, code_of
from tests.workers.fetching.servers import Serve, answer, redirect
from workers.fetching.client import Fetched, Fetcher, FetchError

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")  # no socket is left open

HOST = "pictures.localhost"
"""A name that no resolver is asked for by others; here each test says what it means."""


# The request and its answer


def test_a_file_is_fetched_with_its_validators(serve: Serve, fetcher: Fetcher) -> None:
    site = serve(answer(b"data", 'ETag: "1"', "Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT"))

    assert fetcher.get(site.url("a")) == Fetched(
        b"data", '"1"', "Sat, 01 Jan 2000 00:00:00 GMT", url=site.url("a")
    )


def test_the_request_says_who_asks_and_what_for(serve: Serve, fetcher: Fetcher) -> None:
    site = serve(answer(b""))
    fetcher.get(site.url("a?b=c%20d"), referer="https://page.example")

    (request,) = site.requests
    assert request.startswith("GET /a?b=c%20d HTTP/1.1\r\n")
    for line in (
        f"Host: 127.0.0.1:{site.port}",
        "User-Agent: Assay/",
        "Accept: image/",
        "Accept-Encoding: identity\r\n",
        "Referer: https://page.example\r\n",
    ):
        assert f"\r\n{line}" in request


def test_a_file_that_has_not_changed_is_none(serve: Serve, fetcher: Fetcher) -> None:
    site = serve(answer(b"", status="304 Not Modified"))

    assert fetcher.get(site.url(), etag='"1"', last_modified="yesterday") is None
    assert 'If-None-Match: "1"\r\n' in site.requests[0]
    assert "If-Modified-Since: yesterday\r\n" in site.requests[0]


def test_nothing_of_the_environment_is_used(
    serve: Serve, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    site = serve(answer(b"data"))

    assert fetcher.get(site.url()) is not None
    assert "Authorization" not in site.requests[0]


def test_threads_may_share_a_fetcher(serve: Serve, fetcher: Fetcher) -> None:
    site = serve(answer(b"data"))
    results: list[Fetched | None] = []
    threads = [
        threading.Thread(target=lambda: results.append(fetcher.get(site.url()))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [result.data for result in results if result] == [b"data"] * 8


def test_no_connection_is_used_twice(serve: Serve, fetcher: Fetcher) -> None:
    """The server keeps its side open, as if it would answer another request."""
    site = serve(answer(b"data"), 10.0)

    for _ in range(2):
        assert fetcher.get(site.url()) is not None
    assert site.connections == 2


# Redirects


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
def test_a_redirect_is_followed(serve: Serve, fetcher: Fetcher, status: str) -> None:
    site = serve(old=[redirect("/new", status)], new=[answer(b"data")])

    fetched = fetcher.get(site.url("old"))
    assert fetched is not None
    assert fetched.data == b"data"


@pytest.mark.parametrize("location", ["new", "./new", "/a/../new", "?x=1/../new", "/%2e/new#top"])
def test_a_relative_redirect_is_followed(serve: Serve, fetcher: Fetcher, location: str) -> None:
    found = [answer(b"data")]
    site = serve(old=[redirect(location)], new=found, **{"old?x=1/../new": found})

    assert fetcher.get(site.url("old")) is not None


def test_three_hops_are_followed_and_four_are_not(serve: Serve, fetcher: Fetcher) -> None:
    site = serve(
        h0=[redirect("/h1")],
        h1=[redirect("/h2")],
        h2=[redirect("/h3")],
        h3=[redirect("/h4")],
        h4=[answer(b"data")],
    )

    assert fetcher.get(site.url("h1")) is not None
    assert code_of(fetcher, site.url("h0")) == ErrorCode.TOO_MANY_REDIRECTS


def test_a_loop_of_redirects_ends(serve: Serve, fetcher: Fetcher) -> None:
    site = serve(redirect("/again"))

    assert code_of(fetcher, site.url()) == ErrorCode.TOO_MANY_REDIRECTS
    assert site.connections == 4


def test_a_slot_is_held_at_each_host_while_it_is_asked_and_left_before_the_next(
    serve: Serve, fetcher: Fetcher
) -> None:
    last = serve(answer(b"data"))
    first = serve(redirect(last.url()))
    told = []

    @contextmanager
    def slot(host: str) -> Iterator[None]:
        told.append(("enter", host, len(first.requests), len(last.requests)))
        yield
        told.append(("leave", host, len(first.requests), len(last.requests)))

    assert fetcher.get(first.url(), slot=slot) is not None
    hosts = [urlsplit(each.url()).netloc for each in (first, last)]
    assert told == [
        ("enter", hosts[0], 0, 0),
        ("leave", hosts[0], 1, 0),
        ("enter", hosts[1], 1, 0),
        ("leave", hosts[1], 1, 1),
    ]


def test_a_slot_that_is_not_given_ends_the_fetch(serve: Serve, fetcher: Fetcher) -> None:
    last = serve(answer(b"data"))
    full = urlsplit(last.url()).netloc

    @contextmanager
    def slot(host: str) -> Iterator[None]:
        if host == full:
            raise LookupError(host)
        yield

    with pytest.raises(LookupError):
        fetcher.get(serve(redirect(last.url())).url(), slot=slot)
    assert last.requests == []


def test_who_holds_a_slot_sees_the_typed_error(serve: Serve, fetcher: Fetcher) -> None:
    seen = []

    @contextmanager
    def slot(_: str) -> Iterator[None]:
        try:
            yield
        except FetchError as error:
            seen.append(error.code)
            raise

    with pytest.raises(FetchError):
        fetcher.get(serve(b"not HTTP").url(), slot=slot)
    assert seen == [ErrorCode.CONNECT_FAILURE]


def test_a_private_address_behind_a_redirect_is_refused_and_gets_no_packet(serve: Serve) -> None:
    private = serve(answer(b"secret"), host="127.0.0.2")
    site = serve(redirect(private.url()))
    fetcher = Fetcher([ip_network("127.0.0.1/32")], limits=PATIENT)

    assert code_of(fetcher, site.url()) == ErrorCode.BLOCKED_ADDRESS
    assert private.connections == 0


def test_a_name_behind_a_redirect_is_vetted_anew(serve: Serve) -> None:
    private = serve(answer(b"secret"), host="127.0.0.2")
    site = serve(redirect(private.url(host=HOST)))
    fetcher = Fetcher([ip_network("127.0.0.1/32")], Names(["127.0.0.2"]), PATIENT)

    assert code_of(fetcher, site.url()) == ErrorCode.BLOCKED_ADDRESS
    assert private.connections == 0


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://10.0.0.1/", ErrorCode.BLOCKED_ADDRESS),
        ("http://2130706433.example@10.0.0.1/", ErrorCode.BAD_URL),
        ("http://[::ffff:169.254.169.254]/", ErrorCode.BLOCKED_ADDRESS),
        ("file:///etc/passwd", ErrorCode.BAD_URL),
        ("javascript:alert(1)", ErrorCode.BAD_URL),
        ("data:image/png;base64,AAAA", ErrorCode.BAD_URL),
        ("http://[half/", ErrorCode.BAD_URL),
        ("http://example.com:22/", ErrorCode.BAD_URL),
    ],
)
def test_a_redirect_is_vetted_as_a_url_is(
    serve: Serve, fetcher: Fetcher, location: str, code: ErrorCode
) -> None:
    assert code_of(fetcher, serve(redirect(location)).url()) == code


def test_a_redirect_to_localhost_is_blocked(serve: Serve) -> None:
    site = serve(redirect("http://localhost/"), host="127.0.0.1")
    fetcher = Fetcher([ip_network("127.0.0.1/32")], Names(["127.0.0.2"]), PATIENT)

    assert code_of(fetcher, site.url()) == ErrorCode.BLOCKED_ADDRESS


def test_a_redirect_without_a_location_is_a_status(serve: Serve, fetcher: Fetcher) -> None:
    site = serve(answer(b"", status="302 Found"))

    assert code_of(fetcher, site.url()) == ErrorCode.HTTP_STATUS


def test_a_redirect_to_nowhere_is_a_status(serve: Serve, fetcher: Fetcher) -> None:
    site = serve(answer(b"", "Location: ", status="302 Found"))

    assert code_of(fetcher, site.url()) == ErrorCode.HTTP_STATUS
    assert site.connections == 1


@pytest.mark.parametrize("second", ["/a", "/b"])
def test_a_redirect_to_two_places_is_refused(serve: Serve, fetcher: Fetcher, second: str) -> None:
    both = answer(b"", "Location: /a", f"Location: {second}", status="302 Found")
    site = serve(both, a=[answer(b"data")])

    if second == "/a":
        assert fetcher.get(site.url()) is not None
    else:
        assert code_of(fetcher, site.url()) == ErrorCode.BAD_URL


def test_a_redirects_body_is_not_read(serve: Serve, fetcher: Fetcher) -> None:
    endless = b"HTTP/1.1 302 Found\r\nLocation: /new\r\n\r\n"
    site = serve(old=[endless, b"a" * 70_000, 10.0], new=[answer(b"data")])

    assert fetcher.get(site.url("old")) is not None


def test_a_referer_is_not_sent_on_to_another_origin(serve: Serve, fetcher: Fetcher) -> None:
    other = serve(answer(b"data"))
    site = serve(here=[redirect("/there")], there=[redirect(other.url())])

    fetcher.get(site.url("here"), referer="https://page.example")

    assert ["Referer" in request for request in site.requests] == [True, True]
    assert ["Referer" in request for request in other.requests] == [False]
