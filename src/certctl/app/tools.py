"""What announcers use of other parts: a reader of URLs, a runner of programs, a look at what is served."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from certctl.errors import CertctlError

if TYPE_CHECKING:
    from certctl.announce.tools import Ended, Tools
    from certctl.ports import Hold

LARGEST = 8 << 20
"""Bytes of what is looked for at a `check` URL."""
MOST_AT_ONCE = 64


def tools(outside: Hold, urls: Collection[str]) -> Tools:
    """All of them. *urls* are read *outside*: files are written before, and states kept after that."""
    from certctl.announce.tools import Tools

    return Tools(Reader(outside, urls).fetch, _run, _served)


class Reader:
    """Reads `check` URLs. Those whose servers take no connection are given up together, once in a pass."""

    def __init__(self, outside: Hold, urls: Collection[str]) -> None:
        """*urls*: all that may be asked for."""
        self._outside = outside
        self._urls = urls
        self._silent: dict[str, CertctlError | None] | None = None

    def fetch(self, url: str) -> bytes:
        """The body of *url*. Raises CertctlError."""
        from certctl.peers.fetch import fetch

        with self._outside():
            if self._silent is None:
                self._silent = self._knock()
            error = self._silent.get(url)
            if error is not None:
                raise CertctlError(error.message, error.hint)
            return fetch(url, largest=LARGEST).data or b""

    def _knock(self) -> dict[str, CertctlError | None]:
        """One after the other, dead ones would use up the time of the pass."""
        from certctl.system.pool import Pool

        urls = [url for url in dict.fromkeys(self._urls) if url.startswith(("http://", "https://"))]
        with Pool(MOST_AT_ONCE, thread_name_prefix="certctl-check") as threads:
            return dict(zip(urls, threads.map(_trouble, urls), strict=True))


def _trouble(url: str) -> CertctlError | None:
    from certctl.peers.fetch import CONNECT, knock

    try:
        knock(url, CONNECT)
    except CertctlError as error:
        return error
    return None


def _served(name: str, address: str, port: int) -> frozenset[str]:
    """Each family of keys is asked for by itself, and by several connections: old processes linger."""
    from certctl.app.danetargets import scheme_at
    from certctl.deploy.probe import Expected, ExpectedKey, probe
    from certctl.x509 import ALGORITHMS

    host = f"[{address}]" if ":" in address else address
    every = Expected(tuple(ExpectedKey(algorithm, "") for algorithm in ALGORITHMS))
    looks = probe(f"{scheme_at(port)}://{host}:{port}?sni={name}", every, timeout=5.0, connections=3)
    return frozenset(look.chain[0].key_sha256.replace(":", "").lower() for look in looks if look.chain)


def _run(argv: Sequence[str], data: bytes, timeout: float) -> Ended:
    from certctl.announce.tools import Ended
    from certctl.issuers import program
    from certctl.system import programs
    from certctl.system.secret import said_by

    path = programs.search_path()
    found = programs.find(argv[0], path)
    try:
        ended = program.run([found, *argv[1:]], {"PATH": path}, data, timeout)
    except CertctlError as error:
        raise error.saying(said_by(argv, error.message)) from None
    said = b"\n".join(part.strip() for part in (ended.output, ended.errors) if part.strip())
    text = said_by(argv, said.decode("utf-8", "replace"))
    return Ended(ended.status, "".join(c for c in text if c.isprintable() or c == "\n"))
