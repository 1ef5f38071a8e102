"""A private CA signs what OpenSSL accepts, outlives its leaves, and loses nothing in a crash."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509 as c

from certctl.errors import CertctlError
from certctl.planning.spec import PrivateCaOptions
from certctl.ports import Issued, IssueRequest
from certctl.x509.certificate import load
from certctl.x509.keys import load_private_key
from tests.unit.issuer_world import DAY, checked, issued, openssl_text, openssl_verify, request
from tests.unit.private_ca_world import FILES, at, ca, contents, home
from tests.unit.x509_make import NOW, Made, ec_key, make


@pytest.mark.parametrize("ca_key", ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "ed25519"])
@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "rsa-2048", "ed25519"])
def test_openssl_accepts_the_chain(tmp_path: Path, ca_key: str, algorithm: str) -> None:
    """Whatever the keys of CA and leaf, the chain verifies strictly for both sides of TLS."""
    asked = request(tmp_path / "work", algorithm=algorithm)
    answer = checked(ca(tmp_path, PrivateCaOptions(key=ca_key)).issue(asked), asked)
    for purpose in ("sslserver", "sslclient"):
        assert openssl_verify(tmp_path, answer, "-purpose", purpose) == "OK"
    assert openssl_verify(tmp_path, answer, "-verify_ip", "192.0.2.25") == "OK"
    assert len(answer.chain) == 2
    assert answer.root == (home(tmp_path) / "root.pem").read_bytes()
    assert answer.chain[1] == (home(tmp_path) / "intermediate.pem").read_bytes()


def test_without_its_intermediate_it_does_not_verify(tmp_path: Path) -> None:
    """The test of the chain tests something: the intermediate is needed."""
    answer = issued(ca(tmp_path).issue(request(tmp_path / "work")))
    assert "unable to get local issuer" in openssl_verify(tmp_path, answer._replace(chain=answer.chain[:1]))


def test_files_and_modes(tmp_path: Path) -> None:
    """Keys are nobody else's, certificates can be read, the directories are private, whatever the umask."""
    old = os.umask(0)
    try:
        ca(tmp_path).issue(request(tmp_path / "work"))
    finally:
        os.umask(old)
    modes = {name: stat.S_IMODE((home(tmp_path) / name).stat().st_mode) for name in FILES}
    assert modes == {
        "root.key": 0o600,
        "root.pem": 0o644,
        "intermediate.key": 0o600,
        "intermediate.pem": 0o644,
    }
    assert sorted(os.listdir(home(tmp_path))) == sorted(FILES)
    assert stat.S_IMODE(home(tmp_path).stat().st_mode) == 0o700


def test_subjects_and_path_lengths(tmp_path: Path) -> None:
    """The subjects say whose CA it is, and the path lengths follow the configuration."""
    answer = issued(ca(tmp_path).issue(request(tmp_path / "work")))
    assert answer.root is not None
    root, middle = load(answer.root), load(answer.chain[1])
    host = os.uname().nodename
    assert root.subject == f"CN=certctl office of {host} Root"
    assert middle.subject == f"CN=certctl office of {host} Intermediate"
    assert (root.path_length, middle.path_length) == (1, 0)
    assert "Certificate Sign, CRL Sign" in openssl_text(answer.root)
    long = PrivateCaOptions(common_name="x" * 70, path_length=2)
    answer = issued(ca(tmp_path / "long", long).issue(request(tmp_path / "work")))
    assert load(answer.chain[1]).subject == f"CN={'x' * 51} Intermediate"
    assert load(answer.chain[1]).path_length == 2


def test_the_ca_is_kept(tmp_path: Path) -> None:
    """A second process uses the CA that is there, even if another kind of key is configured now."""
    ca(tmp_path).issue(request(tmp_path / "work"))
    before = contents(tmp_path)
    asked = request(tmp_path / "work")
    checked(ca(tmp_path, PrivateCaOptions(key="rsa-2048", common_name="Other")).issue(asked), asked)
    assert contents(tmp_path) == before


