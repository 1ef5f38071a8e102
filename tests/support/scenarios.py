"""What certctl does, one scenario each: the state of affairs, and the command that changes it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support import programs
from tests.support.world import World
from tests.unit.peers_world import Signer, document

SELF_SIGNED = """
[certificate.mx1]
names = ["mx1.example.org", "192.0.2.25"]
issuer = "self-signed"
[[certificate.mx1.file]]
path = "tls/mx1.pem"
hooks = ["reload"]
"""
PRIVATE_CA = """
[issuer.office]
type = "private-ca"
[certificate.mx1]
names = ["mx1.example.org"]
issuer = "office"
hooks = ["reload"]
[[certificate.mx1.file]]
path = "tls/mx1.pem"
hooks = ["reload"]
"""
TWO_KEYS = PRIVATE_CA.replace('"office"', '"office"\nkeys = ["ecdsa-p256", "ed25519"]')
COMMAND = """
[issuer.vault]
type = "command"
command = ["bin/sign"]
[certificate.mx1]
names = ["mx1.example.org"]
issuer = "vault"
[[certificate.mx1.file]]
path = "tls/mx1.pem"
hooks = ["reload"]
"""
CSR = COMMAND.replace('type = "command"\ncommand = ["bin/sign"]', 'type = "csr"')
PINNED = PRIVATE_CA.replace('"office"', '"office"\npin = "certificate"')
ANNOUNCED = (
    SELF_SIGNED.replace('"self-signed"', '"self-signed"\nannounce = ["feed", "policy"]\nhold_down = "1h"')
    + """
[announce.feed]
type = "feed"
path = "tls/pins.jws"
hooks = ["reload"]
[announce.policy]
type = "policy"
path = "tls/policy"
hooks = ["reload"]
"""
)
SEVERAL = f"""
{PRIVATE_CA}
[[certificate.mx1.file]]
path = "tls/mx1.key"
parts = ["key"]
mode = "0440"
group = "{os.getgid()}"
hooks = ["postfix"]
[[certificate.mx1.file]]
path = "tls/mx1.crt"
parts = ["cert", "chain", "root"]
hooks = ["postfix"]
[certificate.mx2]
names = ["mx2.example.org"]
issuer = "self-signed"
hooks = ["postfix"]
[[certificate.mx2.file]]
path = "tls/mx2.pem"
hooks = ["postfix", "reload"]
[certificate.mx3]
names = ["mx3.example.org"]
issuer = ["office", "self-signed"]
[watch.map]
paths = ["tls/sni"]
hooks = ["postfix"]
[hook.reload]
command = ["bin/reload"]
[hook.postfix]
command = ["bin/reload"]
"""
FFDHE = """
[dhparam.dh]
path = "tls/dh.pem"
source = "ffdhe"
bits = 2048
hooks = ["reload"]
"""
PEER = """
[peer."mx.peer.example"]
feed = "tls/feed.jws"
key = "{key}"
map = "tls/map"
hooks = ["reload"]
"""
CUT = b'{"version": 1, "name": "mx1", "current": {"num'
GENERATED = FFDHE.replace("ffdhe", "generate")


class Scenario(NamedTuple):
    """Where it begins, and what is done then."""

    name: str
    config: str
    prepare: Callable[[World], None]
    command: tuple[str, ...] = ("run",)
    incomplete: bool = False
    """Files may be missing until the command is through."""
    by_hand: bool = False
    """Whoever typed the command types it again when it did not get through."""

    def begin(self, world: World) -> tuple[str, ...]:
        """Bring *world* to where it begins; returns the command."""
        world.configure(self.config)
        self.prepare(world)
        return tuple(word.format(root=world.root) for word in self.command)


def _nothing(world: World) -> None:
    """A fresh machine."""


def _served(world: World) -> None:
    world.done("run")


def _much_later(world: World) -> None:
    world.done("run")
    world.later(days=70)


def _announced(world: World) -> None:
    world.done("run")
    world.later(hours=2)


def _renewed_twice(world: World) -> None:
    for _ in range(2):
        _much_later(world)
    world.done("run")
    world.later(days=70)


def _rotated(world: World) -> None:
    world.done("run")
    world.done("rotate", "mx1")


def _rotation_held(world: World) -> None:
    world.done("run")
    world.done("rotate", "mx1")
    assert world.status()["mx1"]["rotation_wanted"]


def _drifted(world: World) -> None:
    """Every kind of drift that leaves a pair: gone, another's, another mode, no link."""
    (world.tls / "sni").write_text("a map\n")
    world.done("run")
    (world.tls / "mx1.pem").unlink()
    shutil.copyfile(world.layout.live("mx3") + "/bundle.pem", world.tls / "mx2.pem")
    (world.tls / "mx1.key").chmod(0o400)
    Path(world.layout.live("mx1")).unlink()
    (world.tls / "sni").write_text("another map\n")


