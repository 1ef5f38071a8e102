"""Bundles as Postfix wants them, checked by openssl; their modes and owners; and live/NAME."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.contract import openssl
from tests.contract.home import Home, mode
from tests.real.servers import require

CONFIG = """
[certificate.mx1]
names = ["mx1.example", "192.0.2.25"]
issuer = "private-ca"
keys = ["ecdsa-p256", "rsa-2048"]
[[certificate.mx1.file]]
path = "bundle.pem"
[[certificate.mx1.file]]
path = "rsa.pem"
algorithm = "rsa-2048"
[[certificate.mx1.file]]
path = "key.pem"
parts = ["key"]
algorithm = "ecdsa-p256"
mode = "0640"
[[certificate.mx1.file]]
path = "cert.pem"
parts = ["cert"]
algorithm = "ecdsa-p256"
[[certificate.mx1.file]]
path = "chain.pem"
parts = ["chain"]
algorithm = "ecdsa-p256"
[[certificate.mx1.file]]
path = "root.pem"
parts = ["root"]
algorithm = "rsa-2048"
mode = "0444"
[[certificate.mx1.file]]
path = "public.pem"
parts = ["cert", "chain", "root"]
[[certificate.mx1.file]]
path = "everything.pem"
parts = ["key", "cert", "chain", "root"]
algorithm = "rsa-2048"
mode = "0400"
[certificate.single]
names = ["single.example"]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with files of every kind."""
    path = tmp_path_factory.mktemp("files") / "home"
    path.mkdir()
    home = Home(path)
    home.config(CONFIG)
    home("run", umask=0o000)
    return home


def check_bundle(home: Home, path: Path, algorithms: int) -> None:
    """Show that a bundle holds, for each algorithm, a key, its certificate and a chain to the root."""
    labels, blocks = openssl.read(path)
    assert labels == ["KEY", "CERTIFICATE", "CERTIFICATE"] * algorithms
    for at in range(0, len(blocks), 3):
        key, leaf, intermediate = blocks[at : at + 3]
        assert openssl.key_spki(key) == openssl.certificate_spki(leaf)
        root = home / "state/issuers/private-ca/root.pem"
        openssl.verifies(leaf, [intermediate], root, home.path)
        issuer = openssl.field(leaf, "-issuer").removeprefix("issuer=")
        assert openssl.field(intermediate, "-subject").removeprefix("subject=") == issuer
        assert "mx1.example" in openssl.names(leaf)
        assert "192.0.2.25" in openssl.names(leaf)


def test_bundle(made: Home) -> None:
    """A bundle holds key, certificate and chain of each algorithm in turn, in the configured order."""
    check_bundle(made, made / "bundle.pem", 2)
    kinds = [
        openssl.openssl("pkey", "-noout", "-text", data=block.encode()).decode()
        for label, block in zip(*openssl.read(made / "bundle.pem"), strict=True)
        if label == "KEY"
    ]
    assert "prime256v1" in kinds[0]
    assert "2048 bit" in kinds[1]


def test_one_algorithm(made: Home) -> None:
    """With algorithm, only the parts of that one are written."""
    check_bundle(made, made / "rsa.pem", 1)
    text = (made / "bundle.pem").read_text()
    assert text.endswith((made / "rsa.pem").read_text())


def test_parts(made: Home) -> None:
    """Each part stands where it is asked for, and always in the order key, cert, chain, root."""
    labels, blocks = openssl.read(made / "everything.pem")
    assert labels == ["KEY", "CERTIFICATE", "CERTIFICATE", "CERTIFICATE"]
    rsa = (made / "rsa.pem").read_text()
    root = (made / "state/issuers/private-ca/root.pem").read_text()
    assert "".join(blocks[:3]) == rsa
    assert blocks[3] == root == (made / "root.pem").read_text()
    first = (made / "bundle.pem").read_text().removesuffix(rsa)
    assert first == "".join((made / name).read_text() for name in ("key.pem", "cert.pem", "chain.pem"))
    labels, blocks = openssl.read(made / "public.pem")
    assert labels == ["CERTIFICATE"] * 6
    assert blocks[2] == blocks[5] == root


def test_modes(made: Home) -> None:
    """The default is 0600 with a key and 0644 without; what is configured holds under any umask."""
    modes = {
        "bundle.pem": 0o600,
        "rsa.pem": 0o600,
        "key.pem": 0o640,
        "cert.pem": 0o644,
        "chain.pem": 0o644,
        "root.pem": 0o444,
        "public.pem": 0o644,
        "everything.pem": 0o400,
    }
    assert {name: mode(made / name) for name in modes} == modes
    for name in modes:
        about = (made / name).lstat()
        assert stat.S_ISREG(about.st_mode)
        assert (about.st_uid, about.st_gid) == (os.geteuid(), os.getegid())


def test_nothing_in_the_state_is_open(made: Home) -> None:
    """Under umask 000 the state directory is 0700, and nothing in it that holds a key is open to others."""
    assert mode(made / "state") == 0o700
    for parent, _, files in os.walk(made / "state"):
        for name in files:
            path = Path(parent) / name
            bits = mode(path)
            assert not bits & 0o022, path
            if "PRIVATE KEY" in path.read_text(errors="replace"):
                assert not bits & 0o077, (path, oct(bits))


def test_live(made: Home) -> None:
    """live/NAME is a link to a directory with all the files that servers want."""
    live = made / "state/live/single"
    assert live.is_symlink()
    assert live.is_dir()
    names = ("bundle", "key", "cert", "chain", "fullchain")
    check = {name: (live / f"{name}.pem").read_text() for name in names}
    assert check["fullchain"] == check["cert"] + check["chain"]
    assert check["bundle"] == check["key"] + check["cert"] + check["chain"]
    assert openssl.key_spki(check["key"]) == openssl.certificate_spki(check["cert"])
    assert mode(live / "key.pem") == mode(live / "bundle.pem") == 0o600


def test_live_of_several_algorithms(made: Home) -> None:
    """With several algorithms each has a directory; on top is the first, and the bundle of all."""
    live = made / "state/live/mx1"
    names = ("bundle", "key", "cert", "chain", "fullchain")
    for algorithm in ("ecdsa-p256", "rsa-2048"):
        check = {name: (live / algorithm / f"{name}.pem").read_text() for name in names}
        assert check["fullchain"] == check["cert"] + check["chain"]
        assert check["bundle"] == check["key"] + check["cert"] + check["chain"]
        check_bundle(made, live / algorithm / "bundle.pem", 1)
    for name in names[1:]:
        assert (live / f"{name}.pem").read_text() == (live / f"ecdsa-p256/{name}.pem").read_text()
    both = [(live / algorithm / "bundle.pem").read_text() for algorithm in ("ecdsa-p256", "rsa-2048")]
    assert (live / "bundle.pem").read_text() == "".join(both) == (made / "bundle.pem").read_text()


def test_live_follows(home: Home) -> None:
    """live/NAME points at what is current, after a rotation and after a rollback."""
    home.config('[certificate.mx1]\nnames = ["mx1.example"]\n')
    home("run")
    link = os.readlink(home / "state/live/mx1")
    assert openssl.served(home / "state/live/mx1/bundle.pem") == home.pins("current")[0]
    home("rotate", "mx1")
    assert os.readlink(home / "state/live/mx1") != link
    assert openssl.served(home / "state/live/mx1/fullchain.pem") == home.pins("current")[0]
    home("rollback", "mx1")
    assert os.readlink(home / "state/live/mx1") == link


def test_parts_in_another_order(home: Home) -> None:
    """Parts in an order that no server wants are an error that says the right one."""
    home.config(
        '[certificate.mx1]\nnames = ["mx1.example"]\n[[certificate.mx1.file]]\npath = "a.pem"\n'
        'parts = ["cert", "key"]\n'
    )
    assert '"key", "cert"' in home("run", code=2).err


def test_owner_and_group(home: Home) -> None:
    """Root may give files away, by name and by number; a rotation keeps their owners."""
    require.root("another owner")
    home.config(
        """
        [certificate.mx1]
        names = ["mx1.example"]
        [[certificate.mx1.file]]
        path = "a.pem"
        owner = "nobody"
        group = "daemon"
        mode = "0440"
        [[certificate.mx1.file]]
        path = "b.pem"
        parts = ["cert"]
        owner = "65534"
        [dhparam.dh]
        path = "dh.pem"
        source = "ffdhe"
        group = "daemon"
        mode = "0440"
        """
    )
    home("run")

    def owners() -> list[tuple[str, str, int]]:
        paths = [home / name for name in ("a.pem", "b.pem", "dh.pem")]
        return [(path.owner(), path.group(), mode(path)) for path in paths]

    expected = [("nobody", "daemon", 0o440), ("nobody", "root", 0o644), ("root", "daemon", 0o440)]
    assert owners() == expected
    home("rotate", "mx1")
    assert owners() == expected
    os.chown(home / "a.pem", 0, 0)
    os.chown(home / "dh.pem", 1, 0)
    assert {"a.pem", "dh.pem"} == {
        os.path.basename(step["path"]) for step in home.json("plan")["steps"] if step["kind"] == "write"
    }
    home("run")
    assert owners() == expected


def test_files_without_an_owner_in_the_configuration(home: Home) -> None:
    """They are root's, and its group's, if root runs certctl: whoever they were given to loses them again."""
    require.root("another owner")
    home.config(
        '[certificate.mx1]\nnames = ["mx1.example"]\n[[certificate.mx1.file]]\npath = "a.pem"\n'
        '[[certificate.mx1.file]]\npath = "b.pem"\nparts = ["cert"]\n'
        '[dhparam.dh]\npath = "dh.pem"\nsource = "ffdhe"\n'
    )
    home("run")
    for name, uid, gid in (("a.pem", 65534, -1), ("b.pem", -1, 1), ("dh.pem", 65534, 1)):
        os.chown(home / name, uid, gid)
    reasons = " ".join(step["reason"] for step in home.json("plan")["steps"])
    assert "a.pem belongs to nobody, not root" in reasons
    assert "b.pem has group daemon, not root" in reasons
    home("run")
    assert {(home / name).stat().st_uid for name in ("a.pem", "b.pem", "dh.pem")} == {0}
    assert {(home / name).stat().st_gid for name in ("a.pem", "b.pem", "dh.pem")} == {os.getegid()}
    assert home.steps() == []


def test_an_owner_that_does_not_exist(home: Home) -> None:
    """A user that is unknown is an error of that file, with its name, and no file is left half made."""
    home.config(
        '[certificate.mx1]\nnames = ["mx1.example"]\n[[certificate.mx1.file]]\npath = "a.pem"\n'
        'owner = "no-such-user"\n[[certificate.mx1.file]]\npath = "b.pem"\n'
    )
    failed = home("run", code=1)
    assert "no-such-user" in failed.err
    assert not (home / "a.pem").exists()
    assert (home / "b.pem").exists()


def test_moved_in_one_step(home: Home) -> None:
    """A file is replaced as a whole: it gets another inode, and no other name stands beside it."""
    home.config('[certificate.mx1]\nnames = ["mx1.example"]\n[[certificate.mx1.file]]\npath = "out/a.pem"\n')
    (home / "out").mkdir()
    home("run")
    with open(home / "out/a.pem") as old:
        home("rotate", "mx1")
        assert "PRIVATE KEY" in old.read()
        assert os.fstat(old.fileno()).st_nlink == 0
    assert os.listdir(home / "out") == ["a.pem"]
