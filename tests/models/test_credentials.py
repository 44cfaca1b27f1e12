"""Content Credentials: which ones are evidence, who is trusted, and that nothing is fetched."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from io import BytesIO

import c2pa
import pytest
from cryptography.x509 import ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from models.evidence import content_credentials as credentials
from models.evidence import find_evidence
from models.evidence.credentials_report import summarise
from models.verdict import Evidence
from tests.models.credentials import (
    CLAIM_SIGNING,
    DOCUMENT_SIGNING,
    EDITED,
    IPTC,
    PLACED,
    Authority,
    created,
)
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


@pytest.mark.parametrize("usage", [CLAIM_SIGNING, DOCUMENT_SIGNING])
def test_signers_with_the_key_usages_of_c2pa_are_trusted(usage: ObjectIdentifier) -> None:
    signer = Authority("Example Generator", key_usage=usage)
    data = signer.sign(encoded(picture()), created("trainedAlgorithmicMedia"))
    context = credentials.make_context(signer.certificate, "")
    (fact,) = credentials.read(data, "jpeg", context)
    assert (fact.says, fact.trusted, fact.signer) == ("ai", True, "Example Generator")


@pytest.mark.parametrize(
    ("faults", "state"),
    [
        (["signingCredential.untrusted", "signingCredential.expired"], "valid"),
        (["signingCredential.untrusted", "signingCredential.invalid"], "valid"),
        (["signingCredential.expired", "assertion.dataHash.mismatch"], "other_image"),
        (["signingCredential.expired", "assertion.hashedURI.mismatch"], "broken"),
        (["claimSignature.mismatch"], "broken"),
        ([], "broken"),
    ],
)
def test_certificates_that_expired_or_are_for_other_uses_are_those_of_unknown_signers(
    faults: list[str], state: str
) -> None:
    with c2pa.Reader("image/jpeg", BytesIO(signed()), context=context()) as reader:
        report = json.loads(reader.json())
    codes = report["validation_results"]["activeManifest"]
    report["validation_state"] = "Invalid"
    codes["failure"] = [{"code": fault, "url": ""} for fault in faults]
    if not faults:  # nothing says that the hashes were compared
        codes["success"] = [each for each in codes["success"] if "Hash" not in each["code"]]
    found = summarise(report)
    assert (found.state, found.signer) == (state, None)


def test_the_signer_and_the_program_are_named_if_the_signer_is_trusted() -> None:
    action = created("trainedAlgorithmicMedia")
    action["softwareAgent"] = {"name": "Painter", "version": "2"}
    (fact,) = read(known().sign(encoded(picture()), action))
    assert (fact.signer, fact.generator, fact.origin) == ("Known Cameras", "Painter 2", "generated")
    (fact,) = read(unknown().sign(encoded(picture()), action))
    assert (fact.signer, fact.generator, fact.origin) == (None, None, "generated")


@pytest.mark.parametrize(
    ("make", "state"),
    [
        (lambda: signed(), "trusted"),
        (lambda: unknown().sign(encoded(picture()), created("digitalCapture")), "valid"),
        (lambda: known().sign(encoded(picture()), created("digitalCreation")), "trusted"),
        (lambda: _with_other_words(), "broken"),
        (lambda: _with_a_broken_signature(), "broken"),
        (lambda: _of_another_image(), "other_image"),
        (lambda: _with_other_pixels(signed()), "other_image"),
    ],
    ids=["trusted", "unknown signer", "says neither", "words", "signature", "foreign", "pixels"],
)
def test_the_summary_tells_the_state(make: Callable[[], bytes], state: str) -> None:
    assert credentials.credentials(make(), "jpeg", context()).state == state


@pytest.mark.parametrize(
    "term", ["screenCapture", "digitalCreation", "algorithmicMedia", "nonsense"]
)
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


@pytest.mark.parametrize("place", ["digitalSourceType", "com.adobe.digitalSourceType"])
def test_a_claim_in_the_parameters_of_an_action_counts(place: str) -> None:
    term = f" {IPTC}trainedAlgorithmicMedia "
    opened = {"action": "c2pa.opened", "parameters": {**EDITED["parameters"], place: term}}
    (fact,) = read(known().sign(encoded(picture()), opened, parent=encoded(picture())))
    assert (fact.says, fact.trusted, fact.origin) == ("ai", True, "generated")


def test_a_claim_in_other_words_does_not_count() -> None:
    action = {**created("digitalCreation"), "description": f"{IPTC}trainedAlgorithmicMedia"}
    action["parameters"] = {"note": {"digitalSourceType": f"{IPTC}trainedAlgorithmicMedia"}}
    assert read(known().sign(encoded(picture()), action)) == ()


@pytest.mark.parametrize("trusting", [known, unknown])
def test_the_recorded_trust_of_a_parent_counts_only_if_this_machine_finds_it_too(
    trusting: Callable[[], Authority],
) -> None:
    parent = trusting().sign(encoded(picture()), created("trainedAlgorithmicMedia"))
    data = known().sign(encoded(picture()), EDITED, parent=parent, trusting=trusting().certificate)
    (fact,) = read(data)
    assert (fact.says, fact.trusted) == ("ai", trusting is known)


# Every combination of what the image's own manifest says, and what it was made from

OWN = {
    "nothing": None,
    "captured": "digitalCapture",
    "created": "digitalCreation",
    "edited_with_ai": "compositeWithTrainedAlgorithmicMedia",
    "generated": "trainedAlgorithmicMedia",
}
WORST = ["captured", "created", "edited_with_ai", "composite_with_ai", "generated"]


@cache
def ingredient(kind: str, signer: str) -> bytes:
    """An ingredient: without a manifest, with a broken one, or with a signed statement."""
    if kind == "without":
        return encoded(picture())
    who = known() if signer == "known" else unknown()
    data = who.sign(encoded(picture()), created(OWN.get(kind) or "trainedAlgorithmicMedia"))
    return _with_other_pixels(data) if kind == "broken" else data


def expected(own: str, kind: str, relationship: str, trusted: tuple[bool, bool]) -> list[object]:
    """What must be told: the origin, and whether it is trusted. Nothing if it is unknown."""
    said = {own: trusted[0]} if own != "nothing" else {}
    if kind in OWN:
        is_part = relationship == "componentOf" and WORST.index(kind) >= 2
        origin = "composite_with_ai" if is_part else kind
        said[origin] = said.get(origin, False) or all(trusted)
    of_ai = [origin for origin in said if WORST.index(origin) >= 2]
    vouched = [origin for origin in of_ai if said[origin]]
    if not of_ai and (kind in ("without", "broken") or not said):
        return []
    worst = max(vouched or of_ai or said, key=WORST.index)
    if worst == "created":
        return []
    if of_ai:
        return [(worst, bool(vouched))]
    return [(worst, trusted[0] and (kind not in OWN or trusted[1]))]


@pytest.mark.parametrize("relationship", ["parentOf", "componentOf"])
@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize("signers", ["known known", "known other", "other known", "other other"])
def test_the_worst_of_all_signed_parts_holds_for_the_whole(
    own: str, relationship: str, signers: str
) -> None:
    first, second = signers.split()
    for kind in ("none", "without", "broken", "captured", "created", "edited_with_ai", "generated"):
        made = OWN[own]
        part = None if kind == "none" else ingredient(kind, second)
        if made is None and (part is None or relationship == "componentOf"):
            continue  # C2PA forbids it: an image that was created says how
        if part is None:
            actions = [created(made or "")]
        elif relationship == "componentOf":
            actions = [created(made or ""), PLACED]
        else:
            converted = {**created(made or ""), "action": "c2pa.converted"}
            actions = [EDITED, converted] if made else [EDITED]
        signer = known() if first == "known" else unknown()
        data = signer.sign(encoded(picture()), *actions, parent=part, relationship=relationship)
        trusted = (first == "known", second == "known")
        found = [(fact.origin, fact.trusted) for fact in read(data)]
        assert found == expected(own, kind, relationship, trusted), kind


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
