"""The doctor's round: what certctl manages, chains of every kind, files that cannot be read, and rubbish."""

from __future__ import annotations

import json
import os
import random
from datetime import timedelta

import pytest

from certctl.doctor.finding import Finding, findings_as_json
from certctl.doctor.managed import ManagedFile
from certctl.doctor.run import KINDS, Target, doctor, installed_targets
from certctl.errors import UsageError
from certctl.x509 import pem
from certctl.x509.certificate import certificate_facts
from tests.unit.doctor_case import names, put_up
from tests.unit.x509_make import DAY, NOW, Made, make


@pytest.fixture(scope="module")
def line() -> list[Made]:
    """A leaf, two intermediates, a root."""
    root = make("Root", ca=True, end=NOW + 3650 * DAY)
    upper = make("Upper", root, ca=True, path_length=1, end=NOW + 3000 * DAY)
    lower = make("Lower", upper, ca=True, path_length=0, end=NOW + 2000 * DAY)
    return [make("mx.example.org", lower, names=["mx.example.org"]), lower, upper, root]


def bundle(path: str, *parts: bytes) -> str:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(b"".join(parts))
    return path


def checks(path: str) -> list[str]:
    return [f"{one.severity} {one.check}" for one in doctor([Target("pem", path)], NOW)]


def test_a_bundle_by_itself(tmp_path: os.PathLike[str], line: list[Made]) -> None:
    """Order and completeness of a chain with two intermediates."""
    leaf, lower, upper, root = line
    path = os.path.join(tmp_path, "bundle.pem")
    tried = {
        (leaf, lower, upper): [],
        (leaf, lower, upper, root): [],
        (leaf, upper, lower): ["warning pem-chain-order"],
        (lower, leaf, upper): ["error pem-chain-order"],
        (leaf, upper): ["warning pem-chain-incomplete"],
        (leaf, lower): [],
        (leaf,): ["warning pem-chain-incomplete"],
        (leaf, lower, upper, upper): ["warning pem-chain-extra"],
    }
    for certificates, expected in tried.items():
        bundle(path, leaf.key_pem, *(one.pem for one in certificates))
        assert checks(path) == expected, [one.certificate.subject for one in certificates]


