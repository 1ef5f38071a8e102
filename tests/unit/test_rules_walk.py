"""The walk that a plan and a pass share: its order, its end, and what it makes of steps without effect."""

from __future__ import annotations

import ast
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from certctl.planning.foresight import assume
from certctl.planning.observed import AnnouncerSeen, DhparamSeen, FileSeen, HookSeen, World
from certctl.planning.plan import MOST_IN_A_PASS, plan
from certctl.planning.spec import (
    AnnouncerSpec,
    CertificateSpec,
    DhparamSpec,
    FileSpec,
    HookSpec,
    PeerSpec,
    Spec,
)
from certctl.planning.state import CertificateState, DhparamState, Failure, HookState
from certctl.planning.steps import PHASE_HOOKS, Step
from tests.unit.planning_cases import (
    CERT,
    DAY,
    HOUR,
    MS,
    NOW,
    SPEC,
    each,
    generation,
    served,
    spec,
    state,
    walked,
    world,
)


def test_a_pass_walks_as_a_plan_does() -> None:
    """Nobody but the planner asks the rules, and the engine asks the planner: they cannot drift apart."""
    source = Path(__file__).parents[2] / "src/certctl"
    users: dict[str, set[str]] = {"RULES": set(), "certificate_step": set(), "walk": set()}
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("certctl.planning"):
                for alias in node.names:
                    users.get(alias.name, set()).add(path.stem)
    assert users == {"RULES": {"plan"}, "certificate_step": set(), "walk": {"engine"}}


# Order

LOCAL = CERT._replace(issuers=("self-signed",))
DUE = served(start=-70, end=20, issued_by="self-signed")
FIRST_FILES, LAST = ("write /mx1.pem", "write map"), ("retire", "dhparam", "write /dh.pem")
ORDER: dict[str, tuple[CertificateSpec, CertificateState, list[str]]] = {
    "somebody else signs": (
        CERT,
        state(served(start=-70, end=20), generation(2, seen={}), retired=(7,)),
        [*FIRST_FILES, "hook", "announce", "issue", "write /mx1.pem", "hook", *LAST],
    ),
    "this host signs": (
        LOCAL,
        state(DUE, generation(2, seen={}, issued_by="self-signed"), retired=(7,)),
        [*FIRST_FILES, "issue", "write /mx1.pem", "hook", "announce", *LAST],
    ),
}


@each(ORDER)
def test_order(row: tuple[CertificateSpec, CertificateState, list[str]]) -> None:
    """Files, hooks and announcements come before what may hang on others; primes are searched last."""
    cert, before, expected = row
    asked, host = full_host(cert, before)
    done, _ = walked(asked, host, lambda step: assume(asked, host, step, NOW))
    assert [named(step) for step in done] == expected


def named(step: Step) -> str:
    return f"write {step.path}" if step.kind == "write" else step.kind


def full_host(cert: CertificateSpec, before: CertificateState) -> tuple[Spec, World]:
    """A host on which everything has something to do."""
    asked = spec(
        cert._replace(announce=("feed",), files=(FileSpec("/mx1.pem", hooks=("reload",)),)),
        AnnouncerSpec("feed", "feed"),
        dhparams={"dh": DhparamSpec("dh", "/dh.pem")},
        hooks={"reload": HookSpec("reload")},
    )
    host = world(
        before,
        files=(FileSeen("/mx1.pem", "is missing", hooks=("reload",)),),
        announcers={"feed": AnnouncerSeen({"mx1": "new"}, {"mx1": "old"})},
    )
    host.hooks["reload"] = HookSeen(HookState("reload"), {"/mx1.pem": "old"})
    host.maps["map"] = FileSeen("map", "is missing")
    host.dhparams["dh"] = DhparamSeen(DhparamState("dh"), False, FileSeen("/dh.pem"))
    return asked, host


BOUNDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "local work only": ({"last": PHASE_HOOKS}, [*FIRST_FILES, "hook"]),
    "stopped at once": ({"stop": lambda: True}, []),
    "only the parameters": ({"only": ["dh"]}, ["dhparam", "write /dh.pem"]),
    "only another certificate": ({"only": ["mx2"]}, []),
    "only the map": ({"only": ["map"]}, ["write map"]),
}


