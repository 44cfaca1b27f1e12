"""What a validated C2PA manifest store says about the whole image.

An image can have several manifests: its own, and those of its ingredients, which are what it was
made from. The one answer is the worst of what they say: a photograph with a generated part is no
mere photograph. It uses the JSON report of c2pa (C2PA 2.4 §10, §15, §18.15).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from models.evidence.source_types import COMPOSITE, EDITED, GENERATED, SourceType, source_type

State = Literal["trusted", "valid", "broken", "other_image"]
"""``trusted``: by a signer on the trust list. ``valid``: whole, by an unknown signer. ``broken``:
changed after signing. ``other_image``: the signature is whole, but not of these pixels."""

_TRUSTED = "signingCredential.trusted"
# What makes a signer unknown and leaves the signature whole. For c2pa the last two make it invalid.
# But most images of 2023 to 2025 have them: certificates that expired without a time stamp, or for
# another key usage.
_UNKNOWN_SIGNER = frozenset(
    f"signingCredential.{fault}" for fault in ("untrusted", "expired", "invalid")
)
_WHOLE_SIGNATURE = "claimSignature.validated"
_HASHES = tuple(f"assertion.{kind}Hash" for kind in ("data", "bmff", "boxes", "collection"))
_OTHER_PIXELS = frozenset(f"{each}.mismatch" for each in _HASHES)
_THESE_PIXELS = frozenset(f"{each}.match" for each in _HASHES)
# Where an action states a source type: C2PA's own field, and Adobe's for models of its partners.
_TERMS = "digitalSourceType", "com.adobe.digitalSourceType"
# What actions that describe the whole content say of it. Others changed or added a part.
_WHOLE = frozenset(
    f"c2pa.{name}"
    for name in ("created", "opened", "converted", "transcoded", "repackaged", "published")
)
_PARTS = frozenset({"c2pa.placed", "c2pa.drawing"})
_LONGEST_NAME = 60

Json = dict[str, Any]


@dataclass(frozen=True)
class Credentials:
    """The summary of an image's Content Credentials.

    Attributes:
        state: whether they are whole, this image's own, and signed by a trusted signer. Of a
            statement by an ingredient, all signers on the way to it must be trusted.
        source: the image's origin. None if they do not tell it, or are broken.
        signer: the name in the certificate. None if it is not trusted.
        generator: the program that made the image or its part. None if the signer is not trusted.
        time: of the signature (UTC). None if the signer is not trusted or it has none.
    """

    state: State
    source: SourceType | None = None
    signer: str | None = None
    generator: str | None = None
    time: datetime | None = None


class _Statement(NamedTuple):
    source: SourceType | None  # None: a part of unknown origin
    trusted: bool
    is_part: bool
    manifest: Json
    action: Json


def summarise(report: Json) -> Credentials:
    """Summarise c2pa's report on an image file."""
    if (state := _fault(report)) is not None:
        return Credentials(state)
    said = list(_statements(report))
    best = _worst(said)
    trusted = best.trusted if best else _is_trusted(report, report["active_manifest"])
    if best is None or not trusted:
        return Credentials("trusted" if trusted else "valid", best.source if best else None)
    signature = best.manifest.get("signature_info") or {}
    return Credentials(
        "trusted",
        best.source,
        signer=_line(signature.get("issuer")),
        generator=_generator(best),
        time=_time(signature.get("time")),
    )


def _fault(report: Json) -> State | None:
    """Return the state of credentials that are not whole or not of this image."""
    if report["validation_state"] in ("Valid", "Trusted"):
        return None
    results = report["validation_results"]
    deltas = [each["validationDeltas"] for each in results.get("ingredientDeltas") or ()]
    faults = {
        status["code"]
        for codes in (results["activeManifest"], *deltas)
        for status in codes["failure"]
    }
    right = {status["code"] for status in results["activeManifest"]["success"]}
    if _WHOLE_SIGNATURE in right and faults <= _UNKNOWN_SIGNER | _OTHER_PIXELS:
        if faults & _OTHER_PIXELS:
            return "other_image"
        if right & _THESE_PIXELS:
            return None
    return "broken"


def _worst(said: list[_Statement]) -> _Statement | None:
    """Return the statement that holds for the whole.

    If one says that a generative model was used, that one; if a trusted signer does, his. Else
    nothing holds unless the origin of the image and of every part is known, and nobody is trusted
    unless all are.
    """
    of_ai = [each for each in said if each.source and each.source.says == "ai"]
    candidates = [each for each in of_ai if each.trusted] or of_ai or said
    unknown = any(each.source is None for each in candidates)
    if unknown or not (of_ai or any(not each.is_part for each in said)):
        return None
    worst = max(candidates, key=lambda each: each.source.rank if each.source else 0)
    return worst._replace(trusted=all(each.trusted for each in candidates))


