"""The probe against the real servers: what should be served, and what happens in the field instead."""

from __future__ import annotations

import os
import smtplib
from datetime import datetime, timezone

import pytest

from certctl.deploy.probe import Difference, Expected, ExpectedKey, compare, probe, probe_settled
from tests.real.servers.dovecot import Dovecot, dovecot
from tests.real.servers.exim import exim
from tests.real.servers.haproxy import haproxy
from tests.real.servers.nginx import nginx
from tests.real.servers.pki import (
    Authority,
    Identity,
    certificate_pin,
    key_pin,
    make_authority,
    make_identity,
)
from tests.real.servers.ports import free_port
from tests.real.servers.postfix import Postfix, postfix
from tests.real.servers.process import run
from tests.real.servers.require import program
from tests.real.servers.scratch import write
from tests.real.servers.start import Start
from tests.unit.doctor_case import put_up


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority()


@pytest.fixture(scope="module")
def ecdsa(authority: Authority) -> Identity:
    return make_identity(authority=authority)


@pytest.fixture(scope="module")
def rsa(authority: Authority) -> Identity:
    return make_identity(authority=authority, algorithm="rsa-2048")


def now() -> datetime:
    return datetime.now(timezone.utc)


def key_of(identity: Identity, algorithm: str = "ecdsa-p256") -> ExpectedKey:
    chain = tuple(map(certificate_pin, identity.intermediates))
    return ExpectedKey(algorithm, key_pin(identity.leaf), certificate_pin(identity.leaf), chain)


def expect(ecdsa: Identity, rsa: Identity | None = None, previous: Identity | None = None) -> Expected:
    keys = (key_of(ecdsa), *((key_of(rsa, "rsa-2048"),) if rsa else ()))
    return Expected(keys, (key_of(previous),) if previous else (), names=("mx.example.test",))


def differences(url: str, expected: Expected) -> list[Difference]:
    return compare(probe(url, expected, timeout=5), expected, now())


def mail_urls(postfix: Postfix) -> list[str]:
    return [
        f"smtp://127.0.0.1:{postfix.smtp}",
        f"smtps://127.0.0.1:{postfix.smtps}",
        f"smtp://127.0.0.1:{postfix.submission}",
    ]


def box_urls(dovecot: Dovecot) -> list[str]:
    schemes = ("imap", "imaps", "pop3", "pop3s", "lmtp")
    return [f"{scheme}://127.0.0.1:{getattr(dovecot, scheme)}" for scheme in schemes]


@pytest.fixture
def bundles(scratch: str, ecdsa: Identity, rsa: Identity) -> tuple[str, str]:
    return ecdsa.save(scratch, "ecdsa.pem"), rsa.save(scratch, "rsa.pem")


def test_rsa_and_ecdsa_on_every_port(
    start: Start, bundles: tuple[str, str], ecdsa: Identity, rsa: Identity
) -> None:
    """Both algorithms are seen, with their chains, on every port of every server; nothing differs."""
    mail = start(postfix, chain_files=bundles)
    boxes = start(dovecot, bundles[0], alternative=bundles[1])
    web = start(nginx, *bundles)
    expected = expect(ecdsa, rsa)
    for url in (*mail_urls(mail), *box_urls(boxes), f"https://127.0.0.1:{web.https}"):
        served = probe(url, expected, timeout=5)
        assert [one.chain[0].algorithm for one in served] == ["rsa-2048"] * 5 + ["ecdsa-p256"] * 5, url
        assert compare(served, expected, now()) == [], url


def test_logs_show_no_trouble(start: Start, bundles: tuple[str, str], ecdsa: Identity, rsa: Identity) -> None:
    """A probe leaves no lost connection and no failed handshake in a mail server's log."""
    mail = start(postfix, chain_files=bundles)
    before = len(mail.log())
    for url in mail_urls(mail):
        assert differences(url, expect(ecdsa, rsa)) == []
    log = mail.log()[before:]
    assert "quit=1" in log
    assert not [line for line in log.splitlines() if "lost connection" in line or "SSL_accept error" in line]


