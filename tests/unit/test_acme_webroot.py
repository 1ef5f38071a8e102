"""Tokens in a webroot: seen by the web server, written with its owner's rights, and led nowhere by links."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.errors import CertctlError, StoreError
from certctl.issuers.acme.http01 import Webroot, remove
from certctl.issuers.acme.proof import Leftovers, Proof
from tests.support import strangers
from tests.support.strangers import NOBODY

PROOFS = [Proof(f"{word}.example.org", False, word, f"{word}.thumb") for word in ("one", "two")]
INNER = ".well-known/acme-challenge"


def solver(place: Path, home: Path) -> Webroot:
    return Webroot(str(place), Leftovers(str(home)))


@pytest.fixture
def ground() -> Iterator[Path]:
    with strangers.ground() as made:
        yield made


def test_ones_own_webroot(tmp_path: Path) -> None:
    """Tokens are readable by everybody while they are needed, whatever the umask, and gone after that."""
    os.umask(0o077)
    place = tmp_path / "www"
    place.mkdir()
    with solver(place, tmp_path).present(PROOFS):
        for proof in PROOFS:
            file = place / INNER / proof.token
            assert file.read_text() == proof.key_authorization
            assert stat.S_IMODE(file.stat().st_mode) == 0o644
        assert stat.S_IMODE((place / INNER).stat().st_mode) == 0o755
    assert not os.listdir(place / INNER)
    assert not os.listdir(tmp_path / "leftovers")


def test_written_as_the_owner(ground: Path) -> None:
    """In somebody else's webroot root makes and removes everything with his rights and in his name."""
    place = strangers.directory(ground / "www")
    with solver(place, ground).present(PROOFS):
        for path in (place / ".well-known", place / INNER, place / INNER / "one"):
            assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)
        assert stat.S_IMODE((place / INNER / "one").stat().st_mode) == 0o644
    assert not os.listdir(place / INNER)


def test_directories_of_root_in_it(ground: Path) -> None:
    """Directories that root once made in somebody else's webroot go on being used."""
    place = strangers.directory(ground / "www")
    (place / INNER).mkdir(parents=True, mode=0o755)
    with solver(place, ground).present(PROOFS):
        assert (place / INNER / "one").read_text() == "one.thumb"
    assert not os.listdir(place / INNER)


@pytest.mark.parametrize("whose", [0, NOBODY])
@pytest.mark.parametrize("name", [".well-known", INNER])
def test_links_lead_nowhere(ground: Path, name: str, whose: int) -> None:
    """Behind a link below the webroot nothing is written, overwritten or deleted; the link is told."""
    place = strangers.directory(ground / "www")
    victim = ground / "victim"
    for inner in (victim, victim / "acme-challenge"):
        inner.mkdir(mode=0o700)
        (inner / "one").write_text("precious")
    (place / name).parent.mkdir(exist_ok=True)
    (place / name).symlink_to(victim)
    os.lchown(place / name, whose, whose)
    with (
        pytest.raises(StoreError, match="on the way is a symlink"),
        solver(place, ground).present(PROOFS),
    ):
        pytest.fail("it was put up")
    with pytest.raises(StoreError, match="on the way is a symlink"):
        remove([f"{place}/{INNER}/one"])
    assert (victim / "one").read_text() == (victim / "acme-challenge/one").read_text() == "precious"
    assert sorted(os.listdir(victim)) == ["acme-challenge", "one"]
    assert os.listdir(victim / "acme-challenge") == ["one"]


def test_what_resists_is_told(ground: Path) -> None:
    """What the owner himself may not do fails, with the words of the system, and the others are told."""
    place = strangers.directory(ground / "www")
    place.chmod(0o555)
    with (
        pytest.raises(CertctlError, match=f"cannot create the directory {place}/.well-known: permission"),
        solver(place, ground).present(PROOFS),
    ):
        pytest.fail("it was put up")
