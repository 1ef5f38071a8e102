"""A host without a certctl.toml, with servers of the corpus put up on it, for init to fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.planning.spec import CertificateSpec
from certctl.x509.keys import key_facts
from tests.support.world import Ran, World
from tests.unit.import_trees import Ca, make_ca, write
from tests.unit.init_world import put_up
from tests.unit.x509_make import Made

MX = "mx1.example.org"


class Host:
    """A host without a certctl.toml, and the servers that are put up on it."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        root = tmp_path / "here"
        root.mkdir()
        self.world = World(root, monkeypatch)
        self.ca: Ca = make_ca()
        self.tmp_path = tmp_path
        self.servers: list[str] = []

    def put(self, name: str) -> Path:
        """Put up a server of the corpus, to be named to init."""
        directory = put_up(name, self.tmp_path / name)
        kind = name.partition("-")[0]
        main = {"postfix": "", "dovecot": "dovecot.conf", "nginx": "nginx.conf", "haproxy": "haproxy.cfg"}
        self.servers += [f"--{kind}", str(directory / main.get(kind, "exim.conf"))]
        return directory

    def bundle(self, path: Path, *made: Made) -> Path:
        return write(path, b"".join(one.key_pem + one.pem + self.ca.middle.pem for one in made), 0o600)

    def init(self, *arguments: str) -> Ran:
        return self.world("init", "--dir", str(self.world.root), *self.servers, *arguments)

    def done(self, *arguments: str) -> dict[str, CertificateSpec]:
        """Run init, which must succeed; the certificates that are configured then."""
        ran = self.init(*arguments)
        assert ran.code == 0, ran
        return dict(self.world.spec.certificates)

    def pass_(self) -> None:
        """Run a pass; its hooks find no server that runs, and fail where none is installed."""
        assert self.world("run").code in (0, 1)


def pin(path: Path) -> str:
    return key_facts(path.read_bytes()).key.sha256