def test_other_ways_of_having_two_algorithms(
    start: Start, scratch: str, ecdsa: Identity, rsa: Identity
) -> None:
    """HAProxy with a directory of bundles and Exim with a list (and GnuTLS) serve both algorithms too."""
    directory = os.path.join(scratch, "bundles")
    os.mkdir(directory)
    paths = [ecdsa.save(directory, "ecdsa.pem"), rsa.save(directory, "rsa.pem")]
    proxy, mail = start(haproxy, directory), start(exim, " : ".join(paths))
    for url in (
        f"https://127.0.0.1:{proxy.https}",
        f"smtp://127.0.0.1:{mail.smtp}",
        f"smtps://127.0.0.1:{mail.smtps}",
    ):
        assert differences(url, expect(ecdsa, rsa)) == [], url


def test_missing_algorithm(start: Start, bundles: tuple[str, str], ecdsa: Identity, rsa: Identity) -> None:
    """A Postfix that was given one of two bundles lacks the other algorithm."""
    mail = start(postfix, chain_files=bundles[:1])
    for url in mail_urls(mail):
        assert [(one.kind, one.offered) for one in differences(url, expect(ecdsa, rsa))] == [
            ("no-algorithm", "rsa")
        ]


def test_old_process_beside_new_ones(
    start: Start, scratch: str, ecdsa: Identity, authority: Authority
) -> None:
    """Before the reload an old smtpd process serves the old key beside new ones; after it, none does."""
    new = make_identity(authority=authority)
    mail = start(postfix, chain_files=[ecdsa.save(scratch)])
    url, expected = f"smtp://127.0.0.1:{mail.smtp}", expect(new, previous=ecdsa)
    with smtplib.SMTP("127.0.0.1", mail.smtp, timeout=5) as session:
        session.ehlo()  # now there is one process, and it has read the old bundle
    new.save(scratch)
    (found,) = differences(url, expected)
    assert (found.kind, found.of) == ("previous", 5)
    assert 1 <= found.connections < 5
    assert "old processes linger" in found.message
    mail.reload()
    assert settled(url, expected) == []


def test_server_that_was_not_reloaded(
    start: Start, scratch: str, ecdsa: Identity, authority: Authority
) -> None:
    """Dovecot and nginx serve what they read at their start: an earlier certificate for the same key."""
    boxes, web = start(dovecot, ecdsa.save(scratch)), start(nginx, os.path.join(scratch, "bundle.pem"))
    renewed = make_identity(authority=authority, key=ecdsa.key, days=120)
    renewed.save(scratch)
    urls = [*box_urls(boxes)[:4], f"https://127.0.0.1:{web.https}"]
    for url in urls:
        assert [one.kind for one in differences(url, expect(renewed))] == ["old-certificate"], url
    boxes.reload()
    web.reload()
    for url in urls:
        assert settled(url, expect(renewed)) == [], url


def settled(url: str, expected: Expected) -> list[Difference]:
    return probe_settled([url], expected, now, timeout=5)


def test_key_and_certificate_that_differ(start: Start, scratch: str, ecdsa: Identity, rsa: Identity) -> None:
    """Postfix with another key beside its certificate offers STARTTLS and refuses it with 454."""
    mixed = write(os.path.join(scratch, "mixed.pem"), rsa.key_pem + ecdsa.fullchain_pem, 0o600)
    mail = start(postfix, chain_files=[mixed])
    (found,) = differences(f"smtp://127.0.0.1:{mail.smtp}", expect(ecdsa))
    assert found.kind == "tls-unavailable"
    assert "454 4.7.0 TLS not available due to local problem" in found.message
    (found,) = differences(f"smtps://127.0.0.1:{mail.smtps}", expect(ecdsa))
    assert found.kind == "handshake"


