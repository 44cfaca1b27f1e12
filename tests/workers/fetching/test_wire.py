"""What a server receives is what a browser would send it, byte for byte.

The URLs of this file were put before Chromium, too: `tests/e2e/test_wire.py`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network

import pytest
from ada_url import URL
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.workers.fetching.conftest import LOOPBACK, PATIENT, no_names
from tests.workers.fetching.servers import ScriptedServer, Serve, answer, redirect
from workers.fetching import FetchError
from workers.fetching.client import Fetcher
from workers.fetching.urls import canonical_url

# What is written after the host, and the request target that it becomes. Chromium differs from the
# URL Standard in one thing, which it has asked for already where it tells us a URL: a "|" of a path
# is "%7C".
TARGETS = {
    "": "/",
    "/": "/",
    "/%7euser/i.jpg": "/%7euser/i.jpg",
    "/~user/i.jpg": "/~user/i.jpg",
    "/a%2fb%2Fc": "/a%2fb%2Fc",
    "/a[1].jpg": "/a[1].jpg",
    "/q?s=ab%2fcd%3d": "/q?s=ab%2fcd%3d",
    "/q?a|b": "/q?a|b",
    "/q?a=%7e~%41&b=[]{}`^\\": "/q?a=%7e~%41&b=[]{}`^\\",
    "/q?a'b\"<c>": "/q?a%27b%22%3Cc%3E",
    "/q?a b+c%20d": "/q?a%20b+c%20d",
    "/q?a?b&;=": "/q?a?b&;=",
    "/q?": "/q?",
    "/q?#": "/q?",
    "/q#?": "/q",
    "?q": "/?q",
    "/%41%5b%5B%e9": "/%41%5b%5B%e9",
    "/é日本💩?é": "/%C3%A9%E6%97%A5%E6%9C%AC%F0%9F%92%A9?%C3%A9",
    "/100%/%zz/%": "/100%/%zz/%",
    '/{x}^`"<>': "/%7Bx%7D%5E%60%22%3C%3E",
    "/x'y(z)!*,;:@&=+$-._": "/x'y(z)!*,;:@&=+$-._",
    "/x y": "/x%20y",
    "/%00%0A%20": "/%00%0A%20",
    "/a/./b/../c": "/a/c",
    "/a/%2e%2E/.%2e/d": "/d",
    "/a/..": "/",
    "/...//b//": "/...//b//",
    "/..%2fx/%2f..": "/..%2fx/%2f..",
    "\\a\\b?\\c": "/a/b?\\c",
}


@pytest.fixture
def site(serve: Serve) -> ScriptedServer:
    return serve(answer(b"data"))


def target_of(head: str) -> str:
    """The request target, of a request's head."""
    return head.split("\r\n")[0].removeprefix("GET ").removesuffix(" HTTP/1.1")


def host_of(head: str) -> str:
    (line,) = [line for line in head.split("\r\n") if line.lower().startswith("host:")]
    return line.partition(": ")[2]


def get(fetcher: Fetcher, site: ScriptedServer, url: str) -> str:
    """Fetch, and return the head of the request as it came."""
    site.requests.clear()
    assert fetcher.get(url) is not None
    (head,) = site.requests
    return head


@pytest.mark.parametrize(("written", "target"), TARGETS.items())
def test_the_target_is_what_the_page_wrote(
    site: ScriptedServer, fetcher: Fetcher, written: str, target: str
) -> None:
    head = get(fetcher, site, f"http://127.0.0.1:{site.port}{written}")
    assert target_of(head) == target
    assert host_of(head) == f"127.0.0.1:{site.port}"


characters = st.one_of(
    st.sampled_from("/.%?#&=+ \\:;,@[]{}|^`~'\"<>!$()*-_2eE7fF"),
    st.characters(exclude_categories=["Cs", "Cc"]),
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(characters, max_size=60))
@example("%7e%7E~%2f%2F")
def test_the_target_is_what_the_url_standard_makes_of_it(
    site: ScriptedServer, fetcher: Fetcher, written: str
) -> None:
    url = f"http://127.0.0.1:{site.port}/{written}"
    href = URL(url).href
    assert canonical_url(url, [LOOPBACK]) == href.partition("#")[0]

    head = get(fetcher, site, url)

    assert f"http://{host_of(head)}{target_of(head)}" == href.partition("#")[0]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(characters, min_size=1, max_size=40).filter(str.strip))
