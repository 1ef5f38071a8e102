"""TLSA records beside what is served: what matches, and every way in which the two differ, named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.app.danetargets import targets
from certctl.deploy.probe import Served, ServedCertificate
from certctl.deploy.probe.certificates import read_chain
from certctl.deploy.probe.dane import Case, Known, Teller, Validation, agreements, compare_dane, teller
from certctl.deploy.probe.tlsa import matches, parse
from certctl.dns import wire
from tests.support.world import World
from tests.unit.x509_make import Made, make_chain

OWNER, URL = "_25._tcp.mx.example.org", "smtp://mx.example.org:25"
NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)


def pin(number: int) -> str:
    return ":".join([f"{number:02X}"] * 32)


def leaf(number: int) -> ServedCertificate:
    return ServedCertificate("", pin(number), "ecdsa-p256", "CN=mx", "CN=mx", (), NOW, NOW, 0)


def tell(name: str, serial: int, *numbers: int, kind: str = "3 1 1") -> Teller:
    return teller(name, serial, [f"{kind} {pin(n).replace(':', '')}" for n in numbers], None)


SECURE = Validation("127.0.0.1", "secure", records=tell("", 5, 1, 2, 9).records)


def case(*tellers: Teller, served: tuple[int, ...] = (1,), validation: Validation | None = SECURE) -> Case:
    looks = [
        Served(URL, f"192.0.2.{at}", 25, "mx.example.org", "", chain=(leaf(number),))
        for at, number in enumerate(served, 1)
    ]
    known = {pin(1): Known("current", 3), pin(2): Known("next", 4)}
    return Case(OWNER, URL, looks, tellers, validation, known, (pin(1), pin(2)))


def kinds(case: Case) -> list[str]:
    return [f"{one.severity}:{one.kind}" for one in compare_dane(case)]


def test_all_is_well() -> None:
    """Every server shows current and next, what is served is one of them, and it was validated."""
    good = case(tell("ns1", 5, 1, 2), tell("ns2", 5, 1, 2), served=(1, 1))
    assert kinds(good) == []
    assert [one.agrees for one in agreements(good)] == [True] * 4


@pytest.mark.parametrize(
    ("found", "wanted", "words"),
    [
        (case(tell("ns1", 5), tell("ns2", 5)), ["error:tlsa-none"], "do not use DANE here"),
        (
            case(tell("ns1", 5, 1, 2), tell("ns2", 4)),
            ["error:tlsa-missing"],
            f"ns2, serial 4 shows no TLSA record for {OWNER}",
        ),
        (
            case(tell("ns1", 5, 1, 2), tell("ns2", 4, 1)),
            ["warning:tlsa-not-told", "warning:tlsa-differ"],
            f"ns2, serial 4 does not show the next key, generation 4 ({pin(2)})",
        ),
        (
            case(tell("ns1", 5, 1, 2), served=(1, 9)),
            ["error:tlsa-mismatch"],
            f"ecdsa-p256 {pin(9)}, and no record of ns1, serial 5 matches it",
        ),
        (
            case(tell("ns1", 5, 1, 2), Teller("ns2", None, (), "timed out")),
            ["error:tlsa-unanswered"],
            f"ns2 cannot be asked for {OWNER}: timed out",
        ),
        (
            case(tell("ns1", 5, 1, 2, 7)),
            ["info:tlsa-strange"],
            "ns1 shows a record that is of no key known here: 3 1 1 0707",
        ),
        (
            case(tell("ns1", 5, 1, 2, kind="1 1 1")),
            ["error:tlsa-unusable", "error:tlsa-mismatch", "warning:tlsa-not-told", "warning:tlsa-not-told"],
            "usage 2 or 3",
        ),
        (
            case(tell("ns1", 5, 1, 2), validation=SECURE._replace(state="insecure")),
            ["error:insecure"],
            "take no notice of its TLSA records",
        ),
        (
            case(tell("ns1", 5, 1, 2), validation=SECURE._replace(state="bogus", problem="SERVFAIL")),
            ["error:bogus"],
            "finds wrong signatures",
        ),
        (
            case(tell("ns1", 5, 1, 2), validation=SECURE._replace(state="failed", problem="timed out")),
            ["error:failed"],
            "has no answer",
        ),
        (
            case(tell("ns1", 5, 1, 2), validation=SECURE._replace(state="unvalidated")),
            ["info:not-validated"],
            "not validated: no validating resolver: 127.0.0.1 sets no AD bit",
        ),
        (
            case(tell("ns1", 5, 1, 2), validation=None),
            ["info:not-validated"],
            "not validated: no validating resolver",
        ),
        (
            case(tell("ns1", 5, 1, 2), validation=SECURE._replace(near=False)),
            ["info:far-resolver"],
            "which is not on this host",
        ),
    ],
)
def test_differences(found: Case, wanted: list[str], words: str) -> None:
    """Each difference has its kind, and words that name the server, the key or the resolver."""
    assert sorted(kinds(found)) == sorted(wanted)
    assert any(words in one.message for one in compare_dane(found))


@pytest.mark.parametrize(
    ("known", "fix"),
    [
        (Known("current", 3), "see what the announcement waits for: certctl announce --show"),
        (Known("previous", 2), "reload the server, if it should serve another key: certctl probe"),
        (None, "reload the server, if it should serve another key: certctl probe"),
    ],
)
def test_what_to_do_about_a_key(known: Known | None, fix: str) -> None:
    """A server that still has the key before is to be reloaded; one with the present key is not."""
    asked = case(tell("ns1", 5, 2), served=(1,))
    (found,) = [
        one
        for one in compare_dane(asked._replace(known={pin(1): known} if known else {}))
        if one.kind == "tlsa-mismatch"
    ]
    assert found.fix == fix
    assert (str(known) in found.message) is (known is not None)


def test_what_is_cached() -> None:
    """A resolver whose records match nothing that is served is an error, even where all servers are right."""
    stale = SECURE._replace(records=(parse(f"3 1 1 {'09' * 32}"),))
    assert kinds(case(tell("ns1", 5, 1, 2), validation=stale)) == ["error:tlsa-cached"]
    before = SECURE._replace(records=())
    assert kinds(case(tell("ns1", 5, 1, 2), validation=before)) == ["warning:tlsa-cached"]


def test_every_kind_of_record() -> None:
    """Usages 2 and 3, of certificates and keys, whole, SHA-256 and SHA-512, are compared (RFC 6698)."""
    made = make_chain()
    (served,) = read_chain([_der(made.leaf)])
    hashed: dict[int, Callable[[bytes], bytes]] = {
        0: lambda data: data,
        1: lambda data: hashlib.sha256(data).digest(),
        2: lambda data: hashlib.sha512(data).digest(),
    }
    for matching, digest in hashed.items():
        for selector, data in ((0, _der(made.leaf)), (1, _spki(made.leaf))):
            text = digest(data).hex()
            assert matches(parse(f"3 {selector} {matching} {text[:40]} {text[40:].upper()}"), [served])
            assert not matches(parse(f"3 {selector} {matching} {'00' * len(digest(data))}"), [served])
            assert not matches(parse(f"3 {1 - selector} {matching} {text}"), [served])
            assert not matches(parse(f"1 {selector} {matching} {text}"), [served])
    above = parse(f"2 1 1 {hashlib.sha256(_spki(made.middle)).hexdigest()}")
    assert not matches(above, [served])
    assert matches(above, [served, *read_chain([_der(made.middle)])])


def _der(made: Made) -> bytes:
    return made.certificate.public_bytes(Encoding.DER)


def _spki(made: Made) -> bytes:
    return made.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


CONFIG = """
[certificate.mx]
names = ["mx.example.org", "*.example.org", "192.0.2.25", "mx.example.net"]
announce = ["dane", "zone"]
probe = ["smtps://127.0.0.1:2465"]
[certificate.web]
names = ["www.example.org"]
[announce.dane]
type = "dns"
server = "127.0.0.1:9"
zone = "example.org"
ports = [25, 2465]
[announce.zone]
type = "tlsa"
path = "zone"
ports = [25]
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root = tmp_path / "world"
    root.mkdir()
    made = World(root, monkeypatch)
    made.configure(CONFIG)
    return made


