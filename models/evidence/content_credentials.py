"""Content Credentials: signed statements about the image's origin (C2PA 2.4).

A manifest counts only if its signature is valid and its hashes match this file. Changed manifests,
those of another image and compressed ones are ignored. A manifest is ``trusted`` if its signer's
certificate chains to an anchor of C2PA's trust list. Remote manifests and certificate status are
never fetched, because no file may make a worker send requests.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import c2pa

from models.evidence.source_types import SourceType, source_type
from models.verdict import Evidence

_TRUST = Path(__file__).parent / "trust"
_MARKS = b"jumb", b"c2pa"
"""Box types that every file with a manifest contains (ISO 19566-5, C2PA 2.4 §11.1)."""
_ACCEPTED_FAILURES = frozenset({"signingCredential.untrusted"})
_LONGEST_NAME = 60


def find(data: bytes, name: str) -> tuple[Evidence, ...]:
    """Read the Content Credentials of an image file.

    Args:
        data: the whole file.
        name: its format, as returned by ``models.image.sniff``.

    Returns:
        At most one fact: that a generative model was used, or else how the image was captured.

    Raises:
        c2pa.C2paError: the manifests cannot be read.
    """
    if not all(mark in data for mark in _MARKS):
        return ()
    return read(data, name, _context())


def read(data: bytes, name: str, context: c2pa.Context) -> tuple[Evidence, ...]:
    """Do the same as `find`, with the given trust anchors."""
    with c2pa.Reader(f"image/{name}", io.BytesIO(data), context=context) as reader:
        report = json.loads(reader.json())
    if report["validation_state"] not in ("Valid", "Trusted"):
        return ()
    said = [
        (label, manifest, kind)
        for label, manifest in _lineage(report)
        for kind in _source_types(manifest)
    ]
    for says in ("ai", "real"):
        for label, manifest, kind in said:
            if kind.says == says:
                return (_evidence(kind, _signer(manifest) if label in _trusted(report) else None),)
    return ()


def make_context(signers: str, time_stampers: str) -> c2pa.Context:
    """Make the C2PA context with trust anchors.

    Args:
        signers: anchor certificates (PEM) for signers.
        time_stampers: anchor certificates (PEM) for time-stamping authorities.
    """
    anchors = [
        {"trust_anchors": signers, "trust_kind": "manifest"},
        {"trust_anchors": time_stampers, "trust_kind": "tsa"},
    ]
    verify = {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
    # A file could hold thousands of compressed manifests, each a bomb. Real files have almost none.
    core = {"max_decompressed_manifest_size_in_mb": 0}
    settings = {"trust": {"anchors": anchors}, "verify": verify, "core": core}
    return c2pa.Context(c2pa.Settings.from_dict(settings))


@cache
def _context() -> c2pa.Context:
    return make_context(
        (_TRUST / "C2PA-TRUST-LIST.pem").read_text(),
        (_TRUST / "C2PA-TSA-TRUST-LIST.pem").read_text(),
    )


def _lineage(report: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the image's own manifest, then that of its parent image, and so on."""
    seen: set[str] = set()
    label = report["active_manifest"]
    while label in report["manifests"] and label not in seen:
        seen.add(label)
        manifest = report["manifests"][label]
        yield label, manifest
        parents = (
            each.get("active_manifest")
            for each in manifest.get("ingredients", ())
            if each.get("relationship") == "parentOf" and _intact(each)
        )
        label = next(parents, None)


def _intact(ingredient: dict[str, Any]) -> bool:
    """Say whether the ingredient's manifest was valid when the ingredient was added."""
    results = ingredient.get("validation_results") or {}
    faults = (results.get("activeManifest") or {}).get("failure") or []
    faults += ingredient.get("validation_status") or []  # before C2PA 2.1
    return {fault["code"] for fault in faults} <= _ACCEPTED_FAILURES


def _source_types(manifest: dict[str, Any]) -> Iterator[SourceType]:
    """Yield the digital source type of each action."""
    for assertion in manifest.get("assertions", ()):
        if assertion["label"].startswith("c2pa.actions"):
            for action in assertion["data"].get("actions", ()):
                if kind := source_type(action.get("digitalSourceType") or ""):
                    yield kind


def _trusted(report: dict[str, Any]) -> set[str]:
    """Return the labels of the manifests with a trusted signer, if the whole chain is trusted."""
    if report["validation_state"] != "Trusted":
        return set()
    results = report["validation_results"]
    deltas = [each["validationDeltas"] for each in results.get("ingredientDeltas") or ()]
    return {
        status["url"].partition("/c2pa/")[2].partition("/")[0]
        for each in (results["activeManifest"], *deltas)
        for status in each["success"]
        if status["code"] == "signingCredential.trusted"
    }


def _signer(manifest: dict[str, Any]) -> str:
    """Return the issuer name in the signer's certificate, on one line."""
    name = manifest["signature_info"].get("issuer") or "a known signer"
    return " ".join(name.split())[:_LONGEST_NAME]


def _evidence(kind: SourceType, signer: str | None) -> Evidence:
    signed = f"signed by {signer}" if signer else "signed by an unknown signer"
    return Evidence(
        kind="c2pa",
        says=kind.says,
        detail=f"Content Credentials, {signed}, say that the image was {kind.meaning}.",
        trusted=signer is not None,
    )
