"""Where a fetch connects: names, addresses and TLS."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from models.errors import ErrorCode
from tests.workers.fetching.conftest import HASTY, LOOPBACK, PATIENT, Names, code_of
from tests.workers.fetching.servers import CERTIFICATE, Serve, answer, redirect
from workers.fetching import sockets
from workers.fetching.client import Fetcher, Limits

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")  # no socket is left open

HOST = "pictures.localhost"
"""A name that no resolver is asked for by others; here each test says what it means."""


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


# TLS


def fetcher_that_trusts(monkeypatch: pytest.MonkeyPatch, limits: Limits) -> Fetcher:
    """Make a fetcher to which the tests' certificate is good."""
    monkeypatch.setattr(sockets.certifi, "where", lambda: str(CERTIFICATE))
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


def test_a_final_dot_of_a_name_is_for_the_server_and_not_for_its_certificate(
    serve: Serve, trusting: Fetcher
) -> None:
    site = serve(answer(b"data"), tls=True)

    assert trusting.get(site.url(host=f"{HOST}.")) is not None
    assert f"Host: {HOST}.:{site.port}\r\n" in site.requests[0]


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
