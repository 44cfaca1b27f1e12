"""One POST to a webhook: where it may go, what is sent, and which receivers cannot hold it up.

Addresses beyond loopback are tried through the vetting alone, so no packet leaves this machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from ipaddress import ip_network

import pytest

from models.errors import ErrorCode
from tests.workers.fetching.conftest import no_names
from tests.workers.fetching.servers import CERTIFICATE, Serve, answer
from tests.workers.webhooks.receiver import Receiver
from workers.fetching import FetchError, addresses, sockets
from workers.fetching.sockets import Limits
from workers.webhooks.address import webhook_url
from workers.webhooks.post import LIMITS, Answer, Poster

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")  # no socket is left open

LOOPBACK = [ip_network("127.0.0.0/8")]
NAME = "hooks.example"
HASTY = Limits(resolve=0.3, connect=0.3, between_bytes=0.5, total=0.8, max_bytes=0)


def poster(*addresses: str, limits: Limits = LIMITS, allow: Sequence[str] = ()) -> Poster:
    nets = [ip_network(net) for net in allow] if allow else LOOPBACK
    return Poster(nets, (lambda _: addresses) if addresses else no_names, limits)


def refusal(poster: Poster, url: str) -> ErrorCode:
    with pytest.raises(FetchError) as refused:
        poster.post(url, b"{}", {})
    return refused.value.code


# Which URLs may be a webhook


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/assay?token=a",
        "https://hooks.example:8443/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
    ],
)
def test_https_to_the_public_web_may_be_a_webhook(url: str) -> None:
    assert webhook_url(url) == url


@pytest.mark.parametrize(
    ("url", "code"),
    [
        *(
            (f"https://{host}/hook", ErrorCode.BLOCKED_ADDRESS)
            for host in (
                *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
                *("0.0.0.0", "100.64.0.1", "255.255.255.255", "127.1", "0x7f.1", "2130706433"),
                *("[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]"),
                *("localhost", "LOCALHOST.", "x.localhost"),
            )
        ),
        ("http://hooks.example/", ErrorCode.BAD_URL),
        ("http://8.8.8.8/", ErrorCode.BAD_URL),
        ("http://127.0.0.1/", ErrorCode.BLOCKED_ADDRESS),
        ("https://hooks.example:22/", ErrorCode.BAD_URL),
        ("https://hooks.example:0/", ErrorCode.BAD_URL),
        ("https://user:password@hooks.example/", ErrorCode.BAD_URL),
        ("ftp://hooks.example/", ErrorCode.BAD_URL),
        ("file:///etc/passwd", ErrorCode.BAD_URL),
        ("javascript:alert(1)", ErrorCode.BAD_URL),
        ("//hooks.example/", ErrorCode.BAD_URL),
        ("hooks.example", ErrorCode.BAD_URL),
        ("https://", ErrorCode.BAD_URL),
        ("", ErrorCode.BAD_URL),
        ("https://hooks.example/\r\nX: y", ErrorCode.BAD_URL),
        ("https://hooks.example/\0", ErrorCode.BAD_URL),
        ("https://hooks.example/" + "a" * 5000, ErrorCode.BAD_URL),
    ],
)
def test_what_cannot_be_a_webhook_is_refused_when_it_is_named(url: str, code: ErrorCode) -> None:
    with pytest.raises(FetchError) as refused:
        webhook_url(url)
    assert refused.value.code == code


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/hook", "http://localhost:9000/hook"])
def test_http_is_for_networks_that_the_operator_allows(url: str) -> None:
    assert webhook_url(url, LOOPBACK) == url


@pytest.mark.parametrize("url", ["http://8.8.8.8/", "http://[2606:4700::1111]/"])
def test_http_to_the_public_web_is_refused_whatever_else_is_allowed(url: str) -> None:
    with pytest.raises(FetchError, match="https"):
        webhook_url(url, LOOPBACK)


# Where a request goes


def test_a_name_is_looked_up_once_and_connected_to_where_it_led() -> None:
    asked: list[str] = []

    def rebinding(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    # A port beyond the usual ones needs the literal or localhost; here the name means loopback.
    with Receiver().running() as receiver:
        url = f"http://a.localhost:{receiver.port}/"
        assert Poster(LOOPBACK, rebinding).post(url, b"{}", {}) == Answer(204)
    assert asked == ["a.localhost"]


@pytest.mark.parametrize(
    "led_to",
    [("10.0.0.1",), ("169.254.169.254",), ("127.0.0.1", "10.0.0.1"), ("::1",), ("fd00::1",)],
    ids=str,
)
def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    led_to: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets._Socket, "connect", _must_not_connect)
    sender = poster(*led_to, allow=["127.0.0.0/8"])
    for scheme in ("https", "http"):
        assert refusal(sender, f"{scheme}://{NAME}/") == ErrorCode.BLOCKED_ADDRESS


def _must_not_connect(*_: object) -> None:
    raise AssertionError("a connection was opened")


def test_http_to_a_name_outside_the_allowed_networks_sends_nothing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loopback stands for the public web here, and only 127.0.0.9 for what is allowed."""
    monkeypatch.setattr(addresses, "_NOT_PUBLIC", ())
    site = serve(answer(b""), host="127.0.0.1")
    sender = poster("127.0.0.1", allow=["127.0.0.9/32"])
    assert refusal(sender, site.url("hook", "a.localhost")) == ErrorCode.BAD_URL
    assert not any(site.requests)


