"""Two mail hosts that pin each other's certificates by MD5, and certctl on both of them, while mail flows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.real.certctl_home import Home
from tests.real.mail_flow import Flow
from tests.real.pinned_hosts import MD5, Old, dh512, md5, pinned
from tests.real.servers.postfix import Postfix, postfix
from tests.real.servers.process import until
from tests.real.servers.served import served
from tests.real.servers.start import Start

COMMANDS = ("postconf ", "postfix ", "certctl ")
ROUNDS = 4
"""In which all advice of doctor's is followed, what comes of it, too."""


class Host:
    """One of the two, with its admin, who does what certctl says."""

    other: Host

    def __init__(self, start: Start, scratch: str, name: str, domain: str) -> None:
        self.name = f"{name}.{domain}"
        self.domain = domain
        own = os.path.join(scratch, name)
        os.mkdir(own, 0o755)
        old = Old(own, self.name)
        self.old = md5(old.certificate)
        parameters = {**old.settings, **MD5, **dh512(own), "mydestination": domain}
        self.server: Postfix = start(postfix, hostname=self.name, parameters=parameters)
        self.home = Home(own)
        self.digests = ["md5"]

    def shown(self, slot: str, digest: str) -> list[str]:
        """The fingerprints that certctl prints of certificates."""
        wanted = ("--slot", slot, "--of", "certificate", "--digest", digest)
        said = self.home.json("fingerprints", self.name, *wanted)["fingerprints"]
        return [one["fingerprint"] for one in said if one["fingerprint"]]

    def tells(self, *slots: str) -> None:
        """The other's admin is sent the fingerprints of *slots*, and writes them into the policy table."""
        told = [pin for digest in self.digests for slot in slots for pin in self.shown(slot, digest)]
        self.other.server.write_policy(pinned(self.server, *told))

    def edits(self, old: str, new: str) -> None:
        """A change in certctl.toml, by hand."""
        text = self.home.read("certctl.toml").decode()
        assert old in text
        self.home.rewrite(text.replace(old, new))

    def runs(self) -> str:
        return self.home.run("run")

    def serves(self, pins: list[str]) -> None:
        """Wait until every process serves one of these, by MD5."""
        wanted = {one.replace(":", "") for one in pins}
        until(lambda: md5(served(self.server.smtp, "smtp")[0]) in wanted, f"{wanted} is served")

    def findings(self) -> list[dict[str, str]]:
        """What doctor says of this host; it changes nothing."""
        said = self.home.json("doctor", "--postfix", self.server.directory, status=None)
        found: list[dict[str, str]] = said["findings"]
        return found

    def follows_advice(self) -> None:
        """Everything that doctor says to type is typed, until it has nothing more to say."""
        for _ in range(ROUNDS):
            fixes = [one["fix"] for one in self.findings()]
            if not fixes:
                return
            for fix in fixes:
                self._does(fix)
        raise AssertionError(self.findings())

    def _does(self, fix: str) -> None:
        if "certctl probe smtp://PEER" in fix:
            self._learns_sha256()
        table = re.search(r'(\[\[certificate\."[^"]+"\.file\]\]) with (path = "[^"]+") and the hooks', fix)
        if table:
            self.edits("[hook.postfix]", f'{table[1]}\n{table[2]}\nhooks = ["postfix"]\n[hook.postfix]')
        for part in re.split(r"; |: |, (?=postconf )", fix):
            if part.startswith("certctl renew"):
                self._renews(part)
            elif part.startswith("certctl "):
                self.home.run(*shlex.split(part)[1:])
            elif part.startswith(COMMANDS):
                self.server.type(part)
        if "ones can go" in fix:
            self.other.digests = ["sha256"]
            self.other.tells("current", "next")

    def _learns_sha256(self) -> None:
        """What the peer serves is compared with what it tells; then it is in the table beside the MD5."""
        said = self.home.run("probe", f"smtp://127.0.0.1:{self.other.server.smtp}")
        (told,) = self.other.shown("current", "sha256")
        assert f"certificate {told}" in said
        self.other.digests = ["md5", "sha256"]
        self.other.tells("current", "next")

    def _renews(self, command: str) -> None:
        """A renewal that doctor advised: it is held, told, and served when the hold is over."""
        assert "hold-down 7d" in self.home.run(*shlex.split(command)[1:])
        self.tells("current", "next")
        coming = self.shown("next", "md5")
        self.edits('hold_down = "7d"', 'hold_down = "1s"')
        self.waits()
        self.runs()
        self.serves(coming)

    def waits(self) -> None:
        until(lambda: self.home.certificate(self.name)["hold_until"] is None, "the hold is over")


