"""A request waits for a person, and only the certificate that fits it ends the waiting."""

from __future__ import annotations

import os
import stat
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.issuers.accepting import PendingCsr, accept, pending
from certctl.issuers.csr import CsrIssuer
from certctl.issuers.private_ca import PrivateCaIssuer
from certctl.planning.spec import IssuerSpec
from certctl.ports import Issued, IssueRequest, Waiting
from certctl.store import atomic
from certctl.x509.certificate import load
from certctl.x509.keys import key_facts, request_facts
from tests.unit.issuer_world import checked, issued, request
from tests.unit.x509_make import NOW, make

ISSUER = CsrIssuer(IssuerSpec("paper", "csr"), "/nonexistent/home")


def waiting(asked: IssueRequest) -> str:
    answer = ISSUER.issue(asked)
    assert isinstance(answer, Waiting)
    return answer.reason


def sign(tmp_path: Path, asked: IssueRequest) -> list[bytes]:
    """What a CA would send: leaf, intermediate, root."""
    office = PrivateCaIssuer(IssuerSpec("office", "private-ca"), str(tmp_path / "ca"))
    answer = issued(office.issue(asked))
    assert answer.root is not None
    return [*answer.chain, answer.root]


def test_first_it_waits(tmp_path: Path) -> None:
    """The request is there to be copied, and the reason says where, and what to type then."""
    asked = request(tmp_path / "work")
    path = tmp_path / "work" / "ecdsa-p256.csr"
    assert waiting(asked) == f"{path} waits for a CA to sign it; then type: certctl accept mx CERT.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    command = ["openssl", "req", "-verify", "-noout", "-in", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    found = request_facts(path.read_bytes())
    assert (found.names, found.key_sha256) == (asked.names, key_facts(asked.key_pem).key.sha256)


def test_request_stays_while_nothing_changes(tmp_path: Path) -> None:
    """Pass after pass the same request waits, so that the copy that was sent stays the right one."""
    asked = request(tmp_path / "work")
    waiting(asked)
    path = tmp_path / "work" / "ecdsa-p256.csr"
    before = path.read_bytes()
    for days in range(3):
        waiting(asked._replace(now=NOW + timedelta(days=days)))
    assert path.read_bytes() == before


