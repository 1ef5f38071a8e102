"""init with servers to fit: rights, owners and links of files, and what is there already."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from certctl.store import atomic
from tests.unit.import_trees import make_ca, write
from tests.unit.init_host import MX, Host, pin
from tests.unit.init_world import install
from tests.unit.x509_make import DAY, make


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    install(tmp_path / "bin", monkeypatch)
    return Host(tmp_path, monkeypatch)


def test_where_certctl_may_not_write(host: Host) -> None:
    """A bundle in a directory that others may write is left there; the new place waits for a chmod, too."""
    here = host.put("postfix-chain")
    made = host.ca.leaf(MX)
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, made)
    here.chmod(0o777)
    found = host.done()
    (file,) = found[MX].files
    assert file.path == f"{here}/tls/{MX}.pem"
    host.pass_()
    assert not os.path.exists(file.path)
    here.chmod(0o755)
    host.pass_()
    assert pin(Path(file.path)) == made.pin


def test_a_self_signed_certificate_of_openssl(host: Host) -> None:
    """`openssl req -x509` makes a CA of it; it goes on signing itself, with its mode and group."""
    here = host.put("postfix-chain")
    made = make(MX, names=[MX], ca=True, start=host.ca.now - 9 * DAY, end=host.ca.now + 900 * DAY)
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        path = write(here / name, made.key_pem + made.pem, 0o666)
        os.chown(path, 2 if name == "inside.pem" else 0, 8)
    (certificate,) = host.done().values()
    assert certificate.issuers == ("self-signed",)
    group = grp.getgrgid(8).gr_name
    assert [(f.parts, f.mode, f.owner, f.group) for f in certificate.files[:2]] == [
        (("key", "cert", "chain"), 0o600, None, group),
        (("key", "cert", "chain"), 0o600, pwd.getpwuid(2).pw_name, group),
    ]
    host.pass_()
    assert pin(here / "mx1.pem") == made.pin


@pytest.mark.parametrize(
    ("was", "becomes"),
    [(0o600, 0o600), (0o400, 0o400), (0o640, 0o640), (0o660, 0o640), (0o644, 0o600), (0o666, 0o600)],
)
def test_modes_of_keys(host: Host, was: int, becomes: int) -> None:
    """Modes that a key may have are kept, and others narrowed: who was of the group may still read it."""
    here = host.put("postfix-chain")
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, host.ca.leaf(MX)).chmod(was)
    found = host.done()
    assert {file.mode for certificate in found.values() for file in certificate.files} == {becomes}


def test_a_key_that_exim_reads_as_itself(host: Host) -> None:
    """Where everybody could read a key, it is Exim's group that may from now on."""
    mail, here = host.put("postfix-chain"), host.put("exim")
    made = host.ca.leaf(MX)
    for name in ("inside.pem", "tenant.pem"):
        host.bundle(mail / name, made)
    write(here / "exim.key", made.key_pem, 0o644)
    write(here / "exim.crt", made.pem + host.ca.middle.pem)
    said = (here / "exim-bP").read_text()
    (here / "exim-bP").write_text(f"{said}exim_group = mail\n")
    host.bundle(mail / "mx1.pem", made)
    (certificate,) = host.done().values()
    key = next(file for file in certificate.files if file.path == f"{here}/exim.key")
    assert (key.mode, key.group, key.hooks) == (0o640, "mail", ("exim",))


def test_symlinks(host: Host) -> None:
    """Behind a symlink the file itself is written, and the link stays."""
    here = host.put("postfix-chain")
    made = host.ca.leaf(MX)
    real = host.bundle(host.tmp_path / "keys/real.pem", made)
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        (here / name).symlink_to(real)
    (certificate,) = host.done().values()
    assert [file.path for file in certificate.files] == [str(real)]
    assert certificate.probe[0] == "smtp://127.0.0.1:25"


def test_broken_and_good(host: Host) -> None:
    """A configuration that its server refuses is named and left out; alone, it is an error."""
    here = host.put("postfix-broken")
    alone = host.init()
    assert alone.code == 1
    assert f"certctl: error: Postfix ({here}): " in alone.err
    assert f"certctl: hint: postconf -c {here} -xn" in alone.err
    assert not Path(host.world.path).exists()
    host.put("postfix-bare")
    ran = host.init()
    assert ran.code == 0
    assert f"left out: Postfix ({here}): " in ran.out
    assert f"# Left out: Postfix ({here})" in Path(host.world.path).read_text().replace("\n#  ", "")


