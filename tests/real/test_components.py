"""Each real server starts, does what later tests need of it, and ends."""

from __future__ import annotations

import os

import pytest

from tests.real.servers import pki
from tests.real.servers.bind import bind, secondary
from tests.real.servers.dovecot import dovecot
from tests.real.servers.exim import exim
from tests.real.servers.haproxy import haproxy
from tests.real.servers.nginx import nginx
from tests.real.servers.pebble import pebble
from tests.real.servers.ports import free_port
from tests.real.servers.postfix import postfix
from tests.real.servers.process import run, until
from tests.real.servers.require import program
from tests.real.servers.served import ECDSA, RSA, served
from tests.real.servers.start import Start
from tests.real.servers.unbound import unbound


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    """One CA for all of these tests."""
    return pki.make_authority()


@pytest.fixture
def identity(authority: pki.Authority) -> pki.Identity:
    return pki.make_identity(authority=authority)


@pytest.fixture
def bundle(identity: pki.Identity, scratch: str) -> str:
    """The path of *identity*'s bundle."""
    return identity.save(scratch)


def test_ports_are_given_once() -> None:
    """No port is handed out twice, and none lies where outgoing connections take theirs."""
    ports = [free_port() for _ in range(60)]
    assert len(set(ports)) == 60
    assert max(ports) < 32768


def test_postfix_serves_its_chain(start: Start, scratch: str, authority: pki.Authority) -> None:
    """Postfix serves the chain of either algorithm on each kind of port, and a new one after a reload."""
    ecdsa = pki.make_identity(authority=authority)
    rsa = pki.make_identity(authority=authority, algorithm="rsa-2048")
    server = start(postfix, chain_files=[ecdsa.save(scratch, "ecdsa.pem"), rsa.save(scratch, "rsa.pem")])
    assert served(server.smtp, "smtp", options=ECDSA) == ecdsa.chain
    assert served(server.smtp, "smtp", options=RSA) == rsa.chain
    assert served(server.submission, "smtp") == ecdsa.chain
    assert served(server.smtps) == ecdsa.chain
    renewed = pki.make_identity(authority=authority)
    renewed.save(scratch, "ecdsa.pem")
    server.reload()
    until(lambda: served(server.smtps) == renewed.chain, "the new certificate is served", log=server.log_file)


def test_postfix_verifies_a_pinned_peer(start: Start, identity: pki.Identity, bundle: str) -> None:
    """Mail goes to a peer whose key is pinned, waits while the pin is wrong, and drains once it is right."""
    server = start(postfix, chain_files=[bundle])
    nexthop, wrong = f"[127.0.0.1]:{server.smtp}", pki.key_pin(pki.make_identity().leaf)
    policy = f"{nexthop} fingerprint match={pki.key_pin(identity.leaf)}"
    client = start(postfix, hostname="client.test", parameters={"mydestination": ""},
                   routes={"example.test": f"smtp:{nexthop}"}, policy=[policy])  # fmt: skip
    assert "status=sent" in client.outcome(client.send())
    assert "Verified TLS connection established" in client.log()

    client.write_policy([f"{nexthop} fingerprint match={wrong}"])
    mail = client.send()
    assert client.outcome(mail).startswith("dsn=4.7.5, status=deferred (Server certificate not verified")

    client.write_policy([policy])
    client.flush()
    assert "status=sent" in client.outcome(mail, tries=2)


def test_dovecot_serves_its_chain(start: Start, scratch: str, identity: pki.Identity, bundle: str) -> None:
    """Dovecot serves the chain over IMAP, POP3 and LMTP, and a new one after a reload."""
    server = start(dovecot, bundle)
    for port, starttls in [(server.imap, "imap"), (server.pop3, "pop3"), (server.lmtp, "lmtp")]:
        assert served(port, starttls) == identity.chain
    assert served(server.imaps) == served(server.pop3s) == identity.chain
    renewed = pki.make_identity()
    renewed.save(scratch)
    server.reload()
    until(lambda: served(server.imaps) == renewed.chain, "the new certificate is served", log=server.log_file)


