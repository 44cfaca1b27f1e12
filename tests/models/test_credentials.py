"""Content Credentials: which ones are evidence, who is trusted, and that nothing is fetched."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import c2pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from models.evidence import content_credentials as credentials
from models.evidence import find_evidence
from models.verdict import Evidence
from tests.models.credentials import EDITED, Authority, created
from tests.models.image_files import jpeg_segment, picture, with_jpeg_segment
from tests.pictures import drawing, encoded

KINDS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "avif": "AVIF", "tiff": "TIFF"}


@cache
def known() -> Authority:
    return Authority("Known Cameras")


@cache
def unknown() -> Authority:
    return Authority("OpenAI")  # not the real one


@cache
def context() -> c2pa.Context:
    """Trusts one authority."""
    return credentials.make_context(known().certificate, known().certificate)


def read(data: bytes, kind: str = "jpeg") -> tuple[Evidence, ...]:
    return credentials.read(data, kind, context())


@cache
def signed(term: str = "trainedAlgorithmicMedia") -> bytes:
    return known().sign(encoded(picture()), created(term))


@pytest.mark.parametrize("kind", KINDS)
def test_credentials_of_a_known_signer_are_trusted_in_every_format(kind: str) -> None:
    image = encoded(picture(), KINDS[kind])
    data = known().sign(image, created("trainedAlgorithmicMedia"), kind=kind)
    (fact,) = read(data, kind)
    assert (fact.kind, fact.says, fact.trusted) == ("c2pa", "ai", True)
    assert "Known Cameras" in fact.detail
    assert "created by a generative model" in fact.detail
    (fact,) = find_evidence(data)
    assert not fact.trusted, "the tests' authority is on no public list"


def test_credentials_of_an_unknown_signer_are_not_trusted_and_its_name_is_not_repeated() -> None:
    (fact,) = read(unknown().sign(encoded(picture()), created("trainedAlgorithmicMedia")))
    assert (fact.says, fact.trusted) == ("ai", False)
    assert "OpenAI" not in fact.detail


@pytest.mark.parametrize(
    ("term", "says"),
    [
        ("digitalCapture", "real"),
        ("computationalCapture", "real"),
        ("compositeWithTrainedAlgorithmicMedia", "ai"),
    ],
)
def test_what_the_source_type_says_is_told(term: str, says: str) -> None:
    (fact,) = read(signed(term))
    assert fact.says == says


@pytest.mark.parametrize("term", ["screenCapture", "digitalCreation", "nonsense"])
def test_a_source_type_that_says_neither_is_no_evidence(term: str) -> None:
    assert read(signed(term)) == ()


def test_a_photograph_that_a_generative_model_changed_is_said_to_be_so() -> None:
    edit = {
        "action": "c2pa.edited",
        "digitalSourceType": created("compositeWithTrainedAlgorithmicMedia")["digitalSourceType"],
    }
    (fact,) = read(known().sign(encoded(picture()), created("digitalCapture"), edit))
    assert fact.says == "ai"
    assert "edited with a generative model" in fact.detail


# Images derived from another image


def test_what_the_parent_says_holds_for_what_was_made_from_it() -> None:
    (fact,) = read(known().sign(encoded(picture()), EDITED, parent=signed()))
    assert (fact.says, fact.trusted) == ("ai", True)


@pytest.mark.parametrize("who", [known, unknown])
def test_a_claim_is_trusted_only_if_every_signer_on_its_way_is(
    who: Callable[[], Authority],
) -> None:
    first, last = (unknown(), known()) if who is known else (known(), unknown())
    parent = first.sign(encoded(picture()), created("trainedAlgorithmicMedia"))
    (fact,) = read(last.sign(encoded(picture()), EDITED, parent=parent))
    assert (fact.says, fact.trusted) == ("ai", False)


def test_a_parent_whose_credentials_were_broken_says_nothing() -> None:
    parent = _with_other_pixels(signed())
    assert read(known().sign(encoded(picture()), EDITED, parent=parent)) == ()


# Invalid credentials


def _manifest(data: bytes) -> tuple[int, int]:
    """Return start and end of a JPEG's manifest (APP11, ISO 19566-5)."""
    start = end = data.index(b"\xff\xeb")
    while data[end : end + 2] == b"\xff\xeb":
        end += 2 + struct.unpack(">H", data[end + 2 : end + 4])[0]
    return start, end


def _with_other_pixels(data: bytes) -> bytes:
    return data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]


def _of_another_image() -> bytes:
    start, end = _manifest(signed())
    return with_jpeg_segment(encoded(drawing(7)), signed()[start:end])


def _with_other_words() -> bytes:
    return signed("digitalCapture").replace(b"digitalCapture", b"negativeFilm__", 1)


def _with_a_broken_signature() -> bytes:
    _, end = _manifest(signed())
    return signed()[: end - 9] + bytes([signed()[end - 9] ^ 1]) + signed()[end - 8 :]


def _cut_short() -> bytes:
    start, end = _manifest(signed())
    segment = signed()[start : end - 400]
    return signed()[:start] + jpeg_segment(0xEB, segment[4:]) + signed()[end:]


def _after_the_end() -> bytes:
    start, end = _manifest(signed())
    return encoded(picture()) + signed()[start:end]


def _in_a_comment() -> bytes:
    start, end = _manifest(signed())
    return with_jpeg_segment(encoded(picture()), jpeg_segment(0xFE, signed()[start + 4 : end]))


def _compressed() -> bytes:
    return known().sign(encoded(picture()), created("digitalCapture"), compressed=True)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_of_another_image, id="from another image"),
        pytest.param(lambda: _with_other_pixels(signed()), id="other pixels"),
        pytest.param(_with_other_words, id="other words"),
        pytest.param(_with_a_broken_signature, id="broken signature"),
        pytest.param(_cut_short, id="broken manifest"),
        pytest.param(_compressed, id="compressed"),
        pytest.param(_after_the_end, id="after the end of the image"),
        pytest.param(_in_a_comment, id="inside a comment"),
    ],
)
def test_credentials_that_are_not_this_file_s_own_and_whole_are_no_evidence(
    make: Callable[[], bytes],
) -> None:
    data = make()
    assert b"c2pa" in data
    assert find_evidence(data) == ()
    with suppress(c2pa.C2paError):
        assert read(data) == ()


@settings(max_examples=150, deadline=None)
@given(
    st.data(),
    st.sampled_from(["trainedAlgorithmicMedia", "digitalCapture"]),
)
def test_no_change_to_a_file_makes_its_credentials_say_something_else(
    data: st.DataObject, term: str
) -> None:
    file = bytearray(signed(term))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(2, len(file) - 1))
        file[place] ^= data.draw(st.integers(1, 255))
    assert find_evidence(bytes(file)) in ((), find_evidence(signed(term)))


# Remote manifests


def test_neither_manifests_nor_the_state_of_certificates_are_fetched(
    httpserver: HTTPServer,
) -> None:
    asks = Authority("Asks", ocsp_url=httpserver.url_for("/ocsp"))
    inside = asks.sign(encoded(picture()), created("trainedAlgorithmicMedia"))
    assert len(read(inside)) == 1
    elsewhere = asks.sign(
        encoded(picture()), created("digitalCapture"), remote=httpserver.url_for("/manifest")
    )
    assert b"/manifest" in elsewhere
    with pytest.raises(c2pa.C2paError):
        read(elsewhere)
    assert find_evidence(elsewhere) == ()
    assert httpserver.log == []
