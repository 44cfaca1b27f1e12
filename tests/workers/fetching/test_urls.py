"""URLs as browsers write them, and what a spelling forbids to fetch (the family "Spellings")."""

from __future__ import annotations

from ipaddress import ip_network
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ErrorCode
from workers.fetching import FetchError
from workers.fetching.urls import MAX_URL_LENGTH, canonical_url

LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTP://Example.COM", "http://example.com/"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("http://example.com:80/a", "http://example.com/a"),
        ("http://example.com:/a", "http://example.com/a"),
        ("http://example.com:443/a", "http://example.com:443/a"),
        ("http://example.com:8080/a", "http://example.com:8080/a"),
        ("http://example.com./a", "http://example.com./a"),
        ("  http://example.com/a  ", "http://example.com/a"),
        ("http://example.com/a#part", "http://example.com/a"),
        ("http://example.com/a#b?c", "http://example.com/a"),
        ("http://example.com/a?", "http://example.com/a?"),
        ("http://example.com/a?#", "http://example.com/a?"),
        ("http://example.com?b=1", "http://example.com/?b=1"),
        ("http://example.com/a/./b/../c", "http://example.com/a/c"),
        ("http://example.com/../../a", "http://example.com/a"),
        ("http://example.com/a/..", "http://example.com/"),
        ("http://example.com/a/%2e%2E/b", "http://example.com/b"),
        ("http://example.com/a//b", "http://example.com/a//b"),
        ("http://example.com/a b", "http://example.com/a%20b"),
        ("http://example.com/.%2e/a/%2E", "http://example.com/a/"),
        ("http://example.com/%7euser/%c3%bc", "http://example.com/%7euser/%c3%bc"),
        ("http://example.com/~user/%41%5B", "http://example.com/~user/%41%5B"),
        ("http://example.com/ü", "http://example.com/%C3%BC"),
        ("http://example.com/100%", "http://example.com/100%"),
        ("http://example.com/%zz", "http://example.com/%zz"),
        ("http://example.com/a%2Fb", "http://example.com/a%2Fb"),
        ("http://example.com/a%2fb%0A", "http://example.com/a%2fb%0A"),
        ("http://example.com/a[1]|2", "http://example.com/a[1]|2"),
        ('http://example.com/a^`{}"<>', "http://example.com/a%5E%60%7B%7D%22%3C%3E"),
        ("http://example.com/'();:@&=+$,!*", "http://example.com/'();:@&=+$,!*"),
        ("http://example.com\\a\\b?c\\d", "http://example.com/a/b?c\\d"),
        ("http://example.com/?q=A%2fb&q={x}|y", "http://example.com/?q=A%2fb&q={x}|y"),
        ("http://example.com/?q=a b\"<>'ü", "http://example.com/?q=a%20b%22%3C%3E%27%C3%BC"),
        ("http://example.com\\@127.0.0.1/", "http://example.com/@127.0.0.1/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
        ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
        ("http://ｅｘａｍｐｌｅ。com/", "http://example.com/"),
        ("http://b%C3%BCcher.example/", "http://xn--bcher-kva.example/"),
        ("http://faß.example/", "http://xn--fa-hia.example/"),  # UTS 46, non-transitional
        ("http://💩.la/", "http://xn--ls8h.la/"),  # IDNA 2008 forbids emoji, browsers do not
        ("http://soft\u00adhyphen.example/", "http://softhyphen.example/"),
        ("http://-a-.ab--c.example/", "http://-a-.ab--c.example/"),
        ("http://my_pictures.example.com/", "http://my_pictures.example.com/"),
        ("http://134744072/", "http://8.8.8.8/"),
        ("http://0x8.0x8.0x8.0x8/", "http://8.8.8.8/"),
        ("http://010.8.2056/", "http://8.8.8.8/"),
        ("http://８.8.8.８/", "http://8.8.8.8/"),
        ("http://[2606:4700:0:0::1111]/", "http://[2606:4700::1111]/"),
    ],
)
def test_a_url_is_written_as_the_url_standard_says(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://2130706433/", id="2130706433"),
        pytest.param("http://0177.0.0.1/", id="0177.0.0.1"),
        pytest.param("http://0x7f.1/", id="0x7f.1"),
        pytest.param("http://127.1/", id="127.1"),
        pytest.param("http://127.0.0.1./", id="127.0.0.1 and a dot"),
        pytest.param("http://%31%32%37.1/", id="percent-encoded digits"),
        pytest.param("http://１２７.０.０.１/", id="full-width digits"),
        pytest.param("http://127。0。0。1/", id="full-width dots"),
        pytest.param("http://0/", id="0"),
        pytest.param("http://localhost/", id="localhost"),
        pytest.param("http://localhost./", id="localhost and a dot"),
        pytest.param("http://LOCALHOST/", id="LOCALHOST"),
        pytest.param("http://x.localhost/", id="x.localhost"),
        pytest.param("http://xn--tda.localhost/", id="punycode below localhost"),
        pytest.param("http://localhost/#@example.com", id="fragment with another host"),
        pytest.param("http://127.0.0.1/a b%zz", id="unescaped path"),
        pytest.param("http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", id="circled localhost"),
        pytest.param("http://169.254.169.254/latest/meta-data/", id="cloud metadata"),
        pytest.param("http://[::1]/", id="IPv6 loopback"),
        pytest.param("http://[::ffff:127.0.0.1]/", id="mapped loopback"),
        pytest.param("http://[::]/", id="IPv6 unspecified"),
    ],
)
def test_a_spelling_of_a_private_address_is_blocked(url: str) -> None:
    with pytest.raises(FetchError) as refused:
        canonical_url(url)
    assert refused.value.code == ErrorCode.BLOCKED_ADDRESS


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="nothing"),
        pytest.param("picture.jpg", id="relative"),
        pytest.param("//example.com/a", id="without a scheme"),
        pytest.param("file:///etc/passwd", id="file:"),
        pytest.param("ftp://example.com/a", id="ftp:"),
        pytest.param("gopher://example.com/a", id="gopher:"),
        pytest.param("data:image/png;base64,AAAA", id="data:"),
        pytest.param("blob:https://example.com/1", id="blob:"),
        pytest.param("javascript:alert(1)", id="javascript:"),
        pytest.param("chrome-extension://abc/icon.png", id="chrome-extension:"),
        pytest.param("http:example.com", id="no slashes"),
        pytest.param("http:///path", id="empty host"),
        pytest.param("http://:80/", id="empty host with a port"),
        pytest.param("http://./", id="a dot for a host"),
        pytest.param("http:/example.com", id="one slash"),
        pytest.param("http:\\\\\\example.com", id="three backslashes"),
        pytest.param("http://user:pw@example.com/", id="userinfo"),
        pytest.param("http://@example.com/", id="an empty user name"),
        pytest.param("http://:@example.com/", id="an empty user name and password"),
        pytest.param("http://example.com@127.0.0.1/", id="a host for a user name"),
        pytest.param("http://example.com:0/", id="port 0"),
        pytest.param("http://example.com:22/", id="port 22"),
        pytest.param("http://example.com:65536/", id="port 65536"),
        pytest.param("http://example.com:80a/", id="a port that is no number"),
        pytest.param("http://8.8.8.8:81/", id="an unusual port of an address"),
        pytest.param("http://example.com/\0", id="NUL"),
        pytest.param("http://example.com/a\nHost: b", id="newline"),
        pytest.param("http://exa\tmple.com/", id="tab"),
        pytest.param("http://example.com/" + "a" * 8192, id="8 KB"),
        pytest.param("http://example.com/" + "ü" * 1000, id="8 KB once encoded"),
        pytest.param("http://example.com/\x85", id="a control character of Latin-1"),
        pytest.param("http://a..b/", id="an empty label"),
        pytest.param("http://example.com../", id="two dots at the end"),
        pytest.param("http://" + "ü" * 60 + ".com/", id="a label of 64 letters once encoded"),
        pytest.param("http://" + "a." * 130 + "com/", id="a name of 263 letters"),
        pytest.param("http://a*b.com/", id="an asterisk in the host"),
        pytest.param("http://a{b}.com/", id="braces in the host"),
        pytest.param("http://a\u200db.com/", id="a joiner where it joins nothing"),
        pytest.param("http://\u00ad/", id="a host of nothing visible"),
        pytest.param("http://⒈com/", id="a character that no name may have"),
        pytest.param("http://" + "a" * 64 + ".com/", id="a label of 64 letters"),
        pytest.param("http://a b.com/", id="a space in the host"),
        pytest.param("http://a%00b.com/", id="an encoded NUL in the host"),
        pytest.param("http://a%2Fb.com/", id="an encoded slash in the host"),
        pytest.param("http://%ff.com/", id="bytes that are no text in the host"),
        pytest.param("http://256.0.0.1/", id="a byte of 256"),
        pytest.param("http://1.2.3.4.5/", id="five bytes"),
        pytest.param("http://08.1/", id="an octal 8"),
        pytest.param("http://-1.2.3.4/", id="a number with a minus"),
        pytest.param("http://+1.2.3.4/", id="a number with a plus"),
        pytest.param("http:// 1.2.3.4/", id="a number after a space"),
        pytest.param("http://1_0.2.3.4/", id="a number with an underscore"),
        pytest.param("http://4294967296/", id="a number beyond IPv4"),
        pytest.param("http://[::1/", id="half a bracket"),
        pytest.param("http://[fe80::1%25eth0]/", id="an IPv6 zone"),
        pytest.param("http://[1.2.3.4]/", id="IPv4 in brackets"),
        pytest.param("http://example.com/\ud800", id="half a surrogate pair"),
    ],
)
def test_what_may_never_be_fetched_is_a_bad_url(url: str) -> None:
    with pytest.raises(FetchError) as refused:
        canonical_url(url)
    assert refused.value.code == ErrorCode.BAD_URL
    assert "\n" not in refused.value.detail


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5000/a",
        "http://localhost:5000/a",
        "http://pictures.localhost:5000/a",
        "http://[::1]:5000/a",
    ],
)
def test_any_port_may_be_fetched_from_an_allowed_network(url: str) -> None:
    assert canonical_url(url, LOOPBACK) == url


