"""What is asked of DNS servers: plain values in and out, and one translation of all that fails."""

from __future__ import annotations

import base64
import errno
import json
import os
from collections.abc import Callable
from typing import Any

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.tsig
import pytest

from certctl.dns import authority, resolver, update
from certctl.dns.tsig import Key
from certctl.errors import CertctlError
from certctl.peers import nexthops
from tests.unit.dns_server import Answering, Server, dns_server, refusing, zone

KEY: Key = {
    "name": "certctl",
    "algorithm": "hmac-sha256",
    "secret": base64.b64encode(b"k" * 32).decode(),
}
RECORDS = (
    "example.test. 60 SOA ns1.example.test. hostmaster.example.test. 7 1 1 1 1",
    "example.test. 60 NS NS1.example.test.",
    "example.test. 60 MX 20 b.example.test.",
    "ns1.example.test. 60 A 127.0.0.1",
    "_25._tcp.mx.example.test. 60 TLSA 3 1 1 " + "AB" * 32,
    '_acme-challenge.example.test. 60 TXT "one" "Two"',
)
OWNER = "_25._tcp.mx.example.test"


def plain(value: Any) -> Any:
    """*value*, having gone through JSON and back, where nothing of it may be lost."""
    gone = json.loads(json.dumps(value))
    assert json.dumps(gone) == json.dumps(value)
    return gone


def test_lookup() -> None:
    """Records come as text, those of TXT as the strings that they stand for; none are none."""
    with dns_server(zone(*RECORDS)) as server:

        def look(name: str, kind: str) -> Any:
            return plain(resolver.lookup(name, kind, 5, [server.at]))

        assert look("example.test", "MX") == ["20 b.example.test."]
        assert look("_acme-challenge.example.test", "TXT") == ["oneTwo"]
        assert look(OWNER, "TLSA") == [f"3 1 1 {'ab' * 32}"]
        assert look("example.test", "AAAA") == []
        assert plain(resolver.addresses("ns1.example.test", 5, [server.at])) == ["127.0.0.1"]
        assert plain(resolver.zone_of("mx.example.test", 5, [server.at])) == "example.test"
        assert not server.asked[-1].flags & dns.flags.CD
        resolver.zone_of("mx.example.test", 5, [server.at], validate=False)
        assert server.asked[-1].flags & dns.flags.CD
    with dns_server(refusing(dns.rcode.NXDOMAIN)) as server:
        assert resolver.lookup("example.test", "A", 5, [server.at]) == []


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda at: resolver.lookup("example.test", "MX", 5, [at]), "cannot look up MX of example.test: "),
        (lambda at: resolver.zone_of("example.test", 5, [at]), "cannot find the zone of example.test: "),
    ],
)
def test_lookup_that_fails(ask: Callable[[str], object], words: str) -> None:
    """Whatever goes wrong is told as what was asked, with what to type."""
    with dns_server(refusing(dns.rcode.REFUSED)) as server:
        with pytest.raises(CertctlError, match=words) as caught:
            ask(server.at)
        assert "dig" in str(caught.value.hint)


@pytest.mark.parametrize(
    "ask",
    [
        lambda name: resolver.lookup(name, "A", 5, ["127.0.0.1:1"]),
        lambda name: resolver.zone_of(name, 5, ["127.0.0.1:1"]),
        lambda name: update.ask("127.0.0.1:1", [(name, "A")], 5),
        lambda name: update.update("127.0.0.1:1", name, [CHANGE], 5),
    ],
)
@pytest.mark.parametrize("name", ["a..b", "x" * 64, "x." * 130])
def test_no_name(ask: Callable[[str], object], name: str) -> None:
    """What cannot be a name is refused as such, not as a bug."""
    with pytest.raises(CertctlError, match="is no domain name") as caught:
        ask(name)
    assert not caught.value.transient


def bogus(question: dns.message.Message, answer: dns.message.Message) -> None:
    if question.flags & dns.flags.CD:
        zone(*RECORDS)(question, answer)
    else:
        answer.set_rcode(dns.rcode.SERVFAIL)


def root_alone(question: dns.message.Message, answer: dns.message.Message) -> None:
    if question.question[0].name.to_text() == ".":
        answer.flags |= dns.flags.AD


@pytest.mark.parametrize(
    ("answering", "state"),
    [
        (zone(*RECORDS, flags=dns.flags.AD), resolver.SECURE),
        (zone(*RECORDS), resolver.UNVALIDATED),
        (root_alone, resolver.INSECURE),
        (bogus, resolver.BOGUS),
        (refusing(dns.rcode.SERVFAIL), resolver.FAILED),
        (refusing(dns.rcode.REFUSED), resolver.FAILED),
    ],
)
def test_validated(answering: Answering, state: str) -> None:
    """Whether a resolver has validated what it says, in one word, from what it answers and nothing kept."""
    with dns_server(answering) as server:
        found = plain(resolver.validated(OWNER, "TLSA", server.at, 5))
    assert found["state"] == state
    assert bool(found["texts"]) == (state in (resolver.SECURE, resolver.UNVALIDATED, resolver.BOGUS))
    assert (found["problem"] is not None) == (state in (resolver.BOGUS, resolver.FAILED))


def test_chosen() -> None:
    """A resolver that is named is where it is said to be, and near where that is this host."""
    found = plain(resolver.chosen("127.0.0.1:5353", 5))
    assert found == {"name": "127.0.0.1:5353", "server": "[127.0.0.1]:5353", "near": True}
    assert resolver.chosen("192.0.2.1", 5)["near"] is False