def test_nginx_serves_its_chain(start: Start, scratch: str, identity: pki.Identity, bundle: str) -> None:
    """nginx serves the chain, and a new one after a reload."""
    server = start(nginx, bundle)
    assert served(server.https) == identity.chain
    renewed = pki.make_identity()
    renewed.save(scratch)
    server.reload()
    until(lambda: served(server.https) == renewed.chain, "the new certificate is served", log=server.log_file)


def test_haproxy_serves_its_chain(start: Start, scratch: str, identity: pki.Identity, bundle: str) -> None:
    """HAProxy serves the chain, a new one by its runtime API at once, and another after a reload."""
    server = start(haproxy, bundle)
    assert served(server.https) == identity.chain
    by_socket, by_reload = pki.make_identity(), pki.make_identity()
    pem = by_socket.bundle_pem.decode()
    assert "Transaction created" in server.command(f"set ssl cert {bundle} <<\n{pem}\n")
    assert "Success" in server.command(f"commit ssl cert {bundle}")
    assert served(server.https) == by_socket.chain
    by_reload.save(scratch)
    server.reload()
    until(lambda: served(server.https) == by_reload.chain, "the newer one is served", log=server.log_file)


def test_exim_serves_its_chain(start: Start, scratch: str, identity: pki.Identity, bundle: str) -> None:
    """Exim serves the chain with STARTTLS and without, and a new one after a reload."""
    server = start(exim, bundle)
    assert served(server.smtp, "smtp") == served(server.smtps) == identity.chain
    renewed = pki.make_identity()
    renewed.save(scratch)
    server.reload()
    until(lambda: served(server.smtps) == renewed.chain, "the new certificate is served", log=server.log_file)


def test_bind_takes_updates_by_key(start: Start) -> None:
    """BIND takes a TLSA record from the holder of the key only, and its secondary follows when it is told."""
    port = free_port()
    primary = start(bind, notify=[f"127.0.0.1 port {port}"])
    follower = start(secondary, primary, port=port)
    update = primary.update()
    update.replace("_25._tcp.mx", 60, "TLSA", "3 1 1 " + "ab" * 32)
    primary.send(update)
    assert primary.records("_25._tcp.mx", "TLSA") == ["3 1 1 " + "ab" * 32]
    until(lambda: follower.records("_25._tcp.mx", "TLSA"), "the secondary has it", log=follower.log_file)

    stranger = primary._replace(secret="c3RyYW5nZXI=")
    with pytest.raises(Exception, match=r"BADSIG|signature|NOTAUTH|TSIG"):
        stranger.send(stranger.update())


def test_unbound_validates_a_signed_zone(start: Start) -> None:
    """Unbound sets AD on a TLSA record of a signed zone, and not without the zone's trust anchor."""
    server = start(bind, signed=True, records="_25._tcp.mx IN TLSA 3 1 1 " + "ab" * 32)
    zones = {server.zone: (server.address, server.port)}
    resolver = start(unbound, zones=zones, trust_anchors=server.trust_anchors())
    assert resolver.validates("_25._tcp.mx.example.test.", "TLSA")
    assert not start(unbound, zones=zones).validates("_25._tcp.mx.example.test.", "TLSA")


def test_pebble_answers(start: Start) -> None:
    """Pebble's directory says what it can do, its roots can be had, its DNS can be changed."""
    server = start(pebble, nonce_reject=20, alternate_roots=2, chain_length=2)
    assert "newOrder" in server.directory()
    assert len({server.root(number) for number in range(3)}) == 3
    server.dns("set-txt", host="_acme-challenge.example.test.", value="x")


def test_programs_of_other_tests() -> None:
    """The programs that tests of faults, shell scripts and units need are there."""
    for name in ["strace", "socat", "shellcheck", "systemd-analyze", "setpriv", "unshare", "ip"]:
        assert os.access(program(name), os.X_OK)
    assert run([program("openssl"), "version"]).startswith("OpenSSL")
