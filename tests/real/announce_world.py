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

from certctl import config
from certctl.app import wiring
from certctl.cli.main import main
from certctl.planning.times import parse_rfc3339
from certctl.system import clocks
from tests.real.servers.bind import Bind
from tests.real.servers.process import run
from tests.real.servers.scratch import write
from tests.support import evidence


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
        uptime = clocks.uptime
        monkeypatch.setattr(clocks, "uptime", lambda: uptime() + self.offset.total_seconds())

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
    """What any history of the only certificate has to keep to, read off the journal; its promotions.

    - Every pin but the first was seen through every announcer for the hold-down,
      and for its wait, before it was served.
    - A file that was written is followed by its hook.
    - Nothing failed, and nothing was retired that a rollback could have needed.
    - Pins of what was served before were retracted after the hold-down, not earlier.
    """
    (cert,) = config.load(host.config).certificates.values()
    seen: dict[tuple[str, str], tuple[datetime, float]] = {}
    served: list[int] = []
    pending: dict[str, set[str]] = {}
    turns: list[datetime] = []
    for event in host.journal():
        at, kind = parse_rfc3339(event["at"]), event["event"]
        assert not kind.endswith("-failed"), event
        if kind == "seen":
            for pin in event["pins"]:
                seen.setdefault((pin, event["through"]), (at, event.get("wait", 0.0)))
        elif kind == "promote":
            for pin in event["pins"] if served else ():
                for announcer in cert.announce:
                    assert (pin, announcer) in seen, f"{pin} was served, but not seen through {announcer}"
                    first, wait = seen[pin, announcer]
                    assert (at - first).total_seconds() >= max(hold_down, wait), (pin, first, at)
            served.append(event["generation"])
            turns.append(at)
        elif kind == "write":
            hooks = {hook for file in cert.files if file.path == event["path"] for hook in file.hooks}
            assert not pending.get(event["path"]), f"{event['path']} was written again before its hook ran"
            pending[event["path"]] = hooks
        elif kind == "hook":
            for waiting in pending.values():
                waiting.discard(event["subject"])
        elif kind == "retract":
            # A promotion takes with it what was previous until then.
            assert any((at - turn).total_seconds() >= hold_down for turn in turns[-2:]), event
        elif kind == "retire":
            assert event["generation"] not in served[-2:], event
    assert not any(pending.values()), pending
    assert served == sorted(set(served))
    return len(served)


def check_files(host: Host) -> None:
    """What is served is a key with its own certificate, now valid, and keys are for nobody else to read."""
    for top, _, names in os.walk(host.directory):
        for name in names:
            path = os.path.join(top, name)
            with open(path, "rb") as file:
                data = file.read()
            if b"PRIVATE KEY" in data:
                assert not os.stat(path).st_mode & 0o077, path
    for cert in config.load(host.config).certificates.values():
        for output in cert.files:
            with open(output.path, "rb") as file:
                (found,) = evidence.served(file.read())
            leaf = found.chain[0]
            assert found.pin is not None  # of the key, which is the certificate's own
            assert leaf.not_valid_before_utc <= wiring.clock() < leaf.not_valid_after_utc


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
