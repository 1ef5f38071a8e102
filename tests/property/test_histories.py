"""Random histories: whatever happens in whatever order, the invariants of the design hold."""

from __future__ import annotations

import os
import shutil
from datetime import datetime, timedelta

from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from certctl.app.at_rest import is_at_rest
from certctl.core import effects, x509
from certctl.core.clock import JUMP
from certctl.core.model import CertificateState
from certctl.core.pem import certificates
from certctl.core.planner import plan
from certctl.core.spec import (
    HOUR,
)
from certctl.engine.engine import Engine
from certctl.engine.observing import Observer
from certctl.engine.outcome import Outcome
from tests.property.host import Host, content

NAMES = ("a", "b")


class Histories(RuleBasedStateMachine):
    """Time passes, people ask for things, disks and services misbehave, and passes run in between."""

    def __init__(self) -> None:
        super().__init__()
        self.host = Host()
        self.certs = {name: self.host.certificate(name) for name in NAMES}
        self.first_served: dict[str, datetime] = {}
        self.excused: set[str] = set()
        """Pins that may be served unannounced: first generations and forced ones."""
        self.stolen: set[str] = set()
        self.given_up: set[str] = set()
        """Stolen keys that are not served any more."""
        self.deceived = False
        """Whether a pass believed a wrong clock, and all was not well since."""
        self.known: dict[str, datetime] = {}
        """Pin -> when it could be known first, by the true time."""
        self.served: dict[str, datetime] = {}
        """Certificate -> end of what it serves."""

    def teardown(self) -> None:
        shutil.rmtree(self.host.home)

    # What happens

    @initialize(pins=st.sampled_from(["key", "certificate"]), two=st.booleans())
    def configure(self, pins: str, two: bool) -> None:
        algorithms = ("ecdsa-p256", "ecdsa-p384") if two else ("ecdsa-p256",)
        self.certs["b"] = self.certs["b"]._replace(pin=pins, keys=algorithms)

    @rule(hours=st.integers(1, 24 * 40))
    def time_passes(self, hours: int) -> None:
        self.host.now += timedelta(hours=hours)

    @rule(days=st.sampled_from([30, -30, 5 * 365, -5 * 365]))
    def clock_goes_wrong(self, days: int) -> None:
        self.host.wrong = timedelta(days=days)

    @rule()
    def clock_is_put_right(self) -> None:
        """Until a pass ran, and where it was doubted another one an hour later, nobody knows."""
        self.host.wrong = timedelta()

    @rule(off=st.integers(0, 23))
    def host_starts_anew(self, off: int) -> None:
        self.host.now += timedelta(hours=off)
        self.host.boot += 1
        self.host.booted = self.host.now

    @rule(name=st.sampled_from(NAMES), how=st.sampled_from(["wanted", "forced"]))
    def rotate(self, name: str, how: str) -> None:
        self.wish(name, lambda state: state._replace(rotation=how, held=None))

    @rule(name=st.sampled_from(NAMES))
    def key_is_stolen(self, name: str) -> None:
        self.wish(name, lambda state: effects.compromised(state, "current")._replace(rollback_wanted=False))

    @rule(name=st.sampled_from(NAMES))
    def abort(self, name: str) -> None:
        self.wish(name, effects.aborted)

    @rule(name=st.sampled_from(NAMES))
    def renew(self, name: str) -> None:
        self.wish(name, lambda state: state._replace(renewal_wanted=state.current is not None))

    @rule(name=st.sampled_from(NAMES))
    def rollback(self, name: str) -> None:
        self.wish(name, lambda state: state._replace(rollback_wanted=state.previous is not None))

    @rule(name=st.sampled_from(NAMES), issuers=st.sampled_from([("ca",), ("other",), ("ca", "other")]))
    def change_issuer(self, name: str, issuers: tuple[str, ...]) -> None:
        self.certs[name] = self.certs[name]._replace(issuers=issuers)

    @rule(name=st.sampled_from(NAMES), more=st.booleans())
    def change_names(self, name: str, more: bool) -> None:
        names = (f"{name}.example.org", *(["www.example.org"] if more else []))
        self.certs[name] = self.certs[name]._replace(names=names)

    @rule(name=st.sampled_from(NAMES), algorithms=st.sampled_from([("ecdsa-p256",), ("ed25519",)]))
    def change_keys(self, name: str, algorithms: tuple[str, ...]) -> None:
        self.certs[name] = self.certs[name]._replace(keys=algorithms)

    @rule(name=st.sampled_from(NAMES), dead=st.booleans())
    def issuer_fails(self, name: str, dead: bool) -> None:
        (self.host.dead_issuers.add if dead else self.host.dead_issuers.discard)(name)

    @rule(hook=st.sampled_from(["reload", "map"]), dead=st.booleans())
    def hook_fails(self, hook: str, dead: bool) -> None:
        (self.host.dead_hooks.add if dead else self.host.dead_hooks.discard)(hook)

    @rule(name=st.sampled_from(NAMES), end=st.sampled_from(["pem", "crt"]), data=st.binary(max_size=20))
    def someone_edits(self, name: str, end: str, data: bytes) -> None:
        path = f"{self.host.home}/out/{name}.{end}"
        if os.path.exists(path):
            with open(path, "wb") as file:
                file.write(data)

    @rule(name=st.sampled_from(NAMES), end=st.sampled_from(["pem", "crt"]))
    def someone_removes(self, name: str, end: str) -> None:
        path = f"{self.host.home}/out/{name}.{end}"
        if os.path.exists(path):
            os.unlink(path)

    @rule(data=st.binary(max_size=4))
    def watched_file_changes(self, data: bytes) -> None:
        self.host.write_watched(data)

    @rule()
    def standby_key_is_lost(self) -> None:
        state = self.state("a")
        if state.next is not None:
            shutil.rmtree(f"{self.host.home}/state/certificates/a/{state.next.number}", ignore_errors=True)

    @rule()
    def run(self) -> None:
        self.run_pass()

    @rule()
    def all_is_well_again(self) -> None:
        """With everything up and no back-off left, one pass does all there is, as the plan said."""
        self.host.dead_issuers.clear()
        self.host.dead_hooks.clear()
        if self.host.wrong or self.doubts():
            self.host.wrong = timedelta()
            self.run_pass()
        self.host.now += timedelta(seconds=HOUR * 7)
        spec, adapters = self.host.spec(self.certs), self.host.adapters()
        foreseen = plan(spec, Observer(spec, adapters).look(), self.host.now)
        outcome = self.run_pass()
        assert not self.doubts()
        assert not outcome.failed
        told = sorted(step.key for step in foreseen.steps)
        assert sorted(step.key for step in outcome.done) == told
        after = plan(spec, Observer(spec, self.host.adapters()).look(), self.host.now)
        assert after.steps == ()
        self.deceived = False
        for hook, files in self.expected_deliveries().items():
            for path, data in files.items():
                assert self.host.delivered.get(hook, {}).get(path) == data, (hook, path)

    @rule(share=st.floats(0, 1))
    def at_rest_nothing_comes_early(self, share: float) -> None:
        """Between a pass that has nothing to do and its next moment, no pass has."""
        spec = self.host.spec(self.certs)
        world = Observer(spec, self.host.adapters()).look()
        made = plan(spec, world, self.host.told)
        if not is_at_rest(spec, world, made):
            return
        now = self.host.told
        end = made.next_pass_at or now + timedelta(days=1000)
        sooner = now + (end - now - timedelta(microseconds=1)) * share
        assert plan(spec, world, sooner).steps == ()

    # What a pass does, and what is checked after each

    def run_pass(self) -> Outcome:
        before = {name: self.state(name) for name in NAMES}
        doubts = self.doubts()
        if self.host.wrong or doubts:
            how = "wrong" if self.host.wrong else "right"
            event(f"a pass doubts a clock that is {how}" if doubts else f"a pass believes one that is {how}")
        self.deceived = self.deceived or bool(self.host.wrong and not doubts)
        outcome = Engine(self.host.spec(self.certs), self.host.adapters()).run()
        for name in NAMES:
            self.learn_pins(name)
            self.check_pins(name, before[name], self.state(name))
        self.check_isolation(outcome)
        return outcome

    def learn_pins(self, name: str) -> None:
        """When each pin that is there could be known first."""
        for slot in ("current", "next"):
            generation = self.state(name).slot(slot)
            for key in generation.keys if generation else ():
                for record in (key, key.certificate):
                    if record is not None:
                        self.known.setdefault(record.sha256, self.host.now)

    def check_pins(self, name: str, before: CertificateState, after: CertificateState) -> None:
        """No pin is served that was not announced for its hold-down, but for first and forced ones."""
        if after.current is None:
            return
        self.check_stolen(name, before, after)
        cert = self.certs[name]
        source = [k.certificate if cert.pin == "certificate" else k for k in after.current.keys]
        for record in source:
            assert record is not None
            if record.sha256 in self.first_served:
                continue
            self.first_served[record.sha256] = self.host.now
            first = before.current is None
            forced = before.forced
            rolled_back = before.rollback_wanted
            if first or forced or rolled_back:
                continue
            until = self.known[record.sha256] + timedelta(seconds=cert.hold_down) - JUMP
            assert until <= self.host.now, f"{name} served before {until}"

    def check_stolen(self, name: str, before: CertificateState, after: CertificateState) -> None:
        """A stolen key gives way as soon as it can, is never served again, and never taken for another."""
        assert after.current is not None
        if before.current is not None and before.current.compromised:
            self.stolen |= {key.sha256 for key in before.current.keys}
            dead = name in self.host.dead_issuers or not after.current.compromised
            assert dead or after.failures, f"{name} goes on with a stolen key"
        for generation in (after.current, after.previous):
            if generation is not None and self.stolen & {key.sha256 for key in generation.keys}:
                assert generation.compromised
        if after.previous is not None and not after.current.compromised:
            self.given_up |= {key.sha256 for key in after.previous.keys} & self.stolen
        assert not self.given_up & {key.sha256 for key in after.current.keys}

    def check_isolation(self, outcome: Outcome) -> None:
        """Only what was made to fail has failed."""
        for item in outcome.failed:
            if item.step.kind == "issue":
                assert item.step.subject in self.host.dead_issuers
            else:
                assert item.step.kind == "hook", item
                assert item.step.subject in self.host.dead_hooks

    @invariant()
    def what_is_served_fits_together(self) -> None:
        """live/NAME is a key with its own certificate, and never goes from valid to invalid by the true time.

        Only who was deceived from the beginning is helped no sooner than by the right time.
        """
        for name in NAMES:
            bundle = content(f"{self.host.home}/state/live/{name}/bundle.pem")
            if bundle is None:
                assert self.state(name).current is None or name not in self.served
                continue
            leaf = certificates(bundle)[0]
            facts = x509.facts(leaf)
            assert x509.key_facts(bundle).key in {facts.key}
            end = self.served.get(name)
            if end is not None and end > self.host.now and not self.deceived:
                assert facts.not_before <= self.host.now < facts.not_after
            self.served[name] = facts.not_after

    @invariant()
    def what_a_rollback_needs_is_there(self) -> None:
        """The previous generation's keys are never deleted while it stands in its slot."""
        for name in NAMES:
            previous = self.state(name).previous
            if previous is not None:
                for key in previous.keys:
                    path = f"{self.host.home}/state/certificates/{name}/{previous.number}/{key.algorithm}.key"
                    assert os.path.exists(path)

    # Helpers

    def state(self, name: str) -> CertificateState:
        cert = self.certs[name]
        return self.host.adapters().store.observe_certificate(cert, self.host.told).state

    def doubts(self) -> bool:
        """Whether a pass would not believe the clock now."""
        return Observer(self.host.spec(self.certs), self.host.adapters()).look().clock.doubt is not None

    def wish(self, name: str, change: object) -> None:
        assert callable(change)
        store = self.host.adapters().store
        store.prepare()
        store.save(change(self.state(name)))
        # Where no pass ran yet, the times of files tell when certctl was there last.
        told = self.host.told.timestamp()
        os.utime(f"{self.host.home}/state/state", (told, told))

    def expected_deliveries(self) -> dict[str, dict[str, bytes]]:
        home = self.host.home
        reload = {f"{home}/watched": content(f"{home}/watched") or b""}
        reload |= {f"{home}/out/{name}.pem": content(f"{home}/out/{name}.pem") or b"" for name in NAMES}
        listed = {f"{home}/out/{name}.crt": content(f"{home}/out/{name}.crt") or b"" for name in NAMES}
        return {"reload": reload, "map": listed}


Histories.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
TestHistories = Histories.TestCase