@pytest.mark.parametrize("url", ["http://10.0.0.1:5000/", "http://example.com:5000/"])
def test_an_allowed_network_allows_no_port_elsewhere(url: str) -> None:
    with pytest.raises(FetchError):
        canonical_url(url, LOOPBACK)


@pytest.mark.parametrize("port", [0, 65536])
def test_no_network_has_a_port_beyond_16_bits(port: int) -> None:
    with pytest.raises(FetchError) as refused:
        canonical_url(f"http://127.0.0.1:{port}/", LOOPBACK)
    assert refused.value.code == ErrorCode.BAD_URL


PAGE = "https://example.com/a/b.html?c"


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("d%7e", "https://example.com/a/d%7e"),
        ("../d@e", "https://example.com/d@e"),
        ("//other.example", "https://other.example/"),
        ("\\\\other.example\\d", "https://other.example/d"),
        ("?", "https://example.com/a/b.html?"),
        ("#d", "https://example.com/a/b.html?c"),
        ("https:d", "https://example.com/a/d"),
        ("http:other.example", "http://other.example/"),
        ("//127.1:8080", None),
        ("//localhost.", None),
        ("https:127.1", "https://example.com/a/127.1"),
        ("http:127.1", None),
        ("//user@other.example", None),
        ("http:@other.example", None),
        ("/\\@other.example", None),
        ("file:///etc/passwd", None),
        ("data:image/png;base64,AAAA", None),
        ("ws://other.example/", None),
        ("blob:https://example.com/1", None),
        ("/a\tb", None),
        ("//other.example:22", None),
        ("d" * 4096, None),
    ],
)
def test_a_relative_url_is_read_as_on_a_page_and_vetted(url: str, canonical: str | None) -> None:
    if canonical is not None:
        assert canonical_url(url, base=PAGE) == canonical
        return
    with pytest.raises(FetchError):
        canonical_url(url, base=PAGE)


pieces = st.text(st.one_of(st.characters(), st.sampled_from("/.%?#&=+ \\:@[]~ü2eEfF")), max_size=30)


@given(st.sampled_from(["example.com", "Bücher.example", "8.8.8.8", "[2606:4700::]"]), pieces)
def test_the_canonical_url_is_its_own_canonical_url(host: str, rest: str) -> None:
    try:
        once = canonical_url(f"http://{host}/{rest}")
    except FetchError:
        return
    assert canonical_url(once) == once
    assert once.isascii()
    assert len(once) <= MAX_URL_LENGTH


@given(pieces)
def test_whatever_is_written_only_a_public_looking_http_url_comes_out(text: str) -> None:
    try:
        parts = urlsplit(canonical_url(f"http://{text}"))
    except FetchError:
        return
    assert parts.scheme == "http"
    assert parts.hostname
    assert "@" not in parts.netloc
    assert parts.port in (None, 443, 8080, 8443)
