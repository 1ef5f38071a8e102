"""A private CA signs what OpenSSL accepts, outlives its leaves, and loses nothing in a crash."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509 as c

from certctl.core.spec import DAY as SPEC_DAY
from certctl.core.spec import IssuerSpec, PrivateCaOptions
from certctl.core.x509_keys import load_private_key
from certctl.core.x509_load import load
from certctl.errors import CertctlError
from certctl.issuers.private_ca import PrivateCaIssuer
from certctl.ports import Issued, IssueRequest
from certctl.store import atomic
from tests.unit.issuer_world import DAY, checked, issued, openssl_text, openssl_verify, request
from tests.unit.x509_make import NOW, Made, ec_key, make

FILES = ("root.key", "root.pem", "intermediate.key", "intermediate.pem")


def home(tmp_path: Path) -> Path:
    return tmp_path / "state" / "issuers" / "office"


def ca(tmp_path: Path, options: PrivateCaOptions | None = None) -> PrivateCaIssuer:
    return PrivateCaIssuer(IssuerSpec("office", "private-ca", private_ca=options), str(home(tmp_path)))


def contents(tmp_path: Path) -> dict[str, bytes]:
    return {name: (home(tmp_path) / name).read_bytes() for name in FILES if (home(tmp_path) / name).exists()}


def at(days: float) -> datetime:
    return NOW + timedelta(days=days)


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
    assert f"move {home(tmp_path)} away" in raised.value.hint
    late = issued(issuer.issue(request(tmp_path / "work", names=("mx.example.test",), now=at(16 * 365))))
    assert late.root is not None
    for pem in (late.root, late.chain[1]):
        found = load(pem).parsed.extensions.get_extension_for_class(c.NameConstraints)
        assert found.critical
        assert found.value.permitted_subtrees == [c.DNSName("example.test")]


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "html": b"<html>502</html>"}[how])


@pytest.mark.parametrize("how", ["empty", "cut", "html"])
@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_never_written_over(tmp_path: Path, name: str, how: str) -> None:
    """A file that does not hold what it should is named, and nothing in the directory changes."""
    ca(tmp_path).issue(request(tmp_path / "work"))
    damage(home(tmp_path) / name, how)
    before = contents(tmp_path)
    with pytest.raises(CertctlError, match=str(home(tmp_path) / name)) as raised:
        ca(tmp_path).issue(request(tmp_path / "work", now=at(1780)))
    assert raised.value.hint is not None
    assert "restore it from a backup" in raised.value.hint
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("root.key", "not the key of root.pem"),
        ("root.pem", "not the key of root.pem"),
        ("intermediate.key", "not the key of intermediate.pem"),
        ("intermediate.pem", "not the key of intermediate.pem"),
    ],
)
def test_files_of_another_ca(tmp_path: Path, name: str, said: str) -> None:
    """A file that belongs to another CA is noticed before anything is signed."""
    ca(tmp_path / "a").issue(request(tmp_path / "work"))
    ca(tmp_path / "b").issue(request(tmp_path / "work"))
    shutil.copy(home(tmp_path / "b") / name, home(tmp_path / "a") / name)
    with pytest.raises(CertctlError, match=said):
        ca(tmp_path / "a").issue(request(tmp_path / "work"))


def test_pair_of_another_ca(tmp_path: Path) -> None:
    """An intermediate with its key, but below another root, is noticed."""
    for part in ("a", "b"):
        ca(tmp_path / part).issue(request(tmp_path / "work"))
    for name in ("intermediate.key", "intermediate.pem"):
        shutil.copy(home(tmp_path / "b") / name, home(tmp_path / "a") / name)
    with pytest.raises(CertctlError, match=r"intermediate\.pem: root\.pem did not sign it"):
        ca(tmp_path / "a").issue(request(tmp_path / "work"))


def test_a_leaf_is_no_root(tmp_path: Path) -> None:
    """A certificate that is no CA's is not taken as the root."""
    made = make("mx.example.test")
    home(tmp_path).mkdir(parents=True)
    (home(tmp_path) / "root.pem").write_bytes(made.pem)
    with pytest.raises(CertctlError, match=r"root\.pem: it is no root"):
        ca(tmp_path).issue(request(tmp_path / "work"))


@pytest.mark.parametrize("name", ["root.pem", "intermediate.key"])
def test_missing_files_that_cannot_be_made_again(tmp_path: Path, name: str) -> None:
    """What was given to others, or signs for them, is asked back and not replaced."""
    ca(tmp_path).issue(request(tmp_path / "work"))
    (home(tmp_path) / name).unlink()
    before = contents(tmp_path)
    with pytest.raises(CertctlError, match=f"{name}: it is missing, though intermediate.pem is there"):
        ca(tmp_path).issue(request(tmp_path / "work"))
    assert contents(tmp_path) == before


def test_open_key_is_refused(tmp_path: Path) -> None:
    """A CA key that everybody can read is refused, with the chmod to type."""
    ca(tmp_path).issue(request(tmp_path / "work"))
    key = home(tmp_path) / "root.key"
    key.chmod(0o644)
    with pytest.raises(CertctlError, match="open to everybody") as raised:
        ca(tmp_path).issue(request(tmp_path / "work"))
    assert raised.value.hint == f"chmod 600 {key}"


