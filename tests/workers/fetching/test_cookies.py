"""Cookies that redirects set: sent back within the fetch, to their host alone, then forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from models.errors import ErrorCode
from tests.workers.fetching.conftest import LOOPBACK, PATIENT
from tests.workers.fetching.servers import Serve, Step, answer, redirect
from workers.fetching.client import Fetcher, FetchError
from workers.fetching.cookies import MOST_BYTES, MOST_COOKIES, Cookies

HERE = "https://www.example.com/a/b?c"


def sent(
    lines: Sequence[str], *, setter: str = HERE, asked: str = "https://www.example.com/a/d"
) -> str | None:
    """What goes to one URL of what another has set."""
    cookies = Cookies()
    cookies.store(urlsplit(setter), lines)
    return cookies.header(urlsplit(asked))


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("a=1", "a=1"),
        ("a=1; Path=/; HttpOnly; SameSite=Lax; Secure", "a=1"),
        (" a = 1 ;Path=/", "a=1"),
        ('a="x y"', 'a="x y"'),
        ("a=b=c,d", "a=b=c,d"),
        ("a=", "a="),
        ("alone", "alone"),
        ("=alone", "alone"),
        ("a=caf\xc3\xa9", "a=caf\xc3\xa9"),
        ("a=1; Domain=www.example.com", "a=1"),
        ("a=1; Domain=.EXAMPLE.com", "a=1"),
        ("a=1; Domain=", "a=1"),
        ("a=1; Path=/a", "a=1"),
        ("a=1; Path=relative", "a=1"),
        ("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=1"),
        ("a=1; Max-Age=soon", "a=1"),
        ("a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT", "a=1"),
        ("a=1; Expires=never", "a=1"),
        ("a=1; Expires=Sun, 06 Nov 9999999999 08:49:37 GMT", "a=1"),
        ("__Secure-a=1; Secure", "__Secure-a=1"),
        ("__Host-a=1; Secure; Path=/", "__Host-a=1"),
        ("a" * 96 + "=" + "b" * 4000, "a" * 96 + "=" + "b" * 4000),
    ],
)
def test_a_cookie_goes_back_as_it_was_set(line: str, header: str) -> None:
    assert sent([line]) == header


@pytest.mark.parametrize(
    "line",
    [
        "",
        ";",
        "=",
        "a=1; Domain=example.org",
        "a=1; Domain=other.example.com",
        "a=1; Domain=ample.com",
        "a=1; Path=/b",
        "a=1; Path=/a/b/c",
        "a=1; Max-Age=0",
        "a=1; Max-Age=-1",
        "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "a=1; Expires=Thu, 01-Jan-1970 00:00:00 GMT",
        "a=1; Max-Age=60; Max-Age=0",
        "__Secure-a=1",
        "__host-a=1; Secure; Path=/; Domain=www.example.com",
        "__Host-a=1; Secure",
        "__Host-a=1; Path=/",
        "=__Host-a=1",
        "a=1\r\n Injected: yes",
        "a=\0",
        "a" * 97 + "=" + "b" * 4000,
    ],
)
def test_a_cookie_that_browsers_would_not_send_is_not_sent(line: str) -> None:
    assert sent([line]) is None


@pytest.mark.parametrize(
    ("setter", "asked"),
    [
        ("https://www.example.com/", "https://example.com/"),
        ("https://example.com/", "https://www.example.com/"),
        ("https://www.example.com/", "https://other.example.com/"),
        ("https://www.example.com/", "https://www.example.com.evil.example/"),
        ("http://127.0.0.1/", "http://127.0.0.2/"),
        ("https://www.example.com/", "https://www.example.com./"),
    ],
)
def test_a_cookie_is_its_host_s_alone_whatever_its_domain(setter: str, asked: str) -> None:
    for domain in ("", "; Domain=example.com", "; Domain=com", "; Domain=0.0.1"):
        assert sent([f"a=1; Path=/{domain}"], setter=setter, asked=asked) is None


def test_a_secure_cookie_never_travels_in_the_open() -> None:
    plain = "http://www.example.com/a/b"
    assert sent(["a=1; Secure"], asked=plain) is None
    assert sent(["a=1; Secure"], setter=plain) is None
    assert sent(["a=1"], setter=plain) == "a=1"


def test_a_port_is_no_other_host() -> None:
    assert sent(["a=1"], asked="https://www.example.com:8443/a/") == "a=1"


def test_cookies_have_the_order_of_browsers_and_the_last_of_a_name_counts() -> None:
    lines = ["a=1", "b=2; Path=/a/d", "c=3", "a=4", "d=5; Path=/", "c=; Max-Age=0"]
    assert sent(lines) == "b=2; a=4; d=5"


def test_no_more_cookies_are_kept_than_the_limit() -> None:
    cookies = Cookies()
    cookies.store(urlsplit(HERE), [f"{n}={'x' * 4000}" for n in range(10 * MOST_COOKIES)])
    header = cookies.header(urlsplit(HERE))

    assert header is not None
    assert header.count("; ") == MOST_COOKIES - 1
    assert len(header) < MOST_COOKIES * (MOST_BYTES + 3)


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=80), max_size=5))
def test_whatever_is_set_what_is_sent_is_one_line(lines: list[str]) -> None:
    header = sent(lines)

    assert header is None or not any(ord(each) < 32 and each != "\t" for each in header)


# In a fetch


def cookie_of(request: str) -> str | None:
    """The Cookie header of a request's head."""
    lines = [line for line in request.split("\r\n") if line.lower().startswith("cookie:")]
    assert len(lines) <= 1
    return lines[0].partition(": ")[2] if lines else None