def test_root_that_the_system_knows(
    tmp_path: os.PathLike[str], line: list[Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leaf that a trusted root signed itself lacks nothing."""
    leaf, lower, _, _ = line
    store = bundle(os.path.join(tmp_path, "store.pem"), lower.pem)
    path = bundle(os.path.join(tmp_path, "bundle.pem"), leaf.key_pem, leaf.pem)
    assert checks(path) == ["warning pem-chain-incomplete"]
    monkeypatch.setattr("certctl.doctor.trust.STORES", (store,))
    assert checks(path) == []


def test_files_that_are_none(tmp_path: os.PathLike[str]) -> None:
    """Directories, pipes and devices are not read, and named."""
    pipe = os.path.join(tmp_path, "pipe")
    os.mkfifo(pipe)
    for path in (str(tmp_path), pipe, "/dev/zero"):
        assert checks(path) == ["error pem-file-unreadable"]


@pytest.mark.parametrize(
    ("path", "leaf", "expected"),
    [
        ("mx.pem", "right", []),
        ("elsewhere.pem", "right", []),
        ("elsewhere.pem", "new", ["managed-unused"]),
        ("mx.pem", "new", ["managed-stale"]),
    ],
)
def test_certificates_that_nobody_serves(
    tmp_path: os.PathLike[str], path: str, leaf: str, expected: list[str]
) -> None:
    """A managed certificate counts as used by its path or by its content; a file that lags is named."""
    case = put_up("postfix-chain-with-root", str(tmp_path))
    with open(os.path.join(case.directory, "mx.pem"), "rb") as file:
        served = certificate_facts(pem.certificates(file.read())[0]).certificate.sha256
    managed = ManagedFile(
        os.path.join(case.directory, path), "mx1", served if leaf == "right" else "AA:" * 31 + "AA"
    )
    found = doctor(case.targets, NOW, managed=[managed])
    assert [one.check for one in found] == expected
    assert all("mx1" in one.subject + one.message for one in found)
    probed = doctor(case.targets, NOW, managed=[managed._replace(probed=True)])
    assert [one.check for one in probed] == [name for name in expected if name == "managed-stale"]


def test_link_to_a_managed_file(tmp_path: os.PathLike[str]) -> None:
    """live/NAME is a symbolic link: what it leads to is the same file."""
    case = put_up("postfix-chain-with-root", str(tmp_path))
    link = os.path.join(case.directory, "link.pem")
    os.symlink("mx.pem", link)
    found = doctor(case.targets, NOW, managed=[ManagedFile(link, "mx1", "AA")])
    assert [one.check for one in found] == ["managed-stale"]


def test_several_algorithms_in_a_managed_file(tmp_path: os.PathLike[str]) -> None:
    """A file with an RSA and an ECDSA certificate is current when each of them is."""
    case = put_up("postfix-chain-with-root", str(tmp_path))
    path = os.path.join(case.directory, "mx.pem")
    with open(path, "rb") as file:
        served = certificate_facts(pem.certificates(file.read())[0]).certificate.sha256
    managed = [ManagedFile(path, "mx1", "AA:" * 31 + "AA"), ManagedFile(path, "mx1", served)]
    assert [one for one in doctor(case.targets, NOW, managed=managed) if "managed" in one.check] == []


def test_directories_above_a_key(tmp_path: os.PathLike[str]) -> None:
    """A directory in which anybody may write, however far above the key, is named with what to type."""
    case = put_up("postfix-chain-with-root", os.path.join(tmp_path, "above", "etc"))
    before = doctor(case.targets, NOW)
    above = os.path.join(tmp_path, "above")
    os.chmod(above, 0o777)
    (found,) = [one for one in doctor(case.targets, NOW) if one not in before]
    assert (found.severity, found.check, found.fix) == (
        "error",
        "postfix-key-directory-open",
        f"chmod o-w {above}",
    )
    os.chmod(above, 0o1777)
    assert doctor(case.targets, NOW) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away: run the tests as root")
def test_key_of_somebody_else(tmp_path: os.PathLike[str]) -> None:
    """A key of Postfix, or a directory above it, that belongs to another user than root is named."""
    case = put_up("postfix-chain-with-root", str(tmp_path))
    before = doctor(case.targets, NOW)
    os.chown(os.path.join(tmp_path, "mx.pem"), 65534, -1)
    os.chown(tmp_path, 65534, -1)
    found = {one.check: one.fix for one in doctor(case.targets, NOW) if one not in before}
    assert found == {
        "postfix-key-owner": f"chown root {tmp_path}/mx.pem",
        "postfix-key-directory-owner": f"chown root {tmp_path}",
    }


def test_without_targets_nothing_is_said() -> None:
    """Where no server is, no certificate is missed."""
    assert doctor([], NOW, managed=[ManagedFile("/x", "mx1", "AA")]) == []


def test_worst_first_and_json(tmp_path: os.PathLike[str]) -> None:
    """Errors come before warnings, warnings before remarks, and all of it goes into JSON."""
    case = put_up("nginx-faults", str(tmp_path))
    found = doctor(case.targets, NOW)
    severities = [one.severity for one in found]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    loaded = json.loads(json.dumps(findings_as_json(found)))
    assert [Finding(**one) for one in loaded] == found


def test_nothing_is_changed(tmp_path: os.PathLike[str]) -> None:
    """No file is written, made or touched by a look at any configuration."""
    case = put_up("postfix-sni", str(tmp_path))
    before = {path: os.stat(path) for path in _files(case.directory)}
    doctor(case.targets, NOW + timedelta(days=1))
    after = {path: os.stat(path) for path in _files(case.directory)}
    fields = ("st_mtime_ns", "st_ctime_ns", "st_size", "st_mode", "st_ino")
    assert {p: [getattr(s, f) for f in fields] for p, s in after.items()} == {
        p: [getattr(s, f) for f in fields] for p, s in before.items()
    }


def _files(directory: str) -> list[str]:
    return sorted(os.path.join(top, name) for top, dirs, files in os.walk(directory) for name in dirs + files)


def test_installed_servers(tmp_path: os.PathLike[str]) -> None:
    """What is set up on a host becomes targets: for Postfix the directory, else the file."""
    for path in ("etc/postfix/main.cf", "usr/sbin/postfix", "etc/nginx/nginx.conf", "usr/sbin/nginx"):
        full = os.path.join(tmp_path, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        bundle(full)
    assert installed_targets(str(tmp_path)) == [
        Target("postfix", os.path.join(tmp_path, "etc/postfix")),
        Target("nginx", os.path.join(tmp_path, "etc/nginx/nginx.conf")),
    ]


def test_unknown_kind() -> None:
    """A kind of server that does not exist is the caller's mistake."""
    assert "sendmail" not in KINDS
    with pytest.raises(UsageError, match="sendmail"):
        doctor([Target("sendmail", "/etc/mail")], NOW)


@pytest.mark.parametrize("seed", range(8))
def test_rubbish(seed: int, tmp_path: os.PathLike[str]) -> None:
    """Configurations, tables and PEM files with bytes cut out, put in and changed never raise anything."""
    chance = random.Random(seed)
    for name in chance.sample(names(), 10):
        case = put_up(name, os.path.join(tmp_path, name))
        for path in _files(case.directory):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    data = bytearray(file.read())
                for _ in range(chance.randrange(6)):
                    at = chance.randrange(len(data) + 1)
                    data[at : at + chance.randrange(40)] = chance.randbytes(chance.randrange(12))
                bundle(path, bytes(data))
        for one in doctor(case.targets, NOW):
            assert one.message
