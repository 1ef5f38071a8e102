"""What the tests of import have in common: a world with a configuration, another tool's tree beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from certctl import config
from certctl.planning.spec import Spec
from certctl.x509.keys import key_facts
from tests.support.world import Ran, World
from tests.unit.import_trees import Ca, digest, make_ca


class ImportWorld:
    """Runs `certctl import` on *tree* and sees that nothing of it was written."""

    def __init__(self, world: World, tree: Path, ca: Ca) -> None:
        self.world = world
        self.tree = tree
        self.ca = ca

    def __call__(self, tool: str, *arguments: str) -> Ran:
        before = digest(self.tree)
        ran = self.world("import", tool, str(self.tree), *arguments)
        assert digest(self.tree) == before, "import wrote into the tree of the other tool"
        return ran

    def json(self, tool: str, *arguments: str) -> dict[str, Any]:
        ran = self(tool, "--json", *arguments)
        found: dict[str, Any] = ran.document
        return found

    def added(self, tool: str) -> Spec:
        """Import with the tables added to the configuration; what loads then."""
        ran = self(tool, "--output", self.world.path)
        assert ran.code == 0, ran
        return self.world.spec

    def key_of(self, name: str) -> str:
        """The fingerprint of the current key, as what servers would be given has it."""
        bundle = Path(self.world.layout.live(name), "bundle.pem").read_bytes()
        return key_facts(bundle).key.sha256


def rows(document: dict[str, Any]) -> dict[str, str]:
    """How each certificate fared, by name."""
    return {row["name"]: row["state"] for row in document["certificates"]}


def make_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportWorld:
    """An empty tree, and a configuration with nothing but its state directory in it."""
    # What is taken over names public CAs: whatever asks one of them is to fail here, at once.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    root = tmp_path / "here"
    root.mkdir()
    world = World(root, monkeypatch)
    world.configure("")
    tree = tmp_path / "tree"
    tree.mkdir()
    return ImportWorld(world, tree, make_ca())


def loads(tmp_path: Path, text: str) -> Spec:
    """Load a fragment alone."""
    path = tmp_path / "fragment.toml"
    path.write_text(text)
    return config.load(str(path))
