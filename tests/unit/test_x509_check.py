"""A chain that peers would refuse is refused here, with everything that is wrong with it."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509 as c
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from certctl.errors import CertctlError
from certctl.x509.chain import check_chain
from tests.unit.x509_make import DAY, NOW, Made, make, make_chain

CHAIN = make_chain()
NAMES = ("mx.example.test", "192.0.2.25")


def problems(
    chain: list[bytes], pin: str, names: tuple[str, ...] = (), now: datetime = NOW, root: bytes | None = None
) -> str:
    """Return what is wrong, or the empty string."""
    try:
        check_chain(chain, spki_sha256=pin, names=names, now=now, root=root)
    except CertctlError as error:
        return error.message
    return ""


def below(issuer: Made, names: tuple[str, ...] = (), purposes: tuple[c.ObjectIdentifier, ...] = ()) -> Made:
    return make("mx.example.test", issuer, names=names, purposes=purposes)


def verdict(leaf: Made, *above: Made, root: Made | None = None) -> str:
    chain = [leaf.pem, *(made.pem for made in above)]
    return problems(chain, leaf.pin, root=root.pem if root else None)


def test_good_chains() -> None:
    """A whole chain, one without a known root, and a self-signed leaf pass."""
    pin = CHAIN.leaf.pin
    assert problems(CHAIN.pems, pin, NAMES, root=CHAIN.root.pem) == ""
    assert problems(CHAIN.pems, pin, NAMES) == ""
    own = make("mx.example.test", names=NAMES)
    assert problems([own.pem], own.pin, NAMES, root=own.pem) == ""
    assert problems([own.pem], own.pin, NAMES) == ""


def test_extra_names_are_welcome_and_lost_ones_are_listed() -> None:
    """Names beyond the configured ones do no harm; each lost one is named."""
    assert problems(CHAIN.pems, CHAIN.leaf.pin, NAMES[:1]) == ""
    said = problems(CHAIN.pems, CHAIN.leaf.pin, ("a.test", *NAMES, "b.test"))
    assert said == "'CN=mx.example.test' does not name a.test, b.test (it names mx.example.test, 192.0.2.25)"


def test_wildcard_is_no_exact_name() -> None:
    """A wildcard certificate does not stand for a configured name below it."""
    made = make("mail", names=["*.example.test"])
    assert "does not name mx.example.test" in problems([made.pem], made.pin, ("mx.example.test",))
    assert problems([made.pem], made.pin, ("*.example.test",)) == ""


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (NOW - DAY - timedelta(seconds=1), "'CN=mx.example.test' is not valid before 2026-11-23T12:00:00Z"),
        (NOW - DAY, ""),
        (NOW + 90 * DAY - timedelta(seconds=1), ""),
        (NOW + 90 * DAY, "'CN=mx.example.test' expired at 2027-02-22T12:00:00Z"),
        (NOW + 400 * DAY, "'CN=Test Intermediate' expired at"),
        (NOW + 4000 * DAY, "'CN=Test Root' expired at"),
    ],
)
def test_times(now: datetime, said: str) -> None:
    """Every certificate of the chain has to be valid now, without any skew allowed."""
    found = problems(CHAIN.pems, CHAIN.leaf.pin, now=now, root=CHAIN.root.pem)
    assert said in found if said else found == ""


def test_all_problems_at_once() -> None:
    """Whoever mends one thing sees the next with it."""
    said = problems(CHAIN.pems, "AA", ("b.test",), NOW + 91 * DAY)
    assert [word in said for word in ("another key", "does not name b.test", "expired")] == [True] * 3


def test_wrong_order() -> None:
    """Issuers that do not follow each other are named."""
    upper = make("Upper", CHAIN.root, ca=True)
    lower = make("Lower", upper, ca=True)
    leaf = below(lower)
    assert verdict(leaf, lower, upper, root=CHAIN.root) == ""
    said = verdict(leaf, upper, lower, root=CHAIN.root)
    assert "'CN=mx.example.test' was issued by 'CN=Lower', but 'CN=Upper' comes after it" in said


def test_missing_issuer() -> None:
    """A leaf alone is not enough, unless its root is known and signed it."""
    said = problems(CHAIN.pems[:1], CHAIN.leaf.pin)
    assert said == (
        "the chain ends at 'CN=mx.example.test': the certificate of 'CN=Test Intermediate' is missing"
    )
    assert "but 'CN=Test Root' comes after it" in verdict(CHAIN.leaf, root=CHAIN.root)
    assert verdict(below(CHAIN.root), root=CHAIN.root) == ""


def test_broken_signature() -> None:
    """An issuer of the right name with another key did not sign it."""
    other = make_chain()
    said = problems([CHAIN.leaf.pem, other.middle.pem], CHAIN.leaf.pin)
    assert "the signature on 'CN=mx.example.test' was not made by 'CN=Test Intermediate'" in said
    said = problems(CHAIN.pems, CHAIN.leaf.pin, root=other.root.pem)
    assert "the signature on 'CN=Test Intermediate' was not made by 'CN=Test Root'" in said


def test_ca_as_leaf() -> None:
    """The certificate of a CA is not served as a server's."""
    leaf = make("mx.example.test", CHAIN.root, ca=True)
    assert verdict(leaf, CHAIN.root) == "'CN=mx.example.test' is the certificate of a CA, not of a server"


