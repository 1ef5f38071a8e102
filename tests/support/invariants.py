"""What must hold of a world at any instant, and what must hold once a pass has converged."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.planning.spec import CertificateSpec, FileSpec
from certctl.store.lock import lock
from tests.support import evidence
from tests.support.world import Ran, World

TEMPORARY = ".certctl-tmp"
Rows = dict[str, dict[str, Any]]


def roots(world: World) -> list[x509.Certificate]:
    """The roots that a chain may end at."""
    places = [*Path(world.layout.issuers).glob("*/root.pem"), world.root / "ca" / "root.pem"]
    return [x509.load_pem_x509_certificate(path.read_bytes()) for path in places]


def check_always(world: World, *, first: bool = False, damaged: bytes | None = None) -> None:
    """What is served is whole, no key lies open, and the state can be read.

    *first*: nothing was served before, so that files may still be missing.
    *damaged*: what a state file may hold besides JSON.
    """
    check_served(world, first=first)
    check_announced(world, first=first)
    check_followed(world)
    check_modes(world)
    for path, _, data in evidence.files(world.layout.root):
        if path.endswith(".json") and TEMPORARY not in path and data != damaged:
            json.loads(data)


def check_served(world: World, *, first: bool = False, never: Collection[str] = ()) -> None:
    """live/NAME and every configured file: a key, its own certificate, its whole chain.

    *first*: nothing was served before, so that files may be missing; *never*: of
    these certificates, nothing is served at all.
    """
    known = roots(world)
    for cert in world.spec.certificates.values():
        if cert.name in never:
            continue
        _check_live(world, cert, known, first=first)
        for file in cert.files:
            if os.path.lexists(file.path) or not first:
                _check_file(Path(file.path).read_bytes(), file.parts, cert, known)


def check_announced(world: World, *, first: bool = False) -> None:
    """What is served can be read in every policy file that is to announce it."""
    spec = world.spec
    for cert in spec.certificates.values():
        places = [file.path for file in cert.files] + [f"{world.layout.live(cert.name)}/bundle.pem"]
        for announcer in (spec.announcers[name] for name in cert.announce):
            if announcer.type != "policy" or (first and not os.path.exists(announcer.path)):
                continue
            shown = Path(announcer.path).read_text().replace(":", "").lower()
            for place in places:
                if first and not os.path.exists(place):
                    continue
                for item in evidence.served(Path(place).read_bytes()):
                    assert item.pin and item.pin in shown, (
                        f"{place} serves what {announcer.path} does not tell"
                    )


def check_followed(world: World) -> None:
    """The pin that a peer serves is in the map, whichever of its feeds was taken last."""
    for peer in world.spec.peers.values():
        payload = Path(peer.feed).read_bytes().split(b".")[1]
        told = json.loads(base64.urlsafe_b64decode(payload + b"=="))
        lines = Path(peer.map).read_text().splitlines()
        for pin in (pin for entry in told["certificates"] for pin in entry["pins"]):
            for nexthop in peer.nexthops if pin["slot"] == "current" else ():
                (line,) = (line for line in lines if line.split()[:1] == [nexthop])
                assert f"match={pin['sha256']}" in line.split()


def _check_live(world: World, cert: CertificateSpec, known: list[x509.Certificate], *, first: bool) -> None:
    live = Path(world.layout.live(cert.name))
    if not os.path.lexists(live) and first:
        return
    assert live.is_dir(), f"{live} points at {os.readlink(live)}"
    places = [live, *(place for place in live.iterdir() if place.is_dir())]
    for place in places:
        _check_file((place / "bundle.pem").read_bytes(), ("key", "cert", "chain"), cert, known)
        key, leaf, chain = ((place / name).read_bytes() for name in ("key.pem", "cert.pem", "chain.pem"))
        assert (place / "fullchain.pem").read_bytes() == leaf + chain
        _check_file(key + leaf + chain, ("key", "cert", "chain"), cert, known)


def _check_file(
    data: bytes, parts: tuple[str, ...], cert: CertificateSpec, known: list[x509.Certificate]
) -> None:
    if "cert" not in parts:
        return
    found = evidence.served(data)
    assert found
    for item in found:
        assert ("key" in parts) == (item.pin is not None)
        if "chain" in parts:
            evidence.check_chain(item, known, ())


def check_modes(world: World) -> None:
    """No private key is readable by anyone who may not read it in the end; directories of state are 0700."""
    allowed = {file.path: file.mode for cert in world.spec.certificates.values() for file in cert.files}
    for path, info, data in evidence.files(world.layout.root, world.tls):
        if b"PRIVATE KEY" in data:
            target = os.path.join(
                os.path.dirname(path), os.path.basename(path).removeprefix(".").removesuffix(TEMPORARY)
            )
            mode = stat.S_IMODE(info.st_mode)
            assert not mode & ~allowed.get(target, 0o600), f"{path} has mode {mode:04o}"
    for top, _, _ in os.walk(world.layout.root):
        mode = stat.S_IMODE(os.lstat(top).st_mode)
        assert mode == 0o700, f"{top} has mode {mode:04o}"


def check_settled(world: World) -> Rows:
    """After a converging pass: nothing is left to do, nothing lies about, no hook was forgotten.

    Returns what status says.
    """
    rows = world.status()
    check_always(world, first=any(row["current"] is None for row in rows.values()))
    assert world.steps() == []
    check_leftovers(world, rows)
    check_agreement(world, rows)
    check_hooks(world)
    check_lock(world)
    return rows


def check_leftovers(world: World, rows: Rows) -> None:
    """No temporary name is left, and no generation that stands in no slot and is not put aside."""
    left = [
        os.path.join(top, name)
        for top, dirs, names in os.walk(world.root)
        for name in dirs + names
        if name.endswith(TEMPORARY)
    ]
    assert left == []
    for name, row in rows.items():
        there = {int(entry) for entry in os.listdir(world.layout.lineage(name))}
        aside = {int(number) for number in json.loads(Path(world.layout.state(name)).read_text())["aside"]}
        assert there == {number for number in numbers(row) if number} | aside, name


def numbers(row: dict[str, Any]) -> tuple[int | None, int | None, int | None]:
    """The generations in the slots current, next and previous."""
    slots = [row[slot] and row[slot]["generation"] for slot in ("current", "next", "previous")]
    return slots[0], slots[1], slots[2]


def check_agreement(world: World, rows: Rows) -> None:
    """live/NAME and every configured file hold the certificates that status calls current."""
    known = roots(world)
    for cert in world.spec.certificates.values():
        row = rows[cert.name]
        if row["current"] is None:
            continue
        wanted = [key["certificate_sha256"] for key in row["current"]["keys"]]
        bundle = (Path(world.layout.live(cert.name)) / "bundle.pem").read_bytes()
        assert _leaves(bundle) == wanted
        for item in evidence.served(bundle):
            evidence.check_chain(item, known, cert.names)
            start, end = item.chain[0].not_valid_before_utc, item.chain[0].not_valid_after_utc
            assert start <= world.now < end
        for file in cert.files:
            _check_output(file, wanted, bundle)


def _check_output(file: FileSpec, wanted: list[str], bundle: bytes) -> None:
    data = Path(file.path).read_bytes()
    assert stat.S_IMODE(os.lstat(file.path).st_mode) == file.mode, file.path
    if "cert" in file.parts:
        assert [leaf for leaf in _leaves(data) if leaf in wanted], file.path
    for _, block in evidence.blocks(data) if "root" not in file.parts else ():
        assert block in bundle, file.path


def _leaves(data: bytes) -> list[str]:
    found = [item.chain[0] for item in evidence.served(data)]
    return [hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest().hex(":").upper() for leaf in found]


def check_hooks(world: World) -> None:
    """Each hook ran after the last change of each file: what it logged last is what the file holds.

    A file that was replaced, if only by its like, must have been seen by the hook as the new file.
    """
    spec = world.spec
    served = [(file.path, file.hooks) for cert in spec.certificates.values() for file in cert.files]
    served += [(world.layout.live(cert.name), cert.hooks) for cert in spec.certificates.values()]
    served += [(dhparam.path, dhparam.hooks) for dhparam in spec.dhparams.values()]
    served += [(announcer.path, announcer.hooks) for announcer in spec.announcers.values()]
    served += [(peer.map, peer.hooks) for peer in spec.peers.values()]
    served += [(path, watch.hooks) for watch in spec.watches.values() for path in watch.paths]
    for name in spec.hooks:
        last, seen = (_last(world.root / f"{name}.{kind}") for kind in ("log", "inodes"))
        for path, hooks in served:
            if name in hooks and os.path.lexists(path):
                assert last.get(path) == held(path), f"{name} was not run for {path}"
                inode = os.lstat(path).st_ino
                if inode != world.began_with.get(path):
                    assert seen.get(path) == str(inode), f"{name} was not run for {path} as it was rewritten"


def _last(log: Path) -> dict[str, str]:
    """What a hook logged last of each path."""
    lines = log.read_text().splitlines() if log.exists() else []
    return {path: word for word, path in (line.split("  ", 1) for line in lines)}


def held(path: str) -> str:
    """What the hook logs of a file as it is now."""
    if os.path.islink(path):
        return os.readlink(path)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def check_lock(world: World) -> None:
    """Nobody holds the lock."""
    with lock(world.layout.lock, 0):
        pass


def was_note_of_a_hook(world: World, ran: Ran, failed: str) -> bool:
    """Whether all that failed, at *failed*, was the note that a hook begins: it ran, and that was kept."""
    temporary = f"{world.layout.root}/.hooks.json{TEMPORARY}"
    note = failed in (world.layout.hooks, temporary, world.layout.root)
    return note and ran.code == 0 and "hook ran: " in ran.err