def test_a_redirect_is_an_answer_and_is_not_followed(serve: Serve) -> None:
    other = serve(answer(b""))
    for target in (other.url("secret"), "http://10.0.0.1/", "https://169.254.169.254/"):
        with Receiver(307, headers={"Location": target}).running() as receiver:
            assert poster().post(receiver.url, b"{}", {}).status == 307
    assert other.connections == 0


# What is sent


def test_the_body_and_the_fields_arrive_as_they_were_given() -> None:
    with Receiver(202).running() as receiver:
        assert poster().post(f"{receiver.url}?a=%2f", b'{"\xc3\xa9": 1}', {"webhook-id": "x"}) == (
            Answer(202)
        )
    (got,) = receiver.received
    assert (got.path, got.body, got.id) == ("/hook?a=%2f", b'{"\xc3\xa9": 1}', "x")
    assert got.headers["Host"] == receiver.url.split("/")[2]
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["User-Agent"].startswith("Assay/")
    assert not {"Authorization", "Cookie", "Referer"} & set(got.headers)


def test_over_tls_the_certificate_must_be_good(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver(204, tls=True).running() as receiver:
        url = f"https://pictures.localhost:{receiver.port}/hook"
        assert refusal(poster("127.0.0.1"), url) == ErrorCode.CONNECT_FAILURE
        assert not receiver.received
        monkeypatch.setattr(sockets.certifi, "where", lambda: str(CERTIFICATE))
        assert poster("127.0.0.1").post(url, b"{}", {}) == Answer(204)
        other = f"https://other.localhost:{receiver.port}/hook"
        assert refusal(poster("127.0.0.1"), other) == ErrorCode.CONNECT_FAILURE
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("field", "seconds"), [("30", 30), ("x", None), ("Sat, 01 Jan 2000 00:00:00 GMT", 0)]
)
def test_a_receiver_may_say_when_it_wants_to_be_asked_again(
    field: str, seconds: float | None
) -> None:
    with Receiver(503, headers={"Retry-After": field}).running() as receiver:
        assert poster().post(receiver.url, b"{}", {}) == Answer(503, seconds)


# Receivers that are no good


@pytest.mark.parametrize(
    ("script", "codes"),
    [
        pytest.param([60.0], {ErrorCode.TIMEOUT}, id="says nothing"),
        pytest.param([b"H", 0.2] * 100, {ErrorCode.TIMEOUT}, id="a byte now and then"),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n", 0.2] * 100],
            {ErrorCode.TIMEOUT},
            id="slow headers",
        ),
        pytest.param(
            [b"HTTP/1.1 100 Continue\r\n\r\n", 0.01] * 5000, {ErrorCode.TIMEOUT}, id="only 100s"
        ),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 2**20],
            {ErrorCode.CONNECT_FAILURE, ErrorCode.TOO_LARGE},
            id="a huge header",
        ),
        pytest.param(
            [b"HTTP/1.1 100 Continue\r\n\r\n" * 2**15, 60.0],
            {ErrorCode.TIMEOUT, ErrorCode.TOO_LARGE, ErrorCode.CONNECT_FAILURE},
            id="a flood of 100s",
        ),
        pytest.param([b"hello\r\n\r\n"], {ErrorCode.CONNECT_FAILURE}, id="no HTTP"),
        pytest.param([b"HTTP/1.1 abc OK\r\n\r\n"], {ErrorCode.CONNECT_FAILURE}, id="no status"),
        pytest.param([], {ErrorCode.CONNECT_FAILURE}, id="hangs up"),
    ],
)
def test_a_receiver_that_is_no_good_is_given_up_in_time(
    serve: Serve, script: list[bytes | float], codes: set[ErrorCode]
) -> None:
    site = serve(*script)
    began = time.monotonic()
    assert refusal(poster(limits=HASTY), site.url()) in codes
    assert time.monotonic() - began < 60


def test_the_answer_s_body_is_not_waited_for(serve: Serve) -> None:
    site = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", 60.0)
    assert poster(limits=HASTY).post(site.url(), b"{}", {}) == Answer(200)


def test_where_nobody_listens_is_a_connect_failure(free_port: int) -> None:
    assert refusal(poster(), f"http://127.0.0.1:{free_port}/") == ErrorCode.CONNECT_FAILURE


def test_a_name_that_nobody_knows_is_a_dns_failure() -> None:
    def unknown(host: str) -> list[str]:
        raise OSError(host)

    assert refusal(Poster(LOOPBACK, unknown), f"https://{NAME}/") == ErrorCode.DNS_FAILURE