def _another_name(world: World) -> None:
    world.done("run")
    world.configure(PRIVATE_CA.replace('"mx1.example.org"', '"mx1.example.org", "mail.example.org"'))


def _other_keys(world: World) -> None:
    world.done("run")
    world.configure(TWO_KEYS)


def _hook_mended(world: World) -> None:
    broken = world.root / programs.BROKEN
    broken.touch()
    assert world("run").code == 1
    broken.unlink()
    world.later(hours=2)


def _signed_by_hand(world: World) -> None:
    world.done("run")
    (request,) = Path(world.layout.lineage("mx1")).glob("*/order/*.csr")
    (world.root / "answer.pem").write_bytes(programs.sign(world.root, request))


def _state_cut(world: World) -> None:
    world.done("run")
    path = Path(world.layout.state("mx1"))
    path.write_bytes(CUT)


def _peer_rotated(world: World) -> None:
    """The peer's next key, that was followed, is its current one now."""
    signer = Signer()
    world.configure(SELF_SIGNED + PEER.format(key=signer.text))
    feed = world.tls / "feed.jws"
    feed.write_bytes(signer.sign(json.dumps(document(1, current=1, next_=2)).encode()))
    world.done("run")
    feed.write_bytes(signer.sign(json.dumps(document(2, current=2, next_=3, previous=1)).encode()))


def _dhparam(table: str) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        world.done("run")
        world.configure(SELF_SIGNED + table)

    return prepare


def _held(config: str) -> str:
    return config.replace('issuer = "', 'hold_down = "7d"\nissuer = "', 1)


SCENARIOS = (
    Scenario("bootstrap", SELF_SIGNED, _nothing, incomplete=True),
    Scenario("bootstrap with a private CA", PRIVATE_CA, _nothing, incomplete=True),
    Scenario("bootstrap of several", SEVERAL, _nothing, incomplete=True),
    Scenario("bootstrap by command", COMMAND, _nothing, incomplete=True),
    Scenario("bootstrap with two algorithms", TWO_KEYS, _nothing, incomplete=True),
    Scenario("request for a person", CSR, _nothing, incomplete=True),
    Scenario("accept", CSR, _signed_by_hand, ("accept", "mx1", "{root}/answer.pem"), True, by_hand=True),
    Scenario("renewal when it is due", PRIVATE_CA, _much_later),
    Scenario("third renewal", SELF_SIGNED, _renewed_twice),
    Scenario("renewal by command, asked for", COMMAND, _served, ("renew", "mx1")),
    Scenario("renewal for another name", PRIVATE_CA, _another_name),
    Scenario("renewal where certificates are pinned", PINNED, _much_later),
    Scenario("rotation", PRIVATE_CA, _served, ("rotate", "mx1")),
    Scenario("second rotation", SELF_SIGNED, _rotated, ("rotate", "mx1")),
    Scenario("rotation to two algorithms", PRIVATE_CA, _other_keys),
    Scenario("forced rotation", _held(SELF_SIGNED), _rotation_held, ("rotate", "mx1", "--force")),
    Scenario("bootstrap with announcements", ANNOUNCED, _nothing, incomplete=True),
    Scenario("announced rotation", ANNOUNCED, _announced, ("rotate", "mx1")),
    Scenario("rotation of a peer", SELF_SIGNED, _peer_rotated),
    Scenario("abort", _held(PRIVATE_CA), _rotation_held, ("rotate", "mx1", "--abort")),
    Scenario("rollback", PRIVATE_CA, _rotated, ("rollback", "mx1")),
    Scenario("drift", SEVERAL, _drifted, incomplete=True),
    Scenario("hook that failed", PRIVATE_CA, _hook_mended),
    Scenario("damaged state", PRIVATE_CA, _state_cut),
    Scenario("DH parameters by name", SELF_SIGNED, _dhparam(FFDHE), incomplete=True),
    Scenario("DH parameters of one's own", SELF_SIGNED, _dhparam(GENERATED), incomplete=True),
)