def test_leaf_lifetime(tmp_path: Path) -> None:
    """A leaf ends when the configuration says, short lives included."""
    issuer = ca(tmp_path)
    for validity in (60.0, 600.0, 90 * DAY):
        leaf = load(issued(issuer.issue(request(tmp_path / "work", validity=validity))).chain[0])
        assert leaf.not_after == NOW + timedelta(seconds=validity)
        assert leaf.not_before < NOW


def test_intermediate_is_renewed_before_it_limits_a_leaf(tmp_path: Path) -> None:
    """Over thirty years every leaf lasts as long as asked for, on the keys of the first day."""
    issuer = ca(tmp_path)
    issuer.issue(request(tmp_path / "work"))
    first = contents(tmp_path)
    middles, roots = set(), set()
    for month in range(360):
        now = at(30 * month)
        asked = request(tmp_path / "work", now=now)
        answer = issued(issuer.issue(asked))
        assert answer.root is not None
        leaf, middle, root = load(answer.chain[0]), load(answer.chain[1]), load(answer.root)
        assert leaf.not_after == now + timedelta(days=90) <= middle.not_after <= root.not_after
        middles.add(middle.serial)
        roots.add(root.serial)
    checked(answer, asked)
    assert openssl_verify(tmp_path, answer, now=now) == "OK"
    assert 7 <= len(middles) <= 10
    assert len(roots) == 2
    last = contents(tmp_path)
    assert last["root.key"] == first["root.key"]
    assert last["intermediate.key"] == first["intermediate.key"]


def test_leaf_verifies_under_the_old_root(tmp_path: Path) -> None:
    """Peers who have only the old root certificate still accept leaves made after its renewal."""
    issuer = ca(tmp_path)
    old = issued(issuer.issue(request(tmp_path / "work"))).root
    late = at(16 * 365)
    answer = issued(issuer.issue(request(tmp_path / "work", now=late)))
    assert answer.root != old
    assert openssl_verify(tmp_path, answer._replace(root=old), now=late) == "OK"
    assert openssl_verify(tmp_path, answer, now=late) == "OK"


@pytest.mark.parametrize(
    ("intermediate", "root"), [(30, 7300), (3650, 365), (1, 1), (10 / 1440, 20 / 1440)], ids=str
)
def test_short_lived_ca(tmp_path: Path, intermediate: float, root: float) -> None:
    """A CA that lives shorter than a leaf cuts it, and is not renewed for every leaf."""
    options = PrivateCaOptions(intermediate_validity=intermediate * DAY, root_validity=root * DAY)
    issuer = ca(tmp_path, options)
    life = min(intermediate, root)
    middles = set()
    for step in range(40):
        now = at(step * life / 10)
        asked = request(tmp_path / "work", now=now, validity=3650 * DAY)
        answer = checked(issuer.issue(asked), asked)
        leaf = load(answer.chain[0])
        assert leaf.not_after >= now + timedelta(days=life / 2)
        middles.add(load(answer.chain[1]).serial)
    assert len(middles) <= 20


def test_root_key_off_line(tmp_path: Path) -> None:
    """Without root.key the intermediate goes on signing, until something must be signed with the root."""
    ca(tmp_path).issue(request(tmp_path / "work"))
    key = home(tmp_path) / "root.key"
    key.rename(tmp_path / "safe.key")
    soon = request(tmp_path / "work", now=at(1500))
    checked(ca(tmp_path).issue(soon), soon)
    late = request(tmp_path / "work", now=at(1780))
    with pytest.raises(CertctlError, match=r"root\.key is not there, and intermediate\.pem has to be signed"):
        ca(tmp_path).issue(late)
    (tmp_path / "safe.key").rename(key)
    checked(ca(tmp_path).issue(late), late)


