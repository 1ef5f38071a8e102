"""Renewal information (RFC 9773): the identifier, the moment, and how often a CA is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.errors import CertctlError
from certctl.issuers.acme.certificate import certificate_id
from certctl.issuers.acme.issuer import AcmeIssuer
from certctl.planning.spec import AcmeOptions, IssuerSpec
from certctl.planning.state import Advice
from certctl.planning.times import rfc3339
from tests.unit.acme_tiny_ca import Said, TinyCa, tiny_ca

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)


def leaf(serial: int = 0x87654321, *, key_id: bool = True) -> bytes:
    """Return a certificate with the key identifier of RFC 9773's example."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example.test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(serial).not_valid_before(NOW - timedelta(days=1))
    builder = builder.not_valid_after(NOW + timedelta(days=89))
    if key_id:
        octets = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
        builder = builder.add_extension(x509.AuthorityKeyIdentifier(octets, None, None), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_identifier() -> None:
    """The example of RFC 9773 §4.1, and serials with and without a sign bit in the way."""
    assert certificate_id(leaf()) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
    assert certificate_id(leaf(0x7F)) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.fw"
    assert certificate_id(leaf(0x80)) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIA"
    assert certificate_id(leaf(key_id=False)) is None


class Ca:
    """What the CA says next."""

    def __init__(self) -> None:
        self.said = Said(b"", 404)
        self.tiny: TinyCa | None = None

    def window(self, start: datetime, end: datetime, *headers: tuple[str, str]) -> None:
        document = {"suggestedWindow": {"start": rfc3339(start), "end": rfc3339(end)}}
        self.said = Said(json.dumps(document).encode(), 200, headers)

    @property
    def asked(self) -> int:
        assert self.tiny is not None
        return sum(path.startswith("/renewalInfo/") for _, path, _ in self.tiny.requests)


@pytest.fixture
def ca() -> Iterator[Ca]:
    found = Ca()
    with tiny_ca({"/renewalInfo/": lambda _: found.said}) as found.tiny:
        yield found


@pytest.fixture
def issuer(ca: Ca, tmp_path: Path) -> AcmeIssuer:
    assert ca.tiny is not None
    return AcmeIssuer(
        IssuerSpec("ca", "acme", acme=AcmeOptions(f"{ca.tiny.url}/dir")), str(tmp_path / "home")
    )


def test_moment_is_chosen_once(ca: Ca, issuer: AcmeIssuer) -> None:
    """It lies in the window, differs between certificates, and stays until the window moves."""
    start, end = NOW + timedelta(days=10), NOW + timedelta(days=20)
    ca.window(start, end)
    moments = [issuer.renewal_info(leaf(), None, NOW) for _ in range(8)]
    assert all(found is not None and start <= found.renew_at <= end for found in moments)
    assert len({found.renew_at for found in moments if found}) == 8
    known = moments[0]
    assert known is not None
    again = issuer.renewal_info(leaf(), known, known.check_at)
    assert again is not None
    assert again.renew_at == known.renew_at
    ca.window(start - timedelta(days=15), end - timedelta(days=15))
    moved = issuer.renewal_info(leaf(), again, again.check_at)
    assert moved is not None
    assert moved.renew_at <= end - timedelta(days=15)


def test_window_in_the_past_means_now(ca: Ca, issuer: AcmeIssuer) -> None:
    """A revoked certificate is due at once."""
    ca.window(NOW - timedelta(hours=2), NOW - timedelta(hours=1))
    found = issuer.renewal_info(leaf(), None, NOW)
    assert found is not None
    assert found.renew_at == NOW


def test_window_beyond_the_end(ca: Ca, issuer: AcmeIssuer) -> None:
    """A window that reaches beyond the certificate's end never leads to a renewal after it."""
    ca.window(NOW + timedelta(days=88), NOW + timedelta(days=9000))
    found = issuer.renewal_info(leaf(), None, NOW)
    assert found is not None
    assert found.renew_at <= NOW + timedelta(days=89)


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [(None, 21600), ("7200", 7200), ("1", 60), ("99999999", 86400), ("x", 21600)]
)
def test_how_often(ca: Ca, issuer: AcmeIssuer, retry_after: str | None, seconds: int) -> None:
    """Retry-After says when to ask again, within a minute and a day; six hours without it."""
    ca.window(NOW, NOW + timedelta(days=1), *([("Retry-After", retry_after)] if retry_after else []))
    found = issuer.renewal_info(leaf(), None, NOW)
    assert found is not None
    assert (found.check_at - NOW).total_seconds() == seconds
    assert ca.asked == 1
    assert issuer.renewal_info(leaf(), found, found.check_at - timedelta(seconds=1)) is found
    assert ca.asked == 1


KNOWN = Advice(NOW + timedelta(days=5), NOW, NOW + timedelta(days=9), NOW, "https://ca.test/why")


@pytest.mark.parametrize(
    "said",
    [
        Said(b"", 503),
        Said(b"<html>", 200),
        Said(b"{}", 200),
        Said(b'{"suggestedWindow": {"start": "x", "end": "y"}}', 200),
        Said(b'{"suggestedWindow": {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}}', 200),
        Said(b'{"suggestedWindow": {"start": "2027-02-22T00:00:00Z", "end": "2027-02-23T00:00:00Z"}}', 200),
        Said(
            b'{"suggestedWindow": {"start": "2026-12-01T00:00:00Z", "end": "9999-12-31T23:59:59-12:00"}}', 200
        ),
        Said(b'{"suggestedWindow": {"start": "2026-12-01", "end": "2026-12-02"}}', 200),
        Said(b"{}", 429, (("Retry-After", "7200"),)),
    ],
    ids=["503", "page", "nothing", "nonsense", "backwards", "too late", "overflow", "no zone", "429"],
)
def test_ca_that_cannot_be_asked(ca: Ca, issuer: AcmeIssuer, said: Said) -> None:
    """What is known holds on, and the certificates after that one do not wait for the CA again."""
    ca.said = said
    kept = issuer.renewal_info(leaf(), KNOWN, NOW)
    assert kept is not None
    assert kept._replace(check_at=NOW) == KNOWN
    assert kept.check_at - NOW >= timedelta(hours=2 if said.status == 429 else 1)
    with pytest.raises(CertctlError):
        issuer.renewal_info(leaf(), None, NOW)
    assert ca.asked == 1


def test_no_advice(ca: Ca, issuer: AcmeIssuer) -> None:
    """A certificate that the CA does not know, one without identifier, and one that has expired."""
    assert issuer.renewal_info(leaf(), None, NOW) is None
    assert issuer.renewal_info(leaf(), KNOWN, NOW) is None
    asked = ca.asked
    assert issuer.renewal_info(leaf(key_id=False), None, NOW) is None
    assert issuer.renewal_info(leaf(), None, NOW + timedelta(days=90)) is None
    assert ca.asked == asked


def test_fractions_of_a_second(ca: Ca, issuer: AcmeIssuer) -> None:
    """Nine digits, as Go prints them, are read by every Python."""
    ca.said = Said(
        b'{"suggestedWindow": {"start": "2026-12-01T00:00:00.123456789Z",'
        b' "end": "2026-12-02T00:00:00.5+01:00"}}'
    )
    found = issuer.renewal_info(leaf(), None, NOW)
    assert found is not None
    assert found.window_start == datetime(2026, 12, 1, 0, 0, 0, 123000, tzinfo=timezone.utc)
    assert found.window_end == datetime(2026, 12, 1, 23, 0, 0, 500000, tzinfo=timezone.utc)