def test_what_is_looked_at(world: World) -> None:
    """Names that can have records, in the zone of their announcer, at its ports, once each."""
    found = list(targets(world.spec, "mx", ()))
    urls = [(one.url, one.via is not None) for one in found]
    assert urls == [
        ("smtp://mx.example.org:25", True),
        ("smtps://mx.example.org:2465", True),
        ("smtp://mx.example.net:25", False),
    ]
    assert all(one.told for one in found)
    assert list(targets(world.spec, "web", ())) == []
    (typed,) = targets(world.spec, None, ["imap://mx.example.org:144"])
    assert typed.owner == "_144._tcp.mx.example.org"
    assert typed.certificate == world.spec.certificates["mx"]
    assert (typed.via, typed.told) == (world.spec.announcers["dane"], False)
    (inside,) = targets(world.spec, "mx", ["smtp://192.0.2.1:26"])
    assert (inside.owner, inside.at) == ("_26._tcp.mx.example.org", "192.0.2.1")
    (strange,) = targets(None, None, ["smtp://mx.example.com"])
    assert (strange.owner, strange.certificate) == ("_25._tcp.mx.example.com", None)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("web",), "there is nothing to check"),
        (("smtp://192.0.2.1",), "has no name, and TLSA records are of names"),
        (("nobody",), "nobody"),
        (("mx", "--resolver", "no.such.host.invalid"), "no.such.host.invalid has no address"),
    ],
)
def test_what_cannot_be_looked_at(world: World, argv: tuple[str, ...], words: str) -> None:
    """What is no name, and resolvers that there are not, are refused before anything is asked."""
    ran = world("probe", "--dane", *argv)
    assert ran.code in (1, 2)
    assert words in ran.err
    assert world("probe", "--resolver", "127.0.0.1", "mx").code == 2


def test_a_primary_that_does_not_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be found out is an error, with the rest told all the same."""
    monkeypatch.setattr("certctl.system.child._inside", True)  # a child would not see the next line
    monkeypatch.setattr(wire, "QUERY_TIMEOUT", 0.2)
    world.configure(CONFIG.replace("ports = [25, 2465]", 'ports = [9]\ntimeout = "1s"'))
    ran = world("probe", "--dane", "--resolver", "127.0.0.1:9", "mx", "smtp://127.0.0.1:9", "--json")
    assert ran.code == 1
    kinds = [one["kind"] for one in ran.document["dane"][0]["differences"]]
    assert kinds == ["refused", "zone-unknown", "failed"]
