"""The certificate of a server, as the issuers that sign for themselves make it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

from certctl.planning.times import after
from certctl.x509.names import general_names

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from certctl.x509.keys import PrivateKey

# No longer than what peers' clocks are apart, and no more than a tenth of what is asked
# for: "renew at half of the lifetime" then still means half, for a validity of 60 s too.
_BACKDATE_MAX = 3600.0
_BACKDATE_SHARE = 0.1
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)  # RFC 5280 §4.1.2.5


class Lifetime(NamedTuple):
    """From when to when, in whole seconds."""

    not_before: datetime
    not_after: datetime


def lifetime(now: datetime, validity: float, sure: datetime | None = None) -> Lifetime:
    """Return the time that ends *validity* seconds after *now*.

    It begins a little before *now*, for peers whose clocks are slow: an hour, but
    no more than a tenth of *validity*. Where *now* is not believed it is
    valid from the earlier to the later of *now* and *sure*, and *validity* seconds more: by either.
    """
    start = now.replace(microsecond=0)
    seconds = min(max(int(validity), 1), (_LAST - start).total_seconds())
    back = int(min(_BACKDATE_MAX, seconds * _BACKDATE_SHARE))
    other = sure.replace(microsecond=0) if sure is not None else start
    end = after(max(start, other), seconds)
    return Lifetime(min(start, other) - timedelta(seconds=back), min(end, _LAST))


def certificate(
    key: CertificatePublicKeyTypes,
    subject: x509.Name,
    issuer: x509.Name,
    issuer_key: PrivateKey,
    valid: Lifetime,
) -> x509.CertificateBuilder:
    """Return what every certificate has (RFC 5280 §4.1), with a random serial and the key identifiers.

    A self-signed one has its authority key identifier too: where several with one
    subject are trusted at once (current and next), it tells them apart.
    """
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid.not_before)
        .not_valid_after(valid.not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )


def as_server(
    builder: x509.CertificateBuilder, key: CertificatePublicKeyTypes, names: Sequence[str], *, named: bool
) -> x509.CertificateBuilder:
    """Add what makes it the certificate of a server, and of a client: mail servers are both.

    *named*: it has a subject; if not, subjectAltName is critical (RFC 5280 §4.2.1.6).
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

    purposes = x509.ExtendedKeyUsage([Purpose.SERVER_AUTH, Purpose.CLIENT_AUTH])
    # RSA key transport is what TLS 1.2 without forward secrecy needs it for.
    usage = key_usage(digital_signature=True, key_encipherment=isinstance(key, rsa.RSAPublicKey))
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(x509.SubjectAlternativeName(general_names(names)), critical=not named)
    )


def key_usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
