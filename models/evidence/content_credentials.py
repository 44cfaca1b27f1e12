"""Content Credentials: signed statements about the image's origin (C2PA 2.4).

A manifest counts only if its signature is valid and its hashes match this file. Changed manifests,
those of another image and compressed ones are ignored. A manifest is ``trusted`` if its signer's
certificate chains to an anchor of C2PA's trust list. Remote manifests and certificate status are
never fetched, because no file may make a worker send requests.
"""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import c2pa

from models.evidence.credentials_report import Credentials, summarise
from models.verdict import Evidence

_TRUST = Path(__file__).parent / "trust"
_MARKS = b"jumb", b"c2pa"
"""Box types that every file with a manifest contains (ISO 19566-5, C2PA 2.4 §11.1)."""
# C2PA 2.4 §14.5.1: a signer's certificate must have one of these extended key usages. By
# itself, c2pa accepts the last one only.
_KEY_USAGES = (
    "1.3.6.1.4.1.62558.2.1",  # C2PA claim signing
    "1.3.6.1.5.5.7.3.36",  # document signing (RFC 9336)
    "1.3.6.1.5.5.7.3.4",  # e-mail protection, for signers before C2PA 2.2
)


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
    return _evidence(credentials(data, name, context))


def credentials(data: bytes, name: str, context: c2pa.Context) -> Credentials:
    """Validate and summarise the Content Credentials of an image file.

    Raises:
        c2pa.C2paError: there are none, or they cannot be read.
    """
    with c2pa.Reader(f"image/{name}", io.BytesIO(data), context=context) as reader:
        return summarise(json.loads(reader.json()))


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
    trust = {"anchors": anchors, "trust_config": "\n".join(_KEY_USAGES)}
    verify = {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
    # A file could hold thousands of compressed manifests, each a bomb. Real files have almost none.
    core = {"max_decompressed_manifest_size_in_mb": 0}
    return c2pa.Context(c2pa.Settings.from_dict({"trust": trust, "verify": verify, "core": core}))


@cache
def _context() -> c2pa.Context:
    return make_context(
        (_TRUST / "C2PA-TRUST-LIST.pem").read_text(),
        (_TRUST / "C2PA-TSA-TRUST-LIST.pem").read_text(),
    )


def _evidence(found: Credentials) -> tuple[Evidence, ...]:
    source = found.source
    if source is None or source.says is None:
        return ()
    signed = "signed by an unknown signer"
    if found.state == "trusted":
        day = f" on {found.time:%-d %B %Y}" if found.time else ""
        signed = f"signed by {found.signer or 'a known signer'}{day}"
    program = f" ({found.generator})" if found.generator and source.says == "ai" else ""
    return (
        Evidence(
            kind="c2pa",
            says=source.says,
            detail=f"Content Credentials, {signed}, say that the image was {source.meaning}"
            f"{program}.",
            trusted=found.state == "trusted",
            origin=source.origin,
            signer=found.signer,
            generator=found.generator,
            signed_at=found.time,
        ),
    )