def both(hosts: tuple[Host, Host], act: Callable[[Host], object]) -> None:
    """Both admins do the same at the same time."""
    with ThreadPoolExecutor(2) as admins:
        list(admins.map(act, hosts))


def begins(host: Host) -> None:
    said = host.home.run_alone(
        "init", "--dir", host.home.directory, "--yes", "--postfix", host.server.directory
    )
    assert ":".join(re.findall("..", host.old)) in said
    # A prime of one's own is made elsewhere; here it would only take its time.
    host.edits('source = "generate"', 'source = "ffdhe"')
    host.runs()
    host.serves([host.old])


def rotates(host: Host) -> None:
    """A rotation is asked for, told, waited for, and served; then taken back."""
    before = host.shown("current", "md5")
    host.home.run("rotate", host.name)
    host.tells("current", "next")
    coming = host.shown("next", "md5")
    assert coming
    host.waits()
    host.runs()
    host.serves(coming)
    host.home.run("rollback", host.name)
    host.serves(before)


def loses_its_state(host: Host) -> None:
    """The state is lost, and the key that is served is taken over; then a backup is found after all."""
    state, backup = host.home.path("state"), host.home.path("backup")
    before = host.shown("current", "md5")
    shutil.copytree(state, backup, symlinks=True)
    shutil.rmtree(state)
    said = host.home.run("run", status=1)
    found = re.search(r"certctl (import pem \S+ --name [^\s;]+)", said)
    assert found, said
    host.home.run(*found[1].split())
    host.runs()
    host.serves(before)
    assert host.shown("current", "md5") == before
    shutil.rmtree(state)
    os.rename(backup, state)
    host.runs()
    host.serves(before)
    assert host.home.certificate(host.name)["state"] == "ok"


def forces(host: Host) -> None:
    """Forced twice, the second time against a warning: mail waits, as was said, and a rollback brings it."""
    before = host.shown("current", "md5")
    host.tells("current")
    assert "breaks" in host.home.run("rotate", host.name, "--force")
    host.serves(host.shown("current", "md5"))
    sender = host.other.server
    waiting = sender.send(recipient=f"b@{host.domain}")
    assert "status=deferred" in sender.outcome(waiting), "as certctl had said"
    assert f"certctl rollback {host.name}" in host.home.run("rotate", host.name, "--force", status=1)
    host.home.run("rotate", host.name, "--force", "--yes")
    host.home.run("rollback", host.name)
    host.serves(before)
    sender.flush()
    assert "status=sent" in sender.outcome(waiting, tries=2)


def test_both_hosts(start: Start, scratch: str) -> None:
    """All advice is followed on both; whatever happens, mail waits only where certctl said so before."""
    here, there = Host(start, scratch, "mx", "example.test"), Host(start, scratch, "relay", "peer.test")
    here.other, there.other = there, here
    hosts = (here, there)
    for host in hosts:
        other = host.other
        host.server.set(
            transport_maps=f"inline:{{ {{ {other.domain} = smtp:[127.0.0.1]:{other.server.smtp} }} }}"
        )
        host.server.write_policy(pinned(other.server, other.old))
        host.server.reload()
    out, back = (Flow(host.server, host.other.server, f"b@{host.other.domain}") for host in hosts)
    with out, back:
        for act in (begins, Host.follows_advice, rotates, loses_its_state):
            both(hosts, act)
            out.moves()
            back.moves()
    out.check()
    back.check()
    for host in hosts:
        assert host.findings() == []
        forces(host)
        assert host.other.server.log().count("status=deferred") == 1