@example("/%7e~|%2f?|'")
@example("/é?é")
@example("?")
def test_a_redirect_is_followed_to_what_its_location_says(fetcher: Fetcher, written: str) -> None:
    """A browser reads it as relative to the URL that was asked for; ada-url tells."""
    start = "start/here?q"
    with ScriptedServer(answer(b"data"), **{start: [redirect(written.strip())]}) as site:
        href = URL(written.strip(), site.url(start)).href.partition("#")[0]
        if href == site.url(start) or not href.startswith(site.url()):
            return  # a loop, or another host
        assert fetcher.get(site.url(start)) is not None
        assert target_of(site.requests[1]) == href.removeprefix(site.url("")[:-1])


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (b"/caf\xc3\xa9", "/caf%C3%A9"),
        (b"/caf\xe9?\xe9", "/caf%E9?%E9"),
        (b"/two\r\n words", "/two%20words"),
        (b"http:relative", "/relative"),
        (b"http:/rooted", "/rooted"),
    ],
)
def test_a_location_is_bytes(serve: Serve, fetcher: Fetcher, location: bytes, target: str) -> None:
    """Chromium escapes each that is not ASCII, be it UTF-8 or not."""
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
    site = serve(answer(b"data"), start=[head])

    assert fetcher.get(site.url("start")) is not None
    assert target_of(site.requests[1]) == target


# Hosts as Chromium sends them, of names that are all this machine's
HOSTS = {
    "LocalHost": "localhost",
    "localhost.": "localhost.",
    "ß.localhost": "xn--zca.localhost",
    "BÜCHER.localhost": "xn--bcher-kva.localhost",
    "b%C3%BCcher.localhost": "xn--bcher-kva.localhost",
    "☃.localhost": "xn--n3h.localhost",
    "💩.localhost": "xn--ls8h.localhost",
    "my_pics.localhost": "my_pics.localhost",
    "-a-.localhost": "-a-.localhost",
    "ab--c.localhost": "ab--c.localhost",
    "ｗｗｗ。localhost": "www.localhost",
    "soft\u00adhyphen.localhost": "softhyphen.localhost",
    "İ.localhost": "xn--i-9bb.localhost",
    "a" * 63 + ".localhost": "a" * 63 + ".localhost",
    "2130706433": "127.0.0.1",
    "0x7f.1": "127.0.0.1",
    "0177.0.0.01": "127.0.0.1",
    "127.0.0.1.": "127.0.0.1",
    "１２７。０.0.1": "127.0.0.1",
}


@pytest.mark.parametrize(("written", "sent"), HOSTS.items())
def test_the_host_is_what_a_browser_sends(site: ScriptedServer, written: str, sent: str) -> None:
    asked: list[str] = []

    def resolve(name: str) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"]

    fetcher = Fetcher([LOOPBACK], resolve, PATIENT)
    head = get(fetcher, site, f"http://{written}:{site.port}/a")

    assert host_of(head) == f"{sent}:{site.port}"
    assert asked in ([sent.removesuffix(".")], [])


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_ipv6_address_is_sent_in_brackets(serve: Serve) -> None:
    site = serve(answer(b"data"), host="::1")
    fetcher = Fetcher([ip_network("::1/128")], no_names, PATIENT)

    head = get(fetcher, site, f"http://[0::0:1]:{site.port}/a")

    assert host_of(head) == f"[::1]:{site.port}"


def test_a_name_with_a_final_dot_has_its_place_at_the_name_without(site: ScriptedServer) -> None:
    told: list[str] = []
    fetcher = Fetcher([LOOPBACK], lambda _: ["127.0.0.1"], PATIENT)

    @contextmanager
    def slot(host: str) -> Iterator[None]:
        told.append(host)
        yield

    for host in ("a.localhost", "a.localhost."):
        fetcher.get(site.url(host=host), slot=slot)
    assert told == [f"a.localhost:{site.port}"] * 2


@pytest.mark.parametrize("host", ["a*b.localhost", "user@localhost", "a%00b.localhost"])
def test_a_host_that_no_browser_asks_is_not_asked(
    site: ScriptedServer, fetcher: Fetcher, host: str
) -> None:
    with pytest.raises(FetchError):
        fetcher.get(site.url(host=host))
    assert site.connections == 0