@each(BOUNDS)
def test_bounds(row: tuple[dict[str, Any], list[str]]) -> None:
    """A walk does no more than it is asked for."""
    more, expected = row
    asked, host = full_host(CERT, state(served(), generation(2)))
    done, _ = walked(asked, host, lambda step: assume(asked, host, step, NOW), **more)
    assert [named(step) for step in done] == expected


NETWORK: dict[str, tuple[CertificateState, list[str]]] = {
    "there is work on the network": (
        state(served(start=-70, end=20), generation(2)),
        ["before", "issue"],
    ),
    "there is none": (state(served(), generation(2)), ["before"]),
}


@each(NETWORK)
def test_before_the_network(row: tuple[CertificateState, list[str]]) -> None:
    """Whoever is to be told that all local work is done is told so once, and before anybody is asked."""
    before, expected = row
    host, heard = world(before), list[str]()

    def do(step: Step) -> None:
        heard.append(step.kind)
        assume(SPEC, host, step, NOW)

    walked(SPEC, host, do, before_network=lambda: heard.append("before"))
    assert heard == expected


# Of a part

SERVES: dict[str, tuple[list[str], bool]] = {
    "a certificate whose file it follows": (["mx1"], True),
    "a certificate whose live directory it follows": (["mx2"], True),
    "a certificate whose announcer it follows": (["mx3"], True),
    "parameters that it follows": (["dh"], True),
    "a peer whose map it follows": (["bob"], True),
    "the hook itself": (["reload"], True),
    "a certificate that it does not follow": (["mx4"], False),
    "parameters that it does not follow": (["other"], False),
}


@each(SERVES)
def test_hooks_of_some(row: tuple[list[str], bool]) -> None:
    """Who asks for a part gets the hooks of that part."""
    only, runs = row
    certs = (
        CERT._replace(files=(FileSpec("/a", hooks=("reload",)),)),
        CERT._replace(name="mx2", hooks=("reload",)),
        CERT._replace(name="mx3", announce=("feed",)),
        CERT._replace(name="mx4", files=(FileSpec("/b"),), announce=("policy",)),
    )
    asked = Spec(
        "",
        certificates={cert.name: cert for cert in certs},
        dhparams={"dh": DhparamSpec("dh", "/dh", hooks=("reload",)), "other": DhparamSpec("other", "/x")},
        peers={"bob": PeerSpec("bob", "", "", (), "/map", hooks=("reload",))},
        announcers={
            "feed": AnnouncerSpec("feed", "feed", hooks=("reload",)),
            "policy": AnnouncerSpec("policy", "policy"),
        },
    )
    host = World({}, {}, {"reload": HookSeen(HookState("reload"), {"/a": "new"})}, {}, {}, {})
    done, _ = walked(asked, host, lambda step: assume(asked, host, step, NOW), only=only)
    assert bool(done) is runs


def test_a_hook_that_failed_runs_last() -> None:
    """One that failed, or ended certctl itself, does not keep those behind it from running."""
    host = world(state())
    host.hooks["bad"] = HookSeen(HookState("bad", attempts=1), {"/a": "new"})
    host.hooks["good"] = HookSeen(HookState("good"), {"/a": "new"})
    done, _ = walked(SPEC._replace(certificates={}), host, lambda _: None, only=["bad", "good"])
    assert [step.subject for step in done][:2] == ["good", "bad"]


@pytest.mark.parametrize(("only", "kinds"), [(["mx1"], ["announce"]), (["mx2"], [])])
def test_announcers_of_some(only: list[str], kinds: list[str]) -> None:
    """Who asks for one certificate gets its announcers."""
    asked = spec(CERT._replace(announce=("feed",)), AnnouncerSpec("feed", "feed"))
    stale = AnnouncerSeen({"mx1": "new"}, {"mx1": "old"})
    host = world(state(served(), generation(2)), announcers={"feed": stale})
    done, _ = walked(asked, host, lambda step: assume(asked, host, step, NOW), only=only)
    assert [step.kind for step in done] == kinds


PARAMETERS: dict[str, tuple[str, datetime | None, list[str]]] = {
    "primes are searched": ("generate", None, ["dhparam"]),
    "those of RFC 7919 are there at once": ("ffdhe", None, ["dhparam"]),
    "they failed, a millisecond before the retry": ("generate", NOW + MS, []),
    "they failed, at the retry": ("generate", NOW, ["dhparam"]),
}