def test_again(host: Host) -> None:
    """A file that is there is never overwritten; where it was lost, the state still has the key."""
    here = host.put("postfix-chain")
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, host.ca.leaf(MX))
    made = host.ca.leaf(MX)
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, made)
    host.done()
    text = Path(host.world.path).read_bytes()
    assert host.init().code == 2
    assert Path(host.world.path).read_bytes() == text
    os.remove(host.world.path)
    ran = host.init()
    assert "already imported" not in ran.err
    assert "generation 1 has this key" in ran.out
    assert Path(host.world.path).read_bytes() == text


def test_servers_that_read_the_state(host: Host) -> None:
    """Where certctl.toml was lost and a server reads live/NAME, that certificate is found by its name."""
    host.world.configure(f'[certificate.mx]\nnames = ["{MX}"]\nissuer = "private-ca"\nhooks = ["reload"]')
    host.world.done("run")
    before = host.world.status()["mx"]["current"]["keys"]
    os.remove(host.world.path)
    here, live = host.put("postfix-chain"), host.world.layout.live("mx")
    for name in ("postconf-x", "postconf-xn", "postconf-M", "sni"):
        text = (here / name).read_text()
        for file in ("mx1.pem", "inside.pem", "tenant.pem"):
            text = text.replace(f"{here}/{file}", f"{live}/bundle.pem")
        (here / name).write_text(text)
    (certificate,) = host.done().values()
    assert (certificate.name, certificate.names, certificate.issuers) == ("mx", (MX,), ("private-ca",))
    assert "[issuer.by-hand]" not in Path(host.world.path).read_text()
    assert [file.path for file in certificate.files] == [f"{here}/tls/mx.pem"]
    assert host.world.status()["mx"]["current"]["keys"] == before
    assert {step["kind"] for step in host.world.steps()} == {"write", "hook"}


def test_a_key_that_the_state_does_not_know(host: Host) -> None:
    """Where the state has another key under that name, nothing is written, and what to do is said."""
    here = host.put("postfix-chain")
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, make_ca().leaf(MX))
    made = host.ca.leaf(MX)
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, made)
    host.done()
    os.remove(host.world.path)
    other = host.ca.leaf(MX)
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, other)
    ran = host.init()
    assert ran.code == 1
    assert "with another key: nothing of it was overwritten" in ran.err
    assert not Path(host.world.path).exists()


def test_crash_before_the_file_is_written(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys first, the file after them: died in between, the next init goes on with the same keys."""
    here = host.put("postfix-chain")
    made = host.ca.leaf(MX)
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, made)
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write", _die)
        assert host.init().code == 130
    assert not Path(host.world.path).exists()
    host.done()
    assert host.world.status()[MX]["current"]["keys"][0]["key_sha256"] == made.pin


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_json(host: Host) -> None:
    """One document, with what was taken over and what is to be typed."""
    here, bare = host.put("postfix-chain"), host.put("postfix-bare")
    made = host.ca.leaf("mx9.example.org")
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, made)
    document = host.init("--json").document
    assert document["version"] == 1
    assert document["path"] == host.world.path
    assert document["taken"][0]["pins"] == [made.pin]
    assert document["lines"][-1] == f"postfix -c {bare} reload"
    assert document["skipped"] == []
    assert document["later"] is True


def test_others_may_not_take_keys_over(host: Host) -> None:
    """Who may not read the keys gets no file that would replace them, and is told what to do."""
    here = host.put("postfix-chain")
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, host.ca.leaf(MX))
    for path in (host.tmp_path, *host.tmp_path.parents):
        if os.stat(path).st_uid == os.geteuid() and not os.stat(path).st_mode & 0o001:
            path.chmod(0o755)
    host.world.root.chmod(0o777)
    ran = host.world.outside(
        *("init", "--dir", str(host.world.root), *host.servers),
        under=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
    )
    assert ran.code == 1, ran
    assert f"cannot read {here}/mx1.pem: permission denied" in ran.err
    assert "run certctl init as root" in ran.err
    assert not Path(host.world.path).exists()