LIMITS = PrivateCaOptions(
    permitted_names=("example.test", "192.0.2.0/24"), excluded_names=("secret.example.test", "192.0.2.128/25")
)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("example.test", True),
        ("mx.example.test", True),
        ("*.example.test", True),
        ("192.0.2.25", True),
        ("mx.other.test", False),
        ("badexample.test", False),
        ("secret.example.test", False),
        ("a.secret.example.test", False),
        ("192.0.2.200", False),
        ("198.51.100.1", False),
        ("2001:db8::1", False),
    ],
)
def test_name_constraints(tmp_path: Path, name: str, allowed: bool) -> None:
    """certctl refuses exactly those names that OpenSSL would refuse under the CA's own limits."""
    free = ca(tmp_path, LIMITS)
    asked = request(tmp_path / "work", names=(name,))
    if allowed:
        answer = checked(free.issue(asked), asked)
        assert openssl_verify(tmp_path, answer, "-purpose", "sslserver") == "OK"
        return
    with pytest.raises(CertctlError, match="may not issue for") as raised:
        free.issue(asked)
    assert name in raised.value.message
    assert not raised.value.transient
    fitting = issued(free.issue(request(tmp_path / "work", names=("mx.example.test",))))
    forced = sign_anyway(tmp_path, asked, fitting)
    assert "subtree violation" in openssl_verify(tmp_path, forced)


def sign_anyway(tmp_path: Path, asked: IssueRequest, fitting: Issued) -> Issued:
    """Sign a leaf with the CA's key, past its checks."""
    key = load_private_key((home(tmp_path) / "intermediate.key").read_bytes())
    middle = Made(load(fitting.chain[1]).parsed, key)
    leaf = make("x", middle, names=asked.names, key=ec_key())
    return fitting._replace(chain=(leaf.pem, fitting.chain[1]))


@pytest.mark.parametrize(
    ("permitted", "good", "bad"),
    [(("example.test",), "a.example.test", "192.0.2.1"), (("192.0.2.0/24",), "192.0.2.1", "a.example.test")],
)
def test_what_is_not_listed_is_not_permitted(
    tmp_path: Path, permitted: tuple[str, ...], good: str, bad: str
) -> None:
    """Where only one kind of name is permitted, the other kind is excluded, by OpenSSL too."""
    issuer = ca(tmp_path, PrivateCaOptions(permitted_names=permitted))
    asked = request(tmp_path / "work", names=(good,))
    answer = checked(issuer.issue(asked), asked)
    assert openssl_verify(tmp_path, answer) == "OK"
    with pytest.raises(CertctlError, match=r"may not issue for .* excludes every"):
        issuer.issue(request(tmp_path / "work", names=(bad,)))
    forced = sign_anyway(tmp_path, request(tmp_path / "work", names=(bad,)), answer)
    assert "subtree violation" in openssl_verify(tmp_path, forced)


def test_limits_of_an_existing_ca(tmp_path: Path) -> None:
    """A CA keeps its limits through a renewal; widening them in the configuration says what it takes."""
    ca(tmp_path, PrivateCaOptions(permitted_names=("example.test",))).issue(
        request(tmp_path / "work", names=("mx.example.test",))
    )
    issuer = ca(tmp_path, PrivateCaOptions(permitted_names=("example.test", "other.test")))
    with pytest.raises(
        CertctlError, match=r"may not issue for mx.other.test \('CN=.* Root': permits"
    ) as raised:
        issuer.issue(request(tmp_path / "work", names=("mx.other.test",)))
    assert raised.value.hint is not None
    assert f"for a new CA, whose root.pem peers then need: mv {home(tmp_path)} " in raised.value.hint
    late = issued(issuer.issue(request(tmp_path / "work", names=("mx.example.test",), now=at(16 * 365))))
    assert late.root is not None
    for pem in (late.root, late.chain[1]):
        found = load(pem).parsed.extensions.get_extension_for_class(c.NameConstraints)
        assert found.critical
        assert found.value.permitted_subtrees == [c.DNSName("example.test")]
