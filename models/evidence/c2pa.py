"""Content Credentials: what signed manifests say of the image's making (C2PA 2.4).

A manifest counts if its signature is valid and its hashes are those of this very file: one that was
changed, or that belongs to another image, says nothing, and neither does a compressed one. It is
``trusted`` if its signer's certificate leads to an anchor of C2PA's trust list. Nothing is fetched,
neither manifests that lie elsewhere nor the state of certificates: no file may make a worker send
requests.
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
"""Boxes of these kinds are in every file with a manifest (ISO 19566-5, C2PA 2.4 §11.1)."""
_NO_FAULT = frozenset({"signingCredential.untrusted"})
_LONGEST_NAME = 60


def find(data: bytes, name: str) -> tuple[Evidence, ...]:
    """Read the Content Credentials of an image file.

    Args:
        data: the whole file.
        name: its format, as ``models.image.sniff`` names it.

    Returns:
        At most one fact: that a generative model had a part in it, or else how it was captured.

    Raises:
        c2pa.C2paError: the manifests cannot be read.
    """
    if not all(mark in data for mark in _MARKS):
        return ()
    return read(data, name, _context())


def read(data: bytes, name: str, context: c2pa.Context) -> tuple[Evidence, ...]:
    """Do what `find` does, for a context with trust anchors of its own."""
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
    """Make what manifests are read with.

    Args:
        signers: certificates (PEM) of those who vouch for signers.
        time_stampers: of those who vouch for time-stamping authorities.
    """
    anchors = [
        {"trust_anchors": signers, "trust_kind": "manifest"},
        {"trust_anchors": time_stampers, "trust_kind": "tsa"},
    ]
    verify = {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
    # A file could hold thousands of compressed manifests, each a bomb; hardly anybody writes any.
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
    """Yield the image's own manifest, then that of the image which it was made from, and so on."""
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
    """Whether whoever took the ingredient in found its manifest to be valid and its own."""
    results = ingredient.get("validation_results") or {}
    faults = (results.get("activeManifest") or {}).get("failure") or []
    faults += ingredient.get("validation_status") or []  # before C2PA 2.1
    return {fault["code"] for fault in faults} <= _NO_FAULT


def _source_types(manifest: dict[str, Any]) -> Iterator[SourceType]:
    """Yield what each action says of where the image comes from."""
    for assertion in manifest.get("assertions", ()):
        if assertion["label"].startswith("c2pa.actions"):
            for action in assertion["data"].get("actions", ()):
                if kind := source_type(action.get("digitalSourceType") or ""):
                    yield kind


def _trusted(report: dict[str, Any]) -> set[str]:
    """Return the labels of the manifests whose signers are vouched for, all the way to this one."""
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
    """Return the name in the signer's certificate, on one line."""
    name = manifest["signature_info"].get("issuer") or "a known signer"
    return " ".join(name.split())[:_LONGEST_NAME]


def _evidence(kind: SourceType, signer: str | None) -> Evidence:
    whose = f"by {signer}" if signer else "by somebody whom no known authority vouches for"
    return Evidence(
        kind="c2pa",
        says=kind.says,
        detail=f"Content Credentials, signed {whose}, say that it was {kind.meaning}.",
        trusted=signer is not None,
    )
