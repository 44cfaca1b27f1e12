"""URLs as we and other parsers read them: who disagrees about the host can be led astray (SSRF).

ada-url is the parser of Node.js, and follows the standard that browsers follow. What it says of a
URL as it came is held against what is read of the URL that is fetched.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
import urllib3
from ada_url import URL
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workers.fetching import FetchError
from workers.fetching.addresses import is_reachable
from workers.fetching.urls import canonical_url

# What parsers have stumbled over: separators, encoded separators, dots and digits of other scripts,
# what is invisible, numbers that are addresses, and names of this machine.
# fmt: off
ATOMS = (
    "http:", "https:", "/", "//", "\\", "\\\\", "@", ":", "::", "[", "]", "?", "#", " ", "\t", "\n",
    "\r", "\0", "\x7f", "\x85", "%", "%25", "%2e", "%2f", "%00", "%40", "%5b", "%3a", "%23", "~",
    "127", "0", "1", "10", "255", "256", "08", "0x", "0x7f", "0177", "2130706433", "4294967296",
    ".", "..", "。", "．", "｡", "…", "︒", "１", "２", "٣", "⑫", "Ⅳ", "-", "+", "_", "1_0", "0x-1",
    "localhost", "LOCALHOST", "ⓛocalhost", "example.com", "a", "ü", "ß", "İ", "ı", "K", "ﬀ",
    "xn--", "xn--a", "xn--bcher-kva", "\u200d", "\u200b", "\u00ad", "\ufeff", "\u202e", "\u2028",
    "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "fe80::1", "%25lo", "64:ff9b::7f00:1", "1.2.3.4",
    "user", "pw", "!", "e\u0301", "80", "443", "8080", "22", "65536", "00080", "*", ",", "&",
)
# fmt: on
urls = st.tuples(
    st.sampled_from(
        ["http://", "https://", "HTTP://", "http:\\\\", " http://", "http:/", "//", ""]
    ),
    st.lists(st.sampled_from(ATOMS) | st.characters(exclude_categories=["Cs"]), max_size=8).map(
        "".join
    ),
    st.sampled_from(["", "/", "/a", "?b", "#c", "\\d", ":80/", ":8080/a", "/a/../%2e%2E/b?c d"]),
).map("".join)


def ours(url: str) -> str | None:
    """The canonical URL; None where it is refused. Whatever else is raised fails the test."""
    try:
        return canonical_url(url)
    except FetchError:
        return None


def theirs(url: str) -> URL | None:
    try:
        return URL(url)
    except ValueError:
        return None


def is_private(host: str) -> bool:
    """Whether a host as ada-url writes it is this machine or an address that is not public."""
    host = host.strip("[]").removesuffix(".")
    try:
        return not is_reachable(ip_address(host))
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@settings(max_examples=300, deadline=None)
@given(urls)
@example("http://-1.2.3.4/")
@example("http://0x-1.2.3.4/")
@example("http://+1.2.3.4/")
@example("http:// 1.2.3.4/")
@example("http://1_0.2.3.4/")
def test_what_is_accepted_is_what_a_browser_would_request(url: str) -> None:
    canonical, whatwg = ours(url), theirs(url)
    if canonical is None:
        return
    assert whatwg is not None, "a browser would not fetch this"
    assert canonical == ours(canonical), "the canonical URL is its own"
    again = theirs(canonical)
    assert again is not None
    assert again.host == whatwg.host
    assert (again.protocol, again.pathname) == (whatwg.protocol, whatwg.pathname)
    assert canonical == whatwg.href.partition("#")[0]


@settings(max_examples=300, deadline=None)
@given(urls)
def test_what_a_browser_reads_as_a_private_host_is_never_accepted(url: str) -> None:
    whatwg = theirs(url)
    if whatwg is not None and is_private(whatwg.hostname):
        assert ours(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1\\@8.8.8.8/",
        "http://127.0.0.1#@8.8.8.8/",
        "http://127.0.0.1?@8.8.8.8/",
        "http://8.8.8.8#@127.0.0.1/",
        "http://8.8.8.8\\@127.0.0.1/",
        "http://127.0.0.1:80@8.8.8.8/",
        "http://8.8.8.8:80@127.0.0.1/",
        "http://8.8.8.8%2f@127.0.0.1/",
        "http://8.8.8.8%00.127.0.0.1/",
        "http://[::ffff:127.0.0.1]:80/",
        "http://0x7f000001/",
        "http://127.0.0.1%2e/",
        "http://127。0。0。1/",
        "http://①②⑦.0.0.1/",
        "http:\\\\127.0.0.1\\",
    ],
)
def test_a_confusing_url_never_leads_to_a_private_host(url: str) -> None:
    canonical = ours(url)

    whatwg = theirs(url)
    if whatwg is None or is_private(whatwg.hostname):
        assert canonical is None
    elif canonical is not None:
        assert urlsplit(canonical).hostname == whatwg.hostname


@settings(max_examples=300, deadline=None)
@given(urls)
def test_every_parser_on_the_way_to_the_socket_reads_the_same_host(url: str) -> None:
    canonical = ours(url)
    if canonical is None:
        return
    standard, parsed = urlsplit(canonical), urllib3.util.parse_url(canonical)
    assert str(parsed.host).strip("[]") == standard.hostname
    assert parsed.port == standard.port
    try:
        address = ip_address(str(standard.hostname))
    except ValueError:
        return
    assert is_reachable(address)
    assert str(address) == standard.hostname, "addresses are written in one way"
