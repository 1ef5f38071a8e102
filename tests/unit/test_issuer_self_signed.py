"""A self-signed certificate is accepted by those who trust exactly it."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.issuers.self_signed import SelfSignedIssuer
from certctl.planning.spec import IssuerSpec
from certctl.ports import IssueRequest
from certctl.x509 import ALGORITHMS
from certctl.x509.certificate import certificate_facts
from tests.unit.issuer_world import DAY, NAMES, checked, openssl_text, openssl_verify, request
from tests.unit.x509_make import NOW

ISSUER = SelfSignedIssuer(IssuerSpec("self-signed", "self-signed"), "/nonexistent/home")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_openssl_accepts_it_as_its_own_anchor(tmp_path: Path, algorithm: str) -> None:
    """With every algorithm, OpenSSL verifies it strictly for both sides of TLS and by its names."""
    asked = request(tmp_path, algorithm=algorithm)
    answer = checked(ISSUER.issue(asked), asked)
    assert answer.chain == (answer.root,)
    for purpose in ("sslserver", "sslclient"):
        assert openssl_verify(tmp_path, answer, "-purpose", purpose) == "OK"
    assert openssl_verify(tmp_path, answer, "-verify_hostname", "mx.example.test") == "OK"
    assert openssl_verify(tmp_path, answer, "-verify_ip", "2001:db8::25") == "OK"
    assert "hostname mismatch" in openssl_verify(tmp_path, answer, "-verify_hostname", "mx.other.test")


def test_extensions(tmp_path: Path) -> None:
    """It says of itself that it is a server and a client, and no CA."""
    text = openssl_text(ISSUER.issue(request(tmp_path)).chain[0])
    for part in (
        "Version: 3",
        "CA:FALSE",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "DNS:mx.example.test, IP Address:192.0.2.25, IP Address:2001:DB8:0:0:0:0:0:25, DNS:*.example.test",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
    ):
        assert part in text
    assert "Key Encipherment" not in text
    assert "Key Encipherment" in openssl_text(ISSUER.issue(request(tmp_path, algorithm="rsa-2048")).chain[0])


@pytest.mark.parametrize(
    ("validity", "back"), [(90 * DAY, 3600), (600, 60), (60, 6), (5, 0), (0.5, 0), (1e15, 3600)]
)
def test_lifetime(tmp_path: Path, validity: float, back: int) -> None:
    """It ends when the configuration says, and begins a little earlier, short lives included."""
    now = NOW + timedelta(microseconds=654321)
    found = certificate_facts(ISSUER.issue(request(tmp_path, validity=validity, now=now)).chain[0])
    assert found.not_before == NOW - timedelta(seconds=back)
    if validity == 1e15:
        assert found.not_after.year == 9999
    else:
        assert found.not_after == NOW + timedelta(seconds=max(1, int(validity)))


def test_half_of_the_lifetime_is_half_of_the_validity(tmp_path: Path) -> None:
    """The back-dating never makes a fresh certificate due."""
    for validity in (5.0, 60.0, 600.0, 90 * DAY):
        found = certificate_facts(ISSUER.issue(request(tmp_path, validity=validity)).chain[0])
        half = found.not_after - (found.not_after - found.not_before) / 2
        assert (half - NOW).total_seconds() >= 0.44 * validity


def test_subject_is_never_empty(tmp_path: Path) -> None:
    """Without a DNS name that fits, the lineage's name stands in the subject."""
    answer = ISSUER.issue(request(tmp_path, names=("192.0.2.25",)))
    assert certificate_facts(answer.chain[0]).issuer == "CN=mx"
    assert openssl_verify(tmp_path, answer, "-verify_ip", "192.0.2.25") == "OK"


def test_two_with_one_subject_in_one_file(tmp_path: Path) -> None:
    """Current and next certificate can be trusted from one CAfile, in either order."""
    answers = [ISSUER.issue(request(tmp_path)) for _ in range(2)]
    both = b"".join(answer.chain[0] for answer in answers)
    for answer in answers:
        assert openssl_verify(tmp_path, answer._replace(root=both), "-purpose", "sslserver") == "OK"


def test_serials_differ(tmp_path: Path) -> None:
    """A renewal with the same key in the same second is another certificate."""
    asked = request(tmp_path)
    serials = {certificate_facts(ISSUER.issue(asked).chain[0]).serial for _ in range(5)}
    assert len(serials) == 5
    assert all(len(serial) >= 30 for serial in serials)


def test_damaged_key(tmp_path: Path) -> None:
    """A key that cannot be read gives an error and no certificate."""
    with pytest.raises(CertctlError, match="cannot be read"):
        ISSUER.issue(
            request(tmp_path, key_pem=b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        )


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "rsa-2048", "ed25519"])
def test_tls_handshake(tmp_path: Path, algorithm: str) -> None:
    """A client that trusts it and checks the name completes a handshake; another one refuses."""
    asked = request(tmp_path, algorithm=algorithm, now=datetime.now(timezone.utc), names=("localhost",))
    leaf = ISSUER.issue(asked).chain[0]
    assert _handshake(tmp_path, asked, leaf, trusted=leaf) == "OK"
    other = ISSUER.issue(asked._replace(key_pem=request(tmp_path).key_pem)).chain[0]
    assert "self-signed" in _handshake(tmp_path, asked, leaf, trusted=other)


def _handshake(directory: Path, asked: IssueRequest, leaf: bytes, trusted: bytes) -> str:
    bundle = directory / "bundle.pem"
    bundle.write_bytes(asked.key_pem + leaf)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(bundle)
    client = ssl.create_default_context(cadata=trusted.decode())
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except (ssl.SSLError, OSError):
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname="localhost").close()
    except ssl.SSLError as error:
        return str(error)
    finally:
        ours.close()
        thread.join()
    return "OK"


def test_finish_is_harmless(tmp_path: Path) -> None:
    """There is nothing to finish, however often."""
    asked = request(tmp_path, names=NAMES[:1])
    ISSUER.finish(asked)
    ISSUER.finish(asked)