def setting(*cookies: str, location: str) -> bytes:
    """A redirect that sets cookies."""
    lines = [f"Set-Cookie: {cookie}" for cookie in cookies]
    return answer(b"", *lines, f"Location: {location}", status="302 Found")


def test_a_redirect_to_itself_that_waits_for_a_cookie_brings_the_file(
    httpserver: HTTPServer, fetcher: Fetcher
) -> None:
    def gate(request: Request) -> Response:
        if request.cookies.get("seen") == "1":
            return Response(b"data")
        return Response(status=302, headers={"Location": "/", "Set-Cookie": "seen=1; Path=/"})

    httpserver.expect_request("/").respond_with_handler(gate)
    url = f"http://127.0.0.1:{httpserver.port}/"

    for asked in (2, 4):  # the second fetch begins anew
        fetched = fetcher.get(url)
        assert fetched is not None
        assert fetched.data == b"data"
        assert len(httpserver.log) == asked


def test_cookies_go_along_all_redirects_of_a_fetch_and_no_further(
    serve: Serve, fetcher: Fetcher
) -> None:
    site = serve(
        answer(b"data"),
        one=[setting("a=1", "b=2", location="/two")],
        two=[setting("a=3", "b=; Max-Age=0", location="/three")],
        three=[redirect("/last")],
    )

    for _ in range(2):
        fetcher.get(site.url("one"))

    assert [cookie_of(each) for each in site.requests] == [None, "a=1; b=2", "a=3", "a=3"] * 2


def test_a_redirect_that_no_cookie_helps_ends(serve: Serve, fetcher: Fetcher) -> None:
    site = serve(setting("a=1", location="/"))

    with pytest.raises(FetchError) as refused:
        fetcher.get(site.url())

    assert refused.value.code == ErrorCode.TOO_MANY_REDIRECTS
    assert [cookie_of(each) for each in site.requests] == [None, *["a=1"] * 3]


def test_another_host_gets_no_cookie_and_the_first_has_its_own_again(serve: Serve) -> None:
    there: list[Step] = []
    other = serve(host="127.0.0.2", there=there)
    first = serve(
        answer(b"data"), start=[setting("a=1; Domain=127.0.0.1", location=other.url("there"))]
    )
    there.append(setting("b=2; Domain=0.0.1", location=first.url("back")))

    assert Fetcher([LOOPBACK], limits=PATIENT).get(first.url("start")) is not None
    assert [cookie_of(each) for each in first.requests] == [None, "a=1"]
    assert [cookie_of(each) for each in other.requests] == [None]


@pytest.mark.parametrize("cookie", ["a=1\0", "a=\x01", "a=" + "b" * 9000])
def test_a_cookie_that_is_none_changes_no_request(
    serve: Serve, fetcher: Fetcher, cookie: str
) -> None:
    site = serve(answer(b"data"), start=[setting(cookie, location="/")])

    assert fetcher.get(site.url("start")) is not None
    assert cookie_of(site.requests[1]) is None


def test_a_folded_header_injects_nothing(serve: Serve, fetcher: Fetcher) -> None:
    site = serve(answer(b"data"), start=[setting("a=1\r\n Injected: yes", location="/")])

    assert fetcher.get(site.url("start")) is not None
    assert cookie_of(site.requests[1]) == "a=1 Injected: yes"
