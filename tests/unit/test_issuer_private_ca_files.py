"""The private CA's files: damaged, exchanged, missing, interrupted; and many threads at once."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.planning.spec import DAY as SPEC_DAY
from certctl.planning.spec import PrivateCaOptions
from certctl.store import atomic
from certctl.x509.certificate import load
from tests.unit.issuer_world import checked, issued, openssl_verify, request
from tests.unit.private_ca_world import FILES, at, ca, contents, home
from tests.unit.x509_make import make


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
    with pytest.raises(CertctlError, match="gives everybody a right") as raised:
        ca(tmp_path).issue(request(tmp_path / "work"))
    assert str(raised.value.hint).startswith(f"chmod o-rwx {key}; ")


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


def lose(tmp_path: Path, *names: str) -> None:
    """Let files of the CA be gone; none named: the whole directory."""
    if not names:
        shutil.rmtree(home(tmp_path))
    for name in names:
        (home(tmp_path) / name).unlink()


@pytest.mark.parametrize("gone", [(), FILES, FILES[1:]], ids=["directory", "files", "all but root.key"])
def test_a_lost_ca_is_not_replaced_silently(tmp_path: Path, gone: tuple[str, ...]) -> None:
    """While certificates of it are kept, a lost CA is asked back; what the hint says makes a new one."""
    kept = ("mx1", "mx2", "mx3", "mx4")
    old = issued(ca(tmp_path).issue(request(tmp_path / "work"))).root
    lose(tmp_path, *gone)
    before = contents(tmp_path)
    with pytest.raises(CertctlError) as raised:
        ca(tmp_path, kept=kept).issue(request(tmp_path / "work"))
    error = raised.value
    assert error.message == (
        f"private CA: {home(tmp_path)}/root.pem is gone, "
        "but certificates below it are kept: mx1, mx2, mx3 and 1 more"
    )
    assert error.hint is not None
    assert error.hint.startswith(f"restore {home(tmp_path)} from a backup; or for a new CA, whose root.pem")
    assert not error.transient
    assert contents(tmp_path) == before
    subprocess.run(["sh", "-c", error.hint.rpartition("then need: ")[2]], check=True)
    asked = request(tmp_path / "work")
    new = checked(ca(tmp_path, kept=kept).issue(asked), asked)
    assert new.root != old
    assert sorted(os.listdir(home(tmp_path))) == sorted(FILES)
    lose(tmp_path)
    with pytest.raises(CertctlError, match="is gone"):
        ca(tmp_path, kept=kept).issue(request(tmp_path / "work"))


def test_what_is_there_needs_no_leave(tmp_path: Path) -> None:
    """With certificates kept, a CA goes on, without root.key too, and with a new intermediate."""
    old = issued(ca(tmp_path).issue(request(tmp_path / "work"))).root
    for gone in ((), ("root.key",), ("intermediate.key", "intermediate.pem")):
        if gone == ("root.key",):
            (home(tmp_path) / "root.key").rename(tmp_path / "safe.key")
        elif gone:
            (tmp_path / "safe.key").rename(home(tmp_path) / "root.key")
            lose(tmp_path, *gone)
        asked = request(tmp_path / "work")
        assert checked(ca(tmp_path, kept=("mx1",)).issue(asked), asked).root == old


def test_crash_while_a_new_ca_is_made_on_purpose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leave to make a new CA lasts until it is there, and no longer, wherever the process dies."""
    points = 0
    for number in range(1, 200):
        place = tmp_path / str(number)
        home(place).mkdir(parents=True, mode=0o700)
        (home(place) / "new-ca").touch()
        crash_at(number, monkeypatch)
        try:
            ca(place, kept=("mx1",)).issue(request(tmp_path / "work"))
        except _CrashError:
            points += 1
        else:
            break
        finally:
            monkeypatch.undo()
        asked = request(tmp_path / "work")
        checked(ca(place, kept=("mx1",)).issue(asked), asked)
        assert sorted(os.listdir(home(place))) == sorted(FILES)
    assert points >= 15