def _statements(report: Json) -> Iterator[_Statement]:
    """Yield what the image's manifest says, and what those of its ingredients say."""
    statuses = _statuses(report)
    waiting = [(report["active_manifest"], True, False)]
    seen = set(waiting)
    while waiting:
        label, trusted, is_part = waiting.pop()
        manifest = report["manifests"].get(label, {})
        trusted = trusted and _is_trusted(report, label, statuses)
        for stated, action in _sources(manifest):
            source = _as_part(stated) if is_part else stated
            yield _Statement(source, trusted, is_part, manifest, action)
        for ingredient in manifest.get("ingredients", ()):
            relation = ingredient.get("relationship")
            if relation not in ("parentOf", "componentOf"):
                continue  # an input of a model, of which the image shows nothing
            part = is_part or relation == "componentOf"
            if described := source_type(ingredient.get("digitalSourceType")):
                source = _as_part(described) if part else described
                yield _Statement(source, trusted, part, manifest, {})
            label_of = ingredient.get("active_manifest")
            if label_of not in report["manifests"] or not _intact(ingredient, statuses):
                yield _Statement(None, trusted, part, manifest, {})
            elif (step := (label_of, trusted, part)) not in seen:
                seen.add(step)
                waiting.append(step)


def _as_part(source: SourceType) -> SourceType:
    """Return what an ingredient's origin means for the image in which it is a part."""
    return COMPOSITE if source.says == "ai" else source


def _sources(manifest: Json) -> Iterator[tuple[SourceType, Json]]:
    """Yield the source type of each action and template, with the action."""
    for assertion in manifest.get("assertions", ()):
        if not assertion["label"].startswith("c2pa.actions"):
            continue
        data = assertion["data"]
        for action in (*data.get("actions", ()), *(data.get("templates") or ())):
            for place in (action, action.get("parameters") or {}):
                for name in _TERMS:
                    if source := source_type(place.get(name)):
                        yield _by_action(source, action.get("action")), action


def _by_action(source: SourceType, action: str | None) -> SourceType:
    if source is not GENERATED or action in _WHOLE:
        return source
    return COMPOSITE if action in _PARTS else EDITED


# Validity and trust of ingredients. The signer of a manifest records both as he found them. The
# report adds what this machine found otherwise, and leaves out what some record has. So what is not
# in the report counts as recorded, and a failure in any record counts.

_Statuses = dict[str, dict[str, set[str]]]


def _statuses(report: Json) -> _Statuses:
    """Return the status codes of each manifest, as ``found`` here and as ``recorded``."""
    found: dict[str, set[str]] = defaultdict(set)
    recorded: dict[str, set[str]] = defaultdict(set)
    results = report["validation_results"]
    deltas = (each["validationDeltas"] for each in results.get("ingredientDeltas") or ())
    for codes in (results["activeManifest"], *deltas):
        _collect(codes, found, report["active_manifest"])
    for manifest in report["manifests"].values():
        for ingredient in manifest.get("ingredients", ()):
            label = ingredient.get("active_manifest")
            for codes in _recorded(ingredient):
                _collect(codes, recorded, label)
    return {"found": found, "recorded": recorded}


def _recorded(ingredient: Json) -> Iterator[Json]:
    results = ingredient.get("validation_results") or {}
    yield results.get("activeManifest") or {}
    for delta in results.get("ingredientDeltas") or ():
        yield delta["validationDeltas"]
    yield {"failure": ingredient.get("validation_status") or []}  # before C2PA 2.1


def _collect(codes: Json, into: dict[str, set[str]], default: str | None) -> None:
    for outcome in ("success", "failure"):
        for status in codes.get(outcome) or ():
            if outcome == "failure" or status["code"] == _TRUSTED:
                label = (status.get("url") or "").partition("/c2pa/")[2].partition("/")[0]
                into[label or default or ""].add(status["code"])


def _is_trusted(report: Json, label: str, statuses: _Statuses | None = None) -> bool:
    """Say whether this machine trusts a manifest's signer."""
    if report["validation_state"] != "Trusted":
        return False
    statuses = statuses or _statuses(report)
    found, recorded = statuses["found"][label], statuses["recorded"][label]
    if found & _UNKNOWN_SIGNER:
        return False
    return _TRUSTED in found or (_TRUSTED in recorded and not recorded & _UNKNOWN_SIGNER)


def _intact(ingredient: Json, statuses: _Statuses) -> bool:
    """Say whether an ingredient's manifest was and is valid."""
    label = ingredient["active_manifest"]
    faults = {
        status["code"] for codes in _recorded(ingredient) for status in codes.get("failure") or ()
    }
    known = statuses["found"][label] | statuses["recorded"][label]
    return faults | known <= _UNKNOWN_SIGNER | {_TRUSTED}


# Names


def _generator(said: _Statement) -> str | None:
    agent = said.action.get("softwareAgent")
    if isinstance(agent, dict):
        agent = " ".join(str(agent[key]) for key in ("name", "version") if agent.get(key))
    claim = said.manifest.get("claim_generator_info") or [{}]
    return (
        _line(agent) or _line(claim[0].get("name")) or _line(said.manifest.get("claim_generator"))
    )


def _line(text: object) -> str | None:
    """Return a name on one line, or None."""
    return (" ".join(text.split())[:_LONGEST_NAME] or None) if isinstance(text, str) else None


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
