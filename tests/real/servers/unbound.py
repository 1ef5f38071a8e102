"""Unbound of its own: a validating resolver that knows nothing of the world but the zones it is given."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import dns.flags
import dns.message
import dns.query

from tests.real.servers.ports import free_port
from tests.real.servers.process import daemon
from tests.real.servers.require import program
from tests.real.servers.scratch import write

_CONFIG = """\
server:
  interface: {address}@{port}
  port: {port}
  access-control: 127.0.0.0/8 allow
  directory: "{directory}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-daemonize: no
  do-ip6: no
  num-threads: 1
  module-config: "validator iterator"
  do-not-query-localhost: no
  cache-max-ttl: {cache_seconds}
  cache-max-negative-ttl: {cache_seconds}
  local-zone: "test." nodefault
{anchors}
remote-control:
  control-enable: no
{stubs}
"""
_STUB = """\
stub-zone:
  name: "{zone}"
{servers}
"""


class Unbound(NamedTuple):
    """A running resolver."""

    address: str
    port: int
    log_file: str

    def query(self, name: str, kind: str) -> dns.message.Message:
        """Ask with the DO bit; the AD flag of the answer says whether it was validated."""
        question = dns.message.make_query(name, kind, want_dnssec=True)
        return dns.query.tcp(question, self.address, port=self.port, timeout=5)

    def validates(self, name: str, kind: str) -> bool:
        """True if the answer is there and authenticated."""
        answer = self.query(name, kind)
        return bool(answer.answer) and bool(answer.flags & dns.flags.AD)


@contextlib.contextmanager
def unbound(
    directory: str,
    *,
    zones: Mapping[str, tuple[str, int]],
    others: Mapping[str, Sequence[tuple[str, int]]] | None = None,
    trust_anchors: Sequence[str] = (),
    cache_seconds: int = 1,
    address: str = "127.0.0.1",
    port: int | None = None,
) -> Iterator[Unbound]:
    """Run Unbound below *directory*. *zones*: zone → address, port; *trust_anchors*: DNSKEY or DS lines.

    *others*: further servers of these zones.
    """
    server = Unbound(address, port or free_port(), os.path.join(directory, "unbound.log"))
    every = {zone: [at, *(others or {}).get(zone, ())] for zone, at in zones.items()}
    stubs = "".join(
        _STUB.format(zone=zone, servers="\n".join(f"  stub-addr: {at}@{port}" for at, port in servers))
        for zone, servers in every.items()
    )
    anchors = "".join(f'  trust-anchor: "{anchor}"\n' for anchor in trust_anchors)
    config = _CONFIG.format(
        directory=directory, **server._asdict(), stubs=stubs, anchors=anchors, cache_seconds=cache_seconds
    )
    argv = [program("unbound"), "-d", "-c", write(os.path.join(directory, "unbound.conf"), config)]
    with daemon(argv, log=server.log_file, ready=lambda: server.query("localhost.", "A").answer):
        yield server