def test_new_intermediate_key_by_hand(tmp_path: Path) -> None:
    """With intermediate.* moved away, a new intermediate of the configured kind grows below the same root."""
    ca(tmp_path).issue(request(tmp_path / "work"))
    root = contents(tmp_path)["root.pem"]
    for name in ("intermediate.key", "intermediate.pem"):
        (home(tmp_path) / name).rename(tmp_path / name)
    asked = request(tmp_path / "work")
    answer = checked(ca(tmp_path, PrivateCaOptions(key="rsa-2048")).issue(asked), asked)
    assert answer.root == root
    assert load(answer.chain[1]).algorithm == "rsa-2048"


def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    """A daemon's issuer sees a CA that was restored or exchanged under it."""
    issuer = ca(tmp_path / "a")
    old = issued(issuer.issue(request(tmp_path / "work")))
    ca(tmp_path / "b").issue(request(tmp_path / "work"))
    for name in FILES:
        shutil.copy(home(tmp_path / "b") / name, home(tmp_path / "a") / name)
    asked = request(tmp_path / "work")
    assert checked(issuer.issue(asked), asked).root != old.root


class _CrashError(BaseException):
    """Stands for a SIGKILL."""


def crash_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the durable operation with this *number* be the last: nothing after it is even tidied up."""
    left = [number]

    def seam(operation: str, path: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            monkeypatch.setattr(atomic, "_discard", lambda *_, **__: None)
            raise _CrashError

    monkeypatch.setattr(atomic, "seam", seam)


def test_crash_at_every_durable_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash anywhere in the CA's making, the next pass ends it with the keys that were there."""
    points = 0
    for number in range(1, 200):
        place = tmp_path / str(number)
        crash_at(number, monkeypatch)
        try:
            ca(place).issue(request(tmp_path / "work"))
        except _CrashError:
            points += 1
        else:
            break
        finally:
            monkeypatch.undo()
        before = contents(place)
        asked = request(tmp_path / "work")
        answer = checked(ca(place).issue(asked), asked)
        assert openssl_verify(tmp_path, answer) == "OK"
        assert {name: contents(place)[name] for name in before} == before
        assert sorted(os.listdir(home(place))) == sorted(FILES)
    assert points >= 15


def fail_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [number]

    def seam(operation: str, path: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr(atomic, "seam", seam)


def test_failure_at_every_durable_operation_of_a_renewal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails during a renewal leaves the old certificates, and the next pass heals."""
    ca(tmp_path / "origin").issue(request(tmp_path / "work"))
    points = 0
    for number in range(1, 100):
        place = tmp_path / str(number)
        shutil.copytree(tmp_path / "origin", place)
        keys = {name: data for name, data in contents(place).items() if name.endswith(".key")}

        fail_at(number, monkeypatch)
        asked = request(tmp_path / "work", now=at(5500))
        try:
            ca(place).issue(asked)
        except CertctlError as error:
            points += 1
            assert "no space left on device" in error.message
            assert str(home(place)) in error.message
        else:
            break
        finally:
            monkeypatch.undo()
        checked(ca(place).issue(asked), asked)
        assert {name: contents(place)[name] for name in keys} == keys
    assert points >= 8


def test_many_threads_make_one_ca(tmp_path: Path) -> None:
    """Threads that ask at once, through several objects, get leaves of one CA."""
    issuers = [ca(tmp_path), ca(tmp_path)]
    roots: list[bytes | None] = []
    barrier = threading.Barrier(8)
    asked = request(tmp_path / "work")

    def work(number: int) -> None:
        barrier.wait()
        roots.append(issued(issuers[number % 2].issue(asked)).root)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(roots) == 8
    assert len(set(roots)) == 1


def test_private_key_is_never_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every durable operation, no key file of the CA is open to others."""
    seen: set[str] = set()

    def seam(operation: str, path: str) -> None:
        place = home(tmp_path)
        for entry in place.iterdir() if place.exists() else ():
            if ".key" in entry.name:
                seen.add(entry.name)
                assert stat.S_IMODE(entry.stat().st_mode) == 0o600

    monkeypatch.setattr(atomic, "seam", seam)
    old = os.umask(0)
    try:
        ca(tmp_path).issue(request(tmp_path / "work"))
    finally:
        os.umask(old)
    assert ".root.key.certctl-tmp" in seen


def test_a_thousand_leaves_need_no_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the CA is made, issuing touches no disk and takes well under a few milliseconds each."""
    issuer = ca(tmp_path)
    asked = request(tmp_path / "work")
    issuer.issue(asked)
    crash_at(1, monkeypatch)
    start = time.process_time()
    for _ in range(200):
        issuer.issue(asked)
    assert (time.process_time() - start) / 200 < 0.005


def test_defaults_match_the_contract() -> None:
    """The root is valid long by default."""
    assert PrivateCaOptions().root_validity == 20 * 365 * SPEC_DAY
