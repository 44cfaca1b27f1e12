"""What a fetch sends, what it gives back, where it connects (the families "Names", "Redirects")."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from models.errors import ErrorCode
from tests.workers.fetch.conftest import HASTY, LOOPBACK, PATIENT
from tests.workers.fetch.servers import CERTIFICATE, Serve, answer, redirect
from workers.fetch import dial
from workers.fetch.client import Fetched, Fetcher, FetchError, Limits

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")  # no socket is left open

HOST = "pictures.localhost"
"""A name that no resolver is asked for by others; here each test says what it means."""


def code_of(fetcher: Fetcher, url: str) -> ErrorCode:
    with pytest.raises(FetchError) as refused:
        fetcher.get(url)
    assert refused.value.detail.endswith(".")
    assert "\n" not in refused.value.detail
    return refused.value.code


class Names:
    """A resolver that gives its answers in turn, the last for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


# The request and its answer


def test_a_file_is_fetched_with_its_validators(serve: Serve, fetcher: Fetcher) -> None:
    site = serve(answer(b"data", 'ETag: "1"', "Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT"))

    assert fetcher.get(site.url("a")) == Fetched(b"data", '"1"', "Sat, 01 Jan 2000 00:00:00 GMT")


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


def test_no_cookie_is_kept(serve: Serve, fetcher: Fetcher) -> None:
    site = serve(answer(b"", "Set-Cookie: a=b", "Location: /next", status="302 Found"))
    with pytest.raises(FetchError):
        fetcher.get(site.url())
    with pytest.raises(FetchError):
        fetcher.get(site.url())

    assert len(site.requests) == 8
    assert not any("Cookie" in request for request in site.requests)


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


# Names


def test_the_connection_goes_to_the_address_that_was_vetted(serve: Serve) -> None:
    """Rebinding: the second answer is another server's, and nobody asks for it."""
    site, other = serve(answer(b"right")), serve(answer(b"wrong"), host="127.0.0.2")
    names = Names(["127.0.0.1"], ["127.0.0.2"])

    fetched = Fetcher([LOOPBACK], names, PATIENT).get(site.url(host=HOST))

    assert fetched is not None
    assert fetched.data == b"right"
    assert names.asked == [HOST]
    assert other.connections == 0
    assert f"Host: {HOST}:{site.port}\r\n" in site.requests[0]


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(["127.0.0.1", "10.0.0.1"], id="private last"),
        pytest.param(["10.0.0.1", "127.0.0.1"], id="private first"),
        pytest.param(["127.0.0.1", "fe80::1%lo"], id="link-local with a zone"),
        pytest.param(["127.0.0.1", "::ffff:10.0.0.1"], id="mapped private"),
    ],
)
def test_a_mixed_answer_is_refused_whole(serve: Serve, addresses: list[str]) -> None:
    site = serve(answer(b"data"))

    fetcher = Fetcher([LOOPBACK], Names(addresses), PATIENT)

    assert code_of(fetcher, site.url(host=HOST)) == ErrorCode.BLOCKED_ADDRESS
    assert site.connections == 0


def test_the_next_address_is_tried_when_one_refuses(serve: Serve) -> None:
    site = serve(answer(b"data"), host="127.0.0.3")

    fetcher = Fetcher([LOOPBACK], Names(["127.0.0.2", "127.0.0.3"]), PATIENT)

    assert fetcher.get(site.url(host=HOST)) is not None


