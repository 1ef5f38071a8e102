"""A mail host whose old certificate its peer pins is given to certctl: the first day, with its mistakes."""

from __future__ import annotations

import re

from tests.real.certctl_home import Home
from tests.real.pinned_hosts import MD5, Old, dh512, md5, pinned
from tests.real.servers.postfix import Postfix, postfix
from tests.real.servers.process import until
from tests.real.servers.served import served
from tests.real.servers.start import Start


class Story:
    """Two hosts that pin each other's certificates by MD5; certctl comes to the first of them."""

    def __init__(self, start: Start, scratch: str) -> None:
        here, there = Old(scratch, "mx.example.test"), Old(scratch, "peer.example.test")
        self.old = md5(here.certificate)
        self.host: Postfix = start(postfix, parameters={**here.settings, **MD5, **dh512(scratch)})
        self.peer: Postfix = start(
            postfix,
            hostname="peer.example.test",
            routes={"example.test": f"smtp:[127.0.0.1]:{self.host.smtp}"},
            parameters={**there.settings, **MD5, "mydestination": "peer.test"},
        )
        self.host.set(transport_maps=f"inline:{{ {{ peer.test = smtp:[127.0.0.1]:{self.peer.smtp} }} }}")
        self.host.write_policy(pinned(self.peer, md5(there.certificate)))
        self.host.reload()
        self.told(self.old)
        self.home = Home(scratch)
        self.name = "mx.example.test"

    def told(self, *digests: str) -> None:
        """The peer's admin puts these into the policy table."""
        self.peer.write_policy(pinned(self.host, *digests))

    def shown(self, slot: str = "all") -> list[str]:
        """The fingerprints that the host's admin would send the peer: MD5, of the certificate."""
        said = self.home.json(
            "fingerprints", self.name, "--slot", slot, "--of", "certificate", "--digest", "md5"
        )
        return [one["fingerprint"] for one in said["fingerprints"] if one["fingerprint"]]

    def mail(self) -> tuple[str, str]:
        """One mail each way; what became of both at the first try."""
        there = self.peer.outcome(self.peer.send())
        return there, self.host.outcome(self.host.send(recipient="b@peer.test"))

    def flows(self, what: str) -> None:
        assert all("status=sent" in outcome for outcome in self.mail()), what

    def serves(self, digests: list[str]) -> None:
        """Wait until every process of the host serves one of these."""
        wanted = {one.replace(":", "") for one in digests}
        until(lambda: md5(served(self.host.smtp, "smtp")[0]) in wanted, f"{wanted} is served")


def test_the_first_day(start: Start, scratch: str) -> None:
    """Whatever certctl advises is followed to the letter; no mail is deferred but where it said so before."""
    story = Story(start, scratch)
    home = story.home
    story.flows("before certctl")

    said = home.run_alone("init", "--dir", home.directory, "--yes", "--postfix", story.host.directory)
    assert ":".join(re.findall("..", story.old)) in said, "the MD5 fingerprint that the peer has is shown"
    text = home.read("certctl.toml").decode()
    assert '\npin = "certificate"\n' in text
    # A prime of one's own is made elsewhere; here it would only take its time.
    home.rewrite(text.replace('source = "generate"', 'source = "ffdhe"'))
    home.run("run")
    story.serves([story.old])
    story.flows("after the first pass")

    found = home.run("doctor", "--postfix", story.host.directory, status=1)
    assert "has no subjectAltName" in " ".join(found.split())
    assert 'unless pin = "certificate" has it announced before' in found
    assert f"certctl renew {story.name}" in found
    said = home.run("renew", story.name)
    assert "hold-down 7d" in said
    story.serves([story.old])
    story.flows("after the renewal that doctor advised")

    coming = story.shown("next")
    story.told(story.old, *coming)
    home.rewrite(home.read("certctl.toml").decode().replace('hold_down = "7d"', 'hold_down = "1s"'))
    until(lambda: home.certificate(story.name)["hold_until"] is None, "the hold is over")
    home.run("run")
    story.serves(coming)
    story.flows("after the renewed certificate was announced and is served")

    home.run("rollback", story.name, "--certificate")
    story.serves([story.old])
    story.flows("after its rollback")

    home.run("rotate", story.name)
    until(lambda: len(story.shown("next")) == 1, "the next certificate can be told")
    coming = story.shown("next")
    story.told(story.old, *coming)
    until(lambda: home.certificate(story.name)["hold_until"] is None, "the hold is over")
    home.run("run")
    story.serves(coming)
    story.flows("after the rotation")
    home.run("rollback", story.name)
    story.serves([story.old])
    story.flows("after the rollback")
    assert "status=deferred" not in story.peer.log() + story.host.log()

    story.told(story.old)
    said = home.run("rotate", story.name, "--force")
    assert "breaks" in said
    story.serves(story.shown("current"))
    queue_id = story.peer.send()
    assert "status=deferred" in story.peer.outcome(queue_id), "as certctl had said"
    refused = home.run("rotate", story.name, "--force", status=1)
    assert f"certctl rollback {story.name}" in refused
    home.run("rotate", story.name, "--force", "--yes")
    home.run("rollback", story.name)
    story.serves([story.old])
    story.peer.flush()
    assert "status=sent" in story.peer.outcome(queue_id, tries=2)
    story.flows("after two forced rotations and a rollback")
    asked = [event for event in home.json("log")["events"] if event["event"] == "rotation-forced"]
    assert len(asked) == 2
    assert all(event["by"] for event in asked)
    assert story.peer.log().count("status=deferred") == 1


def test_the_wrong_answer(start: Start, scratch: str) -> None:
    """Told that peers pin the key, certctl renews at once, and says whom that breaks and what undoes it."""
    story = Story(start, scratch)
    home = story.home
    options = ("--dir", home.directory, "--yes", "--pin", "key", "--postfix", story.host.directory)
    home.run_alone("init", *options)
    home.rewrite(home.read("certctl.toml").decode().replace('source = "generate"', 'source = "ffdhe"'))
    home.run("run")
    story.flows("after the first pass")
    said = home.run("renew", story.name)
    (back,) = re.findall(rf"certctl (rollback {re.escape(story.name)} --certificate)", said)
    story.serves(story.shown("current"))
    queue_id = story.peer.send()
    assert "status=deferred" in story.peer.outcome(queue_id), "as certctl had said"
    home.run(*back.split())
    story.serves([story.old])
    home.run("run")
    story.peer.flush()
    assert "status=sent" in story.peer.outcome(queue_id, tries=2)
    story.flows("after the certificate was rolled back, and another pass")