@each(PARAMETERS)
def test_parameters(row: tuple[str, datetime | None, list[str]]) -> None:
    """What failed is tried again when its back-off is over, to the millisecond."""
    source, retry, kinds = row
    failures = (Failure("dhparam", "dh", "no", None, NOW - HOUR, 1, retry),) if retry else ()
    asked = spec(CERT, dhparams={"dh": DhparamSpec("dh", "/dh.pem", source=source)})
    host = world(state(served(), generation(2)))
    host.dhparams["dh"] = DhparamSeen(DhparamState("dh", failures=failures), False, FileSeen("/dh.pem"))
    assert [step.kind for step in plan(asked, host, NOW).steps][:1] == kinds


# Steps without effect

BAD = (FileSeen("/a", "is missing"), FileSeen("/b", "is missing"))
IN_VAIN: dict[str, tuple[CertificateState, tuple[FileSeen, ...], list[str]]] = {
    "issue": (state(served(start=-80, end=10), generation(2, start=None)), (), ["issue"]),
    "promote": (state(served(), generation(2), rotation="forced"), (), ["promote"]),
    "make-key": (state(served()), (), ["make-key"]),
    "retire": (state(served(), generation(2), retired=(7, 8)), (), ["retire", "retire"]),
    "write": (state(served(), generation(2)), BAD, ["write", "write"]),
}


@each(IN_VAIN)
def test_no_effect(row: tuple[CertificateState, tuple[FileSeen, ...], list[str]]) -> None:
    """A step that changes nothing is done once, has failed then, and the walk ends."""
    before, files, kinds = row
    done, failed = walked(SPEC, world(before, files=files), lambda _: None)
    assert [step.kind for step in done] in (kinds, kinds[:1])
    assert sorted(step.kind for step in failed)[-1:] == kinds[-1:]


def test_one_issue_for_one_generation() -> None:
    """However the state changes by what an issuer gives: in one pass a generation is issued for once."""
    host = world(state(served(start=-80, end=10, issued=-20), generation(2, start=None)))

    def give(_: Step) -> None:
        old = host.certificates["mx1"]
        assert old.state.current is not None
        new = old.state.current._replace(issuance=old.state.current.issuance + 1)
        host.certificates["mx1"] = old._replace(state=old.state._replace(current=new))

    done, failed = walked(SPEC, host, give)
    assert len(done) == len(failed) == 1


def test_hook_that_is_never_done() -> None:
    """A hook that changes what it follows runs a few times, has failed then, and others go on."""
    asked = SPEC._replace(hooks={"reload": HookSpec("reload"), "other": HookSpec("other")})
    host = world(state(served(), generation(2)))
    host.hooks.update({name: HookSeen(HookState(name), {"/a": "0"}) for name in asked.hooks})

    def run(step: Step) -> None:
        seen = host.hooks[step.subject]
        again = {"/a": f"{int(seen.files['/a']) + 1}"} if step.subject == "reload" else seen.files
        delivered = seen.state._replace(delivered=dict(seen.files))
        host.hooks[step.subject] = seen._replace(state=delivered, files=again)

    done, failed = walked(asked, host, run)
    assert [step.subject for step in done].count("reload") == MOST_IN_A_PASS
    assert [step.subject for step in done].count("other") == 1
    assert [step.subject for step in failed] == ["reload"]


def test_maps_and_parameters_without_effect() -> None:
    """A map that stays as it is, and parameters that are not kept, have failed after one time."""
    asked = spec(CERT, dhparams={"dh": DhparamSpec("dh", "/dh.pem")})
    host = World({}, {}, {}, {}, {}, {"/map": FileSeen("/map", "is missing")})
    host.dhparams["dh"] = DhparamSeen(DhparamState("dh"), False, FileSeen("/dh.pem"))
    done, failed = walked(asked, host, lambda _: None)
    assert [step.kind for step in done] == [step.kind for step in failed] == ["write", "dhparam"]


def test_an_unreadable_certificate_has_no_steps() -> None:
    """Of what cannot be read nothing is planned, and it is told."""
    made = plan(SPEC, world(state(), unreadable="no permission"), NOW)
    assert made.steps == ()
    assert [hold.reason for hold in made.holds] == ["no permission"]
    assert made.next_pass_at is not None
    assert made.next_pass_at - NOW < DAY
