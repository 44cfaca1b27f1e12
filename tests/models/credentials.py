"""Signs Content Credentials with test authorities, as cameras and generators do."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def created(term: str) -> dict[str, Any]:
    """An action: the image was created with this source type."""
    return {"action": "c2pa.created", "digitalSourceType": IPTC + term}


class Authority:
    """A certificate authority and a signer.

    Args:
        name: the signer's organisation.
        ocsp_url: where the signer's certificate says that its state can be asked for.
        key_usage: the extended key usage of the signer's certificate.
    """

    def __init__(
        self,
        name: str,
        ocsp_url: str | None = None,
        key_usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ) -> None:
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        key = ec.generate_private_key(ec.SECP256R1())
        root = self._certificate("Authority", self._root_key).add_extension(
            _key_usage(key_cert_sign=True), critical=True
        )
        signer = (
            self._certificate(name, key)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([key_usage]), False)
        )
        if ocsp_url is not None:
            place = x509.UniformResourceIdentifier(ocsp_url)
            access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)
            signer = signer.add_extension(x509.AuthorityInformationAccess([access]), False)
        self.certificate = self._signed(root)
        chain = self._signed(signer) + self.certificate
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._info = c2pa.C2paSignerInfo("es256", chain.encode(), private, None)

    def sign(
        self,
        image: bytes,
        *actions: dict[str, Any],
        kind: str = "jpeg",
        parent: bytes | None = None,
        relationship: str = "parentOf",
        trusting: str | None = None,
        remote: str | None = None,
        compressed: bool = False,
    ) -> bytes:
        """Return the image file with a signed manifest.

        Args:
            image: the file.
            actions: what was done.
            kind: the file's format, as in its media type.
            parent: the file that it was made from.
            relationship: of that file to the image.
            trusting: the anchors (PEM) that the signer trusts when he records the parent's trust.
            remote: the URL at which its manifest lies instead.
            compressed: whether the manifest is.
        """
        manifest = {
            "claim_generator_info": [{"name": "tests", "version": "1"}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": list(actions)}}],
        }
        settings = {
            "verify": {"verify_after_sign": False},
            "builder": {"thumbnail": {"enabled": False}},
            "core": {"prefer_compress_manifests": compressed},
        }
        if trusting is not None:
            anchors = [{"trust_anchors": trusting, "trust_kind": "manifest"}]
            settings["trust"] = {"anchors": anchors}
        context = c2pa.Context(c2pa.Settings.from_dict(settings))
        builder = c2pa.Builder.from_json(json.dumps(manifest), context=context)
        if parent is not None:
            ingredient = {"title": "parent", "relationship": relationship, "label": "parent"}
            builder.add_ingredient(json.dumps(ingredient), "image/jpeg", io.BytesIO(parent))
        if remote is not None:
            builder.set_no_embed()
            builder.set_remote_url(remote)
        signed = io.BytesIO()
        builder.sign(c2pa.Signer.from_info(self._info), f"image/{kind}", io.BytesIO(image), signed)
        return signed.getvalue()

    def _certificate(
        self, organisation: str, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        is_root = key is self._root_key
        root = self._root_key.public_key()
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(organisation))
            .issuer_name(_name("Authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root), False)
        )

    def _signed(self, certificate: x509.CertificateBuilder) -> str:
        signed = certificate.sign(self._root_key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


EDITED = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["parent"]}}
"""An action: the parent image was opened for editing."""


PLACED = {"action": "c2pa.placed", "parameters": {"ingredientIds": ["parent"]}}
"""An action: another image was placed into this one."""

CLAIM_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")


def _name(organisation: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, organisation),
        ]
    )


def _key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )
