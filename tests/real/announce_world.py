"""Hosts that run certctl in this process under one clock, and what their journals must say afterwards."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rdatatype
import pytest

from certctl.app import wiring
from certctl.cli.main import main
from certctl.core.times import parse_rfc3339
from tests.real.servers.bind import Bind
from tests.real.servers.process import run
from tests.real.servers.scratch import write


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Clock:
    """The time as every host of a test sees it: it runs as outside, but may be ahead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real, self.offset = wiring.clock, timedelta()
        monkeypatch.setattr(wiring, "clock", lambda: real() + self.offset)

    def pass_(self, seconds: float) -> None:
        self.offset += timedelta(seconds=seconds)


class Host:
    """One machine: a directory with its certctl.toml and all that it names."""

    def __init__(self, directory: str, config: str) -> None:
        self.directory = directory
        self.config = os.path.join(directory, "certctl.toml")
        os.makedirs(os.path.join(directory, "tls"), exist_ok=True)
        self.configure(config)

    def configure(self, config: str) -> None:
        self.text = config
        write(self.config, f'state_dir = "state"\n{config}')

    def __call__(self, *argv: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(["--config", self.config, *argv])
            except SystemExit as stopped:
                code = stopped.code if isinstance(stopped.code, int) else 1
        return Ran(code, out.getvalue(), err.getvalue())

    def done(self, *argv: str) -> Ran:
        """Run a command that must succeed."""
        ran = self(*argv)
        assert ran.code == 0, f"{argv}: {ran}"
        return ran

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def read(self, name: str) -> str:
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def certificate(self) -> dict[str, Any]:
        """What status says of the only certificate."""
        found: dict[str, Any] = self.done("status", "--json").document["certificates"][0]
        return found

    def generation(self) -> int:
        number: int = self.certificate()["current"]["generation"]
        return number

    def plan(self) -> str:
        return self.done("plan").out

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.read("state/journal.jsonl").splitlines()]


def check_invariants(host: Host, hold_down: float) -> int:
    """Every pin but the first was seen for the hold-down, and for its wait, before it was served.

    Returns the number of promotions.
    """
    seen: dict[str, tuple[datetime, float]] = {}
    promotions = 0
    for event in host.journal():
        at = parse_rfc3339(event["at"])
        if event["event"] == "seen":
            for pin in event["pins"]:
                seen.setdefault(pin, (at, event.get("wait", 0.0)))
        elif event["event"] == "promote":
            promotions += 1
            for pin in event["pins"] if promotions > 1 else ():
                assert pin in seen, f"{pin} was served, but never seen"
                first, wait = seen[pin]
                assert (at - first).total_seconds() >= max(hold_down, wait), (pin, first, at)
    return promotions


def notify(secondary: Bind) -> None:
    """Tell a secondary that its zone has changed, as its primary would (RFC 1996)."""
    message = dns.message.make_query(dns.name.from_text(secondary.zone), "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags = (message.flags & ~dns.flags.RD) | dns.flags.AA
    dns.query.udp(message, secondary.address, port=secondary.port, timeout=5, source=secondary.address)


def serial(server: Bind) -> int:
    for rrset in server.query("@", "SOA").answer:
        if rrset.rdtype == dns.rdatatype.SOA:
            return int(rrset[0].serial)
    raise AssertionError(f"{server.address} has no zone {server.zone}")


@contextlib.contextmanager
def resolver(directory: str, address: str) -> Iterator[None]:
    """Let this process and its children ask the resolver at *address*, in a mount namespace of their own."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns = 0x00020000
    if libc.unshare(clone_newns) != 0:
        raise OSError(ctypes.get_errno(), "unshare(2)")
    text = f"nameserver {address}\noptions trust-ad edns0 timeout:2\n"
    path = write(os.path.join(directory, "resolv.conf"), text)
    run(["/bin/mount", "--make-rprivate", "/"])
    run(["/bin/mount", "--bind", path, "/etc/resolv.conf"])
    try:
        yield
    finally:
        run(["/bin/umount", "/etc/resolv.conf"])