def test_missing_intermediate(start: Start, scratch: str, ecdsa: Identity) -> None:
    """A server that was given the leaf alone is told that its intermediate is missing."""
    bare = ecdsa._replace(intermediates=()).save(scratch, "bare.pem")
    mail, boxes, web = start(postfix, chain_files=[bare]), start(dovecot, bare), start(nginx, bare)
    for url in (*mail_urls(mail), *box_urls(boxes), f"https://127.0.0.1:{web.https}"):
        assert [one.kind for one in differences(url, expect(ecdsa))] == ["missing-intermediate"], url


def test_no_tls_at_all(start: Start, ecdsa: Identity) -> None:
    """A server without TLS does not offer STARTTLS, speaks clear text on the port, and is told so."""
    mail = start(postfix)
    (found,) = differences(f"smtp://127.0.0.1:{mail.smtp}", expect(ecdsa))
    assert found.kind == "no-starttls"
    (found,) = differences(f"tls://127.0.0.1:{mail.smtp}", expect(ecdsa))
    assert found.kind == "not-tls"


def test_exim_reads_by_itself(start: Start, scratch: str, ecdsa: Identity, authority: Authority) -> None:
    """Exim reads its files at each connection: the new certificate is served without a reload."""
    server = start(exim, ecdsa.save(scratch))
    url = f"smtp://127.0.0.1:{server.smtp}"
    assert differences(url, expect(ecdsa)) == []
    renewed = make_identity(authority=authority, key=ecdsa.key, days=120)
    renewed.save(scratch)
    assert settled(url, expect(renewed)) == []


def test_another_name_on_the_same_port(
    start: Start, scratch: str, ecdsa: Identity, authority: Authority
) -> None:
    """Postfix picks the certificate by SNI: what is asked for by name is seen, and compared by name."""
    other = make_identity(["other.example.test"], authority=authority)
    table = write(os.path.join(scratch, "sni"), f"other.example.test {other.save(scratch, 'o.pem')}\n", 0o600)
    run([program("postmap"), "-F", f"hash:{table}"])
    mail = start(
        postfix, chain_files=[ecdsa.save(scratch)], parameters={"tls_server_sni_maps": f"hash:{table}"}
    )
    wanted = expect(other)._replace(names=("other.example.test",))
    for url in mail_urls(mail):
        assert differences(url, wanted) == []
        assert differences(url, expect(ecdsa)) == []
        kinds = [one.kind for one in differences(f"{url}?sni=other.example.test", expect(ecdsa))]
        assert kinds == ["other-key", "other-name"]


def test_ipv6(start: Start, bundles: tuple[str, str], ecdsa: Identity, rsa: Identity) -> None:
    """An IPv6 address is asked like any other."""
    port = free_port()
    start(nginx, *bundles, extra=f"listen [::1]:{port} ssl;")
    served = probe(f"https://[::1]:{port}", expect(ecdsa, rsa), timeout=5)
    assert {one.address for one in served} == {"::1"}
    assert compare(served, expect(ecdsa, rsa), now()) == []


def test_size_of_dh(start: Start, scratch: str, bundles: tuple[str, str]) -> None:
    """With a DH file of its own, a server's prime is seen with its size."""
    dh = os.path.join(put_up("postfix-dh-2048", os.path.join(scratch, "dh")).directory, "dh2048.pem")
    web = start(nginx, bundles[1], extra=f"ssl_dhparam {dh}; ssl_ciphers DHE-RSA-AES256-GCM-SHA384;")
    (served,) = probe(f"https://127.0.0.1:{web.https}", Expected(), connections=1, timeout=5)
    assert (served.cipher, served.group, served.group_bits) == ("DHE-RSA-AES256-GCM-SHA384", "DH", 2048)


def test_server_that_is_down(ecdsa: Identity) -> None:
    """Nobody listens any more: refused, at once, and said once."""
    port = free_port()
    (found,) = differences(f"smtp://127.0.0.1:{port}", expect(ecdsa))
    assert (found.kind, found.connections) == ("refused", 5)