def test_request_is_written_anew(tmp_path: Path) -> None:
    """Other names, another key, or a file that is damaged make a new request."""
    asked = request(tmp_path / "work")
    waiting(asked)
    path = tmp_path / "work" / "ecdsa-p256.csr"
    more = asked._replace(names=("mx.example.test", "new.example.test"))
    waiting(more)
    assert request_facts(path.read_bytes()).names == more.names
    other = request(tmp_path / "work", names=more.names)
    waiting(other)
    assert request_facts(path.read_bytes()).key_sha256 == key_facts(other.key_pem).key.sha256
    for damage in (b"", path.read_bytes()[:200], b"<html>"):
        path.write_bytes(damage)
        waiting(other)
        assert request_facts(path.read_bytes()).names == other.names


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_accept_then_issue_then_finish(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Certificates in any order end the waiting, and finishing takes the notes away."""
    asked = request(tmp_path / "work")
    waiting(asked)
    pems = sign(tmp_path, asked)
    assert accept(pending(asked.work_dir), [pems[at] for at in order], NOW) == pending(asked.work_dir)
    assert checked(ISSUER.issue(asked), asked) == Issued((pems[0], pems[1]), pems[2])
    ISSUER.finish(asked)
    assert os.listdir(asked.work_dir) == []
    ISSUER.finish(asked)


def test_without_root(tmp_path: Path) -> None:
    """A chain without its root is taken; the root stays unknown."""
    asked = request(tmp_path / "work")
    waiting(asked)
    pems = sign(tmp_path, asked)
    accept(pending(asked.work_dir), [b"".join(pems[1::-1])], NOW)
    assert ISSUER.issue(asked) == Issued((pems[0], pems[1]), None)


def test_self_signed_answer(tmp_path: Path) -> None:
    """Somebody may sign the request with its own key."""
    asked = request(tmp_path / "work", names=("mx.example.test",))
    waiting(asked)
    from certctl.x509.keys import load_private_key

    leaf = make("mx.example.test", names=asked.names, key=load_private_key(asked.key_pem))
    accept(pending(asked.work_dir), [leaf.pem], NOW)
    assert ISSUER.issue(asked) == Issued((leaf.pem,), leaf.pem)


def test_rsa_and_ecdsa_side_by_side(tmp_path: Path) -> None:
    """Each certificate finds its request by the key; one may come later than the other."""
    first = request(tmp_path / "work")
    second = request(tmp_path / "work", algorithm="rsa-2048")
    waiting(first)
    waiting(second)
    both = pending(first.work_dir)
    assert [one.algorithm for one in both] == ["ecdsa-p256", "rsa-2048"]
    assert [one.path for one in both] == [f"{first.work_dir}/{one.algorithm}.csr" for one in both]
    rsa = sign(tmp_path, second)
    assert [one.algorithm for one in accept(both, rsa[:2], NOW)] == ["rsa-2048"]
    checked(ISSUER.issue(second), second)
    waiting(first)
    assert len(accept(both, sign(tmp_path, first) + rsa, NOW)) == 2
    checked(ISSUER.issue(first), first)


def test_foreign_key(tmp_path: Path) -> None:
    """A certificate for another request is refused, with both keys, and nothing is stored."""
    asked = request(tmp_path / "work")
    waiting(asked)
    other = request(tmp_path / "other", names=("other.example.test",))
    with pytest.raises(CertctlError, match="no certificate has the key") as raised:
        accept(pending(asked.work_dir), sign(tmp_path, other), NOW)
    assert f"other.example.test has {key_facts(other.key_pem).key.sha256}" in raised.value.message
    assert (
        f"{asked.work_dir}/ecdsa-p256.csr has {key_facts(asked.key_pem).key.sha256}" in raised.value.message
    )
    assert os.listdir(asked.work_dir) == ["ecdsa-p256.csr"]


def test_missing_intermediate(tmp_path: Path) -> None:
    """The intermediate that is missing is named."""
    asked = request(tmp_path / "work")
    waiting(asked)
    leaf, middle, root = sign(tmp_path, asked)
    for given in ([leaf], [leaf, root]):
        with pytest.raises(CertctlError, match=f"issuer '{load(middle).subject}' is missing"):
            accept(pending(asked.work_dir), given, NOW)


def test_lost_name_and_expiry(tmp_path: Path) -> None:
    """A CA that left a name out, or a certificate that came too late, is refused at the door."""
    asked = request(tmp_path / "work")
    waiting(asked)
    fewer = sign(tmp_path, asked._replace(names=asked.names[:2]))
    with pytest.raises(CertctlError, match="does not name 2001:db8::25"):
        accept(pending(asked.work_dir), fewer, NOW)
    with pytest.raises(CertctlError, match="expired"):
        accept(pending(asked.work_dir), sign(tmp_path, asked), NOW + timedelta(days=91))


def test_nothing_waits(tmp_path: Path) -> None:
    """Without a request there is nothing to accept."""
    assert pending(str(tmp_path / "none")) == []
    with pytest.raises(CertctlError, match="no certificate request waits"):
        accept([], [make("x").pem], NOW)


def openssl(*arguments: str, data: bytes) -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def test_der_and_pkcs7(tmp_path: Path) -> None:
    """What other systems' CAs send is understood: DER and PKCS #7 in both forms."""
    asked = request(tmp_path / "work")
    waiting(asked)
    pems = sign(tmp_path, asked)
    (tmp_path / "all.pem").write_bytes(b"".join(pems))
    p7b = ["crl2pkcs7", "-nocrl", "-certfile", str(tmp_path / "all.pem")]
    forms = [
        [openssl("x509", "-outform", "DER", data=one) for one in pems],
        [openssl(*p7b, data=b"")],
        [openssl(*p7b, "-outform", "DER", data=b"")],
        [pems[0].decode().encode("utf-16"), pems[1], pems[2]],
        [pems[0].replace(b"\n", b"\r\n") + b"\r\nhello\r\n" + pems[1], pems[2]],
    ]
    for form in forms:
        accept(pending(asked.work_dir), form, NOW)
        assert checked(ISSUER.issue(asked), asked) == Issued((pems[0], pems[1]), pems[2])
        (tmp_path / "work" / "ecdsa-p256.accepted.pem").unlink()


@pytest.mark.parametrize("data", [b"", b"<html>502</html>", b"\x30\x03\x02\x01\x01", b"\x00" * 50])
def test_no_certificate(tmp_path: Path, data: bytes) -> None:
    """Anything else is quoted and refused."""
    asked = request(tmp_path / "work")
    waiting(asked)
    with pytest.raises(CertctlError, match=r"nothing at all|bytes that begin with"):
        accept(pending(asked.work_dir), [data], NOW)


def test_accepted_no_longer_fits(tmp_path: Path) -> None:
    """A name that was added after the certificate came makes a new request, and says why."""
    asked = request(tmp_path / "work")
    waiting(asked)
    accept(pending(asked.work_dir), sign(tmp_path, asked), NOW)
    more = asked._replace(names=(*asked.names, "new.example.test"))
    reason = waiting(more)
    assert "no longer serves" in reason
    assert "does not name new.example.test" in reason
    assert pending(asked.work_dir)[0].names == more.names
    assert "expired" in waiting(asked._replace(now=NOW + timedelta(days=91)))


@pytest.mark.parametrize("damage", [b"", b"<html>", b"-----BEGIN CERTIFICATE-----\n"])
def test_damaged_notes(tmp_path: Path, damage: bytes) -> None:
    """Damaged notes make it wait again; a damaged request says how to get a new one."""
    asked = request(tmp_path / "work")
    waiting(asked)
    (tmp_path / "work" / "ecdsa-p256.accepted.pem").write_bytes(damage)
    assert "no longer serves" in waiting(asked)
    (tmp_path / "work" / "ecdsa-p256.csr").write_bytes(damage)
    with pytest.raises(CertctlError, match=r"ecdsa-p256\.csr: ") as raised:
        pending(asked.work_dir)
    assert raised.value.hint == "certctl run writes it anew"


def test_renewal_after_a_crash_before_finish(tmp_path: Path) -> None:
    """What was kept already is not issued again as its own renewal."""
    asked = request(tmp_path / "work")
    waiting(asked)
    accept(pending(asked.work_dir), sign(tmp_path, asked), NOW)
    kept = issued(ISSUER.issue(asked)).chain[0]
    assert isinstance(ISSUER.issue(asked._replace(replaces=kept)), Waiting)
    fresh = sign(tmp_path, asked)
    accept(pending(asked.work_dir), fresh, NOW)
    assert issued(ISSUER.issue(asked._replace(replaces=kept))).chain[0] == fresh[0]


def test_nothing_is_stored_unless_all_pass(tmp_path: Path) -> None:
    """With one of two chains broken, neither is stored."""
    first = request(tmp_path / "work")
    second = request(tmp_path / "work", algorithm="rsa-2048")
    waiting(first)
    waiting(second)
    bad = sign(tmp_path, second._replace(names=("mx.example.test",)))
    with pytest.raises(CertctlError, match="does not name"):
        accept(pending(first.work_dir), sign(tmp_path, first) + bad, NOW)
    assert sorted(os.listdir(first.work_dir)) == ["ecdsa-p256.csr", "rsa-2048.csr"]


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full names the file, and the next pass writes the request."""

    def seam(operation: str, path: str) -> None:
        raise OSError(28, "No space left on device", path)

    asked = request(tmp_path / "work")
    monkeypatch.setattr(atomic, "seam", seam)
    with pytest.raises(CertctlError, match=r"cannot write .*/ecdsa-p256\.csr: no space left"):
        ISSUER.issue(asked)
    monkeypatch.undo()
    waiting(asked)
    assert pending(asked.work_dir) == [
        PendingCsr(asked.work_dir, "ecdsa-p256", asked.names, key_facts(asked.key_pem).key.sha256)
    ]