@pytest.fixture
def signing() -> dns.tsig.Key:
    return dns.tsig.Key(KEY["name"], KEY["secret"], KEY["algorithm"])


def test_update(signing: dns.tsig.Key) -> None:
    """Questions and updates are signed; large updates go in parts, and what belongs to a name together."""
    with dns_server(zone(*RECORDS), signing) as server:
        (found,) = plain(update.ask(server.at, [(OWNER, "TLSA")], 5, KEY))
        assert found == {"texts": [f"3 1 1 {'ab' * 32}"], "ttl": 60}
        many: list[update.Change] = [
            {"name": f"x{n}.example.test", "kind": "TXT", "ttl": 1, "add": ['"a"', '"b"'], "delete": ['"c"']}
            for n in range(250)
        ]
        update.update(server.at, "example.test", many, 10, KEY)
    updates = [one for one in server.asked if one.opcode() == dns.opcode.UPDATE]
    assert len(updates) == 3
    assert all(one.had_tsig for one in server.asked)
    assert [len(one.sections[2]) for one in updates] == [300, 300, 150]


CHANGE: update.Change = {"name": OWNER, "kind": "TLSA", "ttl": 1, "add": [], "delete": [f"3 1 1 {'ab' * 32}"]}


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (dns.rcode.REFUSED, "update-policy { grant certctl zonesub TLSA; };"),
        (dns.rcode.NOTZONE, "set zone to the one that holds the names"),
        (dns.rcode.SERVFAIL, "look into the server's log"),
    ],
)
def test_update_that_is_refused(signing: dns.tsig.Key, code: dns.rcode.Rcode, hint: str) -> None:
    """What the server says, and what usually helps."""
    with dns_server(refusing(code), signing) as server:
        words = f"{server.at} refused the DNS update of {OWNER}: {dns.rcode.to_text(code)}"
        with pytest.raises(CertctlError, match=words) as caught:
            update.update(server.at, "example.test", [CHANGE], 5, KEY)
        assert hint in str(caught.value.hint)
        with pytest.raises(CertctlError, match=f"answers {dns.rcode.to_text(code)} for {OWNER} TLSA"):
            update.ask(server.at, [(OWNER, "TLSA")], 5, KEY)


def test_nobody_takes_the_update() -> None:
    """A primary that is not there is told with what to check, the name of the key among it."""
    for key, signed in ((KEY, "its key is certctl"), (None, "none is set")):
        with pytest.raises(CertctlError, match=f"did not take the DNS update of {OWNER}: ") as caught:
            update.update("127.0.0.1:1", "example.test", [CHANGE], 5, key)
        assert f"check server and tsig_key_file ({signed})" in str(caught.value.hint)


def test_authorities(signing: dns.tsig.Key) -> None:
    """The servers of a zone and their addresses, as a resolver or as the primary knows them."""
    with dns_server(zone(*RECORDS)) as server:
        found = plain(authority.authorities("example.test", 5, [server.at]))
        assert found == [["ns1.example.test", "127.0.0.1"]]
        with pytest.raises(CertctlError, match=r"no name server of other\.test has an address: none at all"):
            authority.authorities("other.test", 5, [server.at])
    with dns_server(zone(*RECORDS), signing) as server:
        assert plain(authority.authorities("example.test", 5, primary=server.at, key=KEY)) == found


def views(server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("certctl.system.child._inside", True)  # a child would not see the next line
    monkeypatch.setattr(authority, "PORT", int(server.at.partition(":")[2]))
    asked = [("127.0.0.1", [("example.test", "SOA"), (OWNER, "TLSA")])]
    return plain(authority.views(asked, 5))


def test_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """What each server shows; what says that it is not the zone's does not count."""
    with dns_server(zone(*RECORDS)) as server:
        (found,) = views(server, monkeypatch)
    assert found["trouble"] is None
    assert found["answers"][0][0].split()[2] == "7"
    assert found["answers"][1] == [f"3 1 1 {'ab' * 32}"]
    with dns_server(zone(*RECORDS, flags=0)) as server:
        assert views(server, monkeypatch)[0]["trouble"] == "it is not authoritative for the zone"
    with dns_server(refusing(dns.rcode.REFUSED)) as server:
        assert views(server, monkeypatch)[0]["trouble"] == "it answers REFUSED"


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED])
def test_a_server_without_a_route(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """An address that this host has no way to is told apart from one that does not answer."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("certctl.system.child._inside", True)
    monkeypatch.setattr(dns.query, "udp_with_fallback", fail)
    (found,) = plain(authority.views([("2001:db8::1", [("example.test", "SOA")])], 5))
    assert found["unrouted"] == (code != errno.ECONNREFUSED)
    assert (found["trouble"] == "this host has no route to it") == found["unrouted"]
    assert found["answers"] == [[]]


def test_mail_exchangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best come first; a domain that has none is its own."""
    records = [*RECORDS, "example.test. 60 MX 5 a.example.test."]
    with dns_server(zone(*records)) as server:
        system: Any = resolver.lookup
        monkeypatch.setattr(resolver, "lookup", lambda *asked: system(*asked, [server.at]))
        found = nexthops.servers("example.test:587")
        assert found == ["smtp://a.example.test:587", "smtp://b.example.test:587"]
        assert nexthops.servers("mx.example.test") == ["smtp://mx.example.test:25"]