def test_a_name_without_an_address_is_a_dns_failure() -> None:
    def unknown(_: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert code_of(Fetcher(resolve=unknown), "http://nowhere.example/") == ErrorCode.DNS_FAILURE
    assert code_of(Fetcher(resolve=Names([])), "http://a.example/") == ErrorCode.DNS_FAILURE


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """An event that does not come before the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_a_resolver_that_never_answers_is_a_dns_failure(never: threading.Event) -> None:
    def silent(_: str) -> list[str]:
        never.wait()
        return []

    fetcher = Fetcher(resolve=silent, limits=HASTY)
    assert code_of(fetcher, "http://slow.example/") == ErrorCode.DNS_FAILURE


def test_a_private_answer_to_a_public_name_is_blocked(serve: Serve) -> None:
    site = serve(answer(b"secret"), host="127.0.0.1")
    fetcher = Fetcher([ip_network("127.0.0.2/32")], Names(["127.0.0.1"]), PATIENT)

    assert code_of(fetcher, site.url(host=HOST)) == ErrorCode.BLOCKED_ADDRESS
    assert site.connections == 0


def test_a_literal_address_is_never_looked_up(serve: Serve, fetcher: Fetcher) -> None:
    assert fetcher.get(serve(answer(b"data")).url()) is not None


def test_a_port_where_nobody_listens_is_a_connect_failure(fetcher: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    assert code_of(fetcher, f"http://127.0.0.1:{port}/") == ErrorCode.CONNECT_FAILURE


# Redirects


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
def test_a_redirect_is_followed(serve: Serve, fetcher: Fetcher, status: str) -> None:
    site = serve(old=[redirect("/new", status)], new=[answer(b"data")])

    fetched = fetcher.get(site.url("old"))
    assert fetched is not None
    assert fetched.data == b"data"


@pytest.mark.parametrize("location", ["new", "./new", "/a/../new", "?x=1/../new", "/n%65w#top"])
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


def test_a_place_is_held_at_each_host_while_it_is_asked_and_left_before_the_next(
    serve: Serve, fetcher: Fetcher
) -> None:
    last = serve(answer(b"data"))
    first = serve(redirect(last.url()))
    told = []

    @contextmanager
    def place(host: str) -> Iterator[None]:
        told.append(("enter", host, len(first.requests), len(last.requests)))
        yield
        told.append(("leave", host, len(first.requests), len(last.requests)))

    assert fetcher.get(first.url(), place=place) is not None
    hosts = [urlsplit(each.url()).netloc for each in (first, last)]
    assert told == [
        ("enter", hosts[0], 0, 0),
        ("leave", hosts[0], 1, 0),
        ("enter", hosts[1], 1, 0),
        ("leave", hosts[1], 1, 1),
    ]


def test_a_place_that_is_not_given_ends_the_fetch(serve: Serve, fetcher: Fetcher) -> None:
    last = serve(answer(b"data"))
    full = urlsplit(last.url()).netloc

    @contextmanager
    def place(host: str) -> Iterator[None]:
        if host == full:
            raise LookupError(host)
        yield

    with pytest.raises(LookupError):
        fetcher.get(serve(redirect(last.url())).url(), place=place)
    assert last.requests == []


def test_who_holds_a_place_sees_the_typed_error(serve: Serve, fetcher: Fetcher) -> None:
    seen = []

    @contextmanager
    def place(_: str) -> Iterator[None]:
        try:
            yield
        except FetchError as error:
            seen.append(error.code)
            raise

    with pytest.raises(FetchError):
        fetcher.get(serve(b"not HTTP").url(), place=place)
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


# TLS


def fetcher_that_trusts(monkeypatch: pytest.MonkeyPatch, limits: Limits) -> Fetcher:
    """Make a fetcher to which the tests' certificate is good."""
    monkeypatch.setattr(dial.certifi, "where", lambda: str(CERTIFICATE))
    return Fetcher([LOOPBACK], Names(["127.0.0.1"]), limits)


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> Fetcher:
    return fetcher_that_trusts(monkeypatch, PATIENT)


@pytest.fixture
def hasty_trusting(monkeypatch: pytest.MonkeyPatch) -> Fetcher:
    return fetcher_that_trusts(monkeypatch, HASTY)


def test_a_file_is_fetched_over_tls(serve: Serve, trusting: Fetcher) -> None:
    site = serve(answer(b"x" * 90_000), tls=True)

    for _ in range(2):
        fetched = trusting.get(site.url(host=HOST))
        assert fetched is not None
        assert len(fetched.data) == 90_000


def test_a_certificate_for_another_name_is_refused(serve: Serve, trusting: Fetcher) -> None:
    site = serve(answer(b"data"), tls=True)

    assert code_of(trusting, site.url(host=f"other.{HOST}")) == ErrorCode.CONNECT_FAILURE
    assert site.requests == []


def test_a_certificate_of_an_unknown_issuer_is_refused(serve: Serve) -> None:
    site = serve(answer(b"data"), tls=True)
    fetcher = Fetcher([LOOPBACK], Names(["127.0.0.1"]), PATIENT)

    assert code_of(fetcher, site.url(host=HOST)) == ErrorCode.CONNECT_FAILURE
    assert site.requests == []


def test_the_name_is_sent_before_the_certificate(serve: Serve, trusting: Fetcher) -> None:
    site = serve(b"not TLS")

    code_of(trusting, site.url(host=HOST).replace("http:", "https:"))

    assert HOST in site.requests[0]  # the ClientHello's server name


def test_a_server_that_says_nothing_in_the_handshake_times_out(
    serve: Serve, hasty_trusting: Fetcher
) -> None:
    site = serve(10.0)

    url = site.url(host=HOST).replace("http:", "https:")
    assert code_of(hasty_trusting, url) == ErrorCode.TIMEOUT


def test_slow_bytes_inside_tls_meet_the_same_deadline(
    serve: Serve, hasty_trusting: Fetcher
) -> None:
    site = serve(b"HTTP/1.1 200 OK\r\n\r\n", *[b"a", 0.1] * 50, tls=True)

    assert code_of(hasty_trusting, site.url(host=HOST)) == ErrorCode.TIMEOUT


def test_a_redirect_from_https_to_http_is_not_followed(serve: Serve, trusting: Fetcher) -> None:
    plain = serve(answer(b"data"))
    site = serve(redirect(plain.url()), tls=True)

    assert code_of(trusting, site.url(host=HOST)) == ErrorCode.BAD_URL
    assert plain.connections == 0


def test_a_redirect_from_http_to_https_is_followed(serve: Serve, trusting: Fetcher) -> None:
    site = serve(answer(b"data"), tls=True)

    assert trusting.get(serve(redirect(site.url(host=HOST))).url()) is not None