def test_issuers_that_may_not_issue() -> None:
    """No CA flag, no keyCertSign, or too many intermediates below: each is said."""
    plain = make("Plain", CHAIN.root)
    assert "'CN=Plain' is no CA" in verdict(below(plain), plain)
    unfit = make("Unfit", CHAIN.root, ca=True, cert_sign=False)
    assert "'CN=Unfit' may not sign certificates" in verdict(below(unfit), unfit)
    upper = make("Upper", CHAIN.root, ca=True, path_length=0)
    lower = make("Lower", upper, ca=True, cert_sign=True)
    assert "'CN=Upper' allows 0 intermediates below it, there are 1" in verdict(below(lower), lower, upper)


def test_name_constraints() -> None:
    """A name that a CA above may not issue for would be refused by every peer."""
    limits = c.NameConstraints([c.DNSName("example.test")], None)
    limited = make("Limited", CHAIN.root, ca=True, constraints=limits)
    assert verdict(below(limited, ("mx.example.test",)), limited) == ""
    said = verdict(below(limited, ("mx.example.test", "mx.other.test")), limited)
    assert said == "'CN=Limited' may not issue for mx.other.test (name constraints)"


def test_purposes() -> None:
    """A certificate for code signing does not serve TLS; client certificates do, for relays."""
    assert verdict(below(CHAIN.root, (), (ExtendedKeyUsageOID.CLIENT_AUTH,)), CHAIN.root) == ""
    assert verdict(below(CHAIN.root, (), (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)), CHAIN.root) == ""
    said = verdict(below(CHAIN.root, (), (ExtendedKeyUsageOID.CODE_SIGNING,)), CHAIN.root)
    assert "is for other purposes than TLS" in said


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_weak_signature(tmp_path: Path, digest: str) -> None:
    """A signature that could be forged is refused by its name."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    made = Made(make("weak.test").certificate, key)
    (tmp_path / "key.pem").write_bytes(made.key_pem)
    command = ["openssl", "req", "-x509", "-key", "key.pem", f"-{digest}", "-subj", "/CN=weak.test"]
    command += ["-addext", "basicConstraints=critical,CA:FALSE", "-days", "3650"]
    weak = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
    assert f"'CN=weak.test' has a weak signature ({digest})" in problems([weak], made.pin)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "there is no certificate in nothing at all"),
        (
            b"<!DOCTYPE html><title>502</title>",
            "33 bytes that begin with '<!DOCTYPE html><title>502</title>'",
        ),
        (CHAIN.pems[0][:300], "cut off"),
    ],
)
def test_no_certificate_at_all(data: bytes, said: str) -> None:
    """A page, nothing, or half a file is quoted and refused."""
    assert said in problems([data], CHAIN.leaf.pin)


def test_empty_chain() -> None:
    """No certificate is no chain."""
    assert problems([], "AA") == "there is no certificate in the chain"
