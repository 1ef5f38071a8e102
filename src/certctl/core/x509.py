"""What certctl knows of certificates and keys.

`facts` and `key_facts` read one, `order_chain` makes a chain of a heap, `check`
says whether a chain may be served, `make_csr` asks for a certificate.
cryptography is imported inside the functions: `status` does without it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from certctl.core import pem
from certctl.core.x509_chain import order_chain
from certctl.core.x509_check import check
from certctl.core.x509_keys import encrypted
from certctl.core.x509_load import Digests, algorithm_of, digests, load
from certctl.core.x509_request import make_csr
from certctl.errors import CertctlError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

PRIVATE_LABELS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
PUBLIC_LABELS = ("PUBLIC KEY", "RSA PUBLIC KEY")
REQUEST_LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
LABELS = PRIVATE_LABELS + PUBLIC_LABELS + REQUEST_LABELS
"""The PEM labels that `key_facts` reads."""

__all__ = [
    "LABELS",
    "CertificateFacts",
    "Digests",
    "KeyFacts",
    "check",
    "facts",
    "key_facts",
    "make_csr",
    "order_chain",
]


class CertificateFacts(NamedTuple):
    """What is worth remembering of a certificate."""

    certificate: Digests
    """Of its DER."""
    key: Digests
    """Of its SubjectPublicKeyInfo's DER: sha256 is the data of TLSA 3 1 1."""
    serial: str
    """Upper-case hex, an even number of digits."""
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    """DNS names (A-labels, lower case) and IP addresses, in the certificate's order."""
    issuer: str
    """RFC 4514."""
    algorithm: str
    """A word of spec.ALGORITHMS, or a description of another kind of key."""
    subject: str = ""
    """RFC 4514."""


class KeyFacts(NamedTuple):
    """A key by its public half."""

    algorithm: str
    key: Digests


def facts(leaf_pem: bytes) -> CertificateFacts:
    """Read the first certificate in *leaf_pem*."""
    found = load(leaf_pem)
    return CertificateFacts(
        certificate=digests(found.der),
        key=digests(found.key_der),
        serial=found.serial,
        not_before=found.not_before,
        not_after=found.not_after,
        names=found.names,
        issuer=found.issuer,
        algorithm=found.algorithm,
        subject=found.subject,
    )


def key_facts(data: bytes) -> KeyFacts:
    """Read the first private key, public key or certificate request in PEM *data*.

    Of a private key only the public half is looked at; whether the two belong
    together shows when it signs (`make_csr`). Raises CertctlError for an encrypted
    key, and if there is no key.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    for block in pem.blocks(data):
        if block.label == "ENCRYPTED PRIVATE KEY" or b"\nProc-Type: 4,ENCRYPTED" in block.text:
            raise encrypted()
        if block.label not in LABELS:
            continue
        try:
            key = _public_key(block)
            der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        except Exception as error:
            # As in x509_load: a dozen types, for bytes that are no key.
            raise CertctlError(f"the {block.label} block holds no key that can be read") from error
        return KeyFacts(algorithm_of(key), digests(der))
    raise CertctlError(f"there is no key in {pem.quote(data)}")


def _public_key(block: pem.Block) -> PublicKeyTypes:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    if block.label in REQUEST_LABELS:
        return x509.load_der_x509_csr(block.der).public_key()
    if block.label in PUBLIC_LABELS:
        # By PEM: PKCS #1 and SubjectPublicKeyInfo are told apart by the label.
        return serialization.load_pem_public_key(pem.encode(block.label, block.der))
    # The full check of an RSA key takes 30 ms, and says nothing of its fingerprint.
    return serialization.load_der_private_key(
        block.der, None, unsafe_skip_rsa_key_validation=True
    ).public_key()
