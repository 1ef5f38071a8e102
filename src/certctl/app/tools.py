"""What announcers use of other parts: a reader of URLs, a runner of programs, a look at what is served."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from certctl.announce.tools import Ended, Tools
    from certctl.ports import Hold

LARGEST = 8 << 20
"""Bytes of what is looked for at a `check` URL."""


def tools(outside: Hold) -> Tools:
    """All of them. URLs are read *outside*: files are written before, and states kept after that."""
    from certctl.announce.tools import Tools

    return Tools(partial(_fetch, outside), _run, _served)


def _fetch(outside: Hold, url: str) -> bytes:
    from certctl.peers.fetch import fetch

    with outside():
        return fetch(url, largest=LARGEST).data or b""


def _served(name: str, address: str, port: int) -> frozenset[str]:
    """Each family of keys is asked for by itself, and by several connections: old processes linger."""
    from certctl.app.danetargets import scheme_at
    from certctl.core.spec import ALGORITHMS
    from certctl.deploy.probe import Expected, ExpectedKey, probe

    host = f"[{address}]" if ":" in address else address
    every = Expected(tuple(ExpectedKey(algorithm, "") for algorithm in ALGORITHMS))
    looks = probe(f"{scheme_at(port)}://{host}:{port}?sni={name}", every, timeout=5.0, connections=3)
    return frozenset(look.chain[0].key_sha256.replace(":", "").lower() for look in looks if look.chain)


def _run(argv: Sequence[str], data: bytes, timeout: float) -> Ended:
    from certctl.announce.tools import Ended
    from certctl.issuers import program
    from certctl.system import programs

    path = programs.search_path()
    ended = program.run([programs.find(argv[0], path), *argv[1:]], {"PATH": path}, data, timeout)
    said = b"\n".join(part.strip() for part in (ended.output, ended.errors) if part.strip())
    return Ended(
        ended.status, "".join(c for c in said.decode("utf-8", "replace") if c.isprintable() or c == "\n")
    )
