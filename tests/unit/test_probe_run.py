"""The whole probe against small TLS servers: chains, algorithms, groups, addresses, time limits."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import ssl
import threading
import time
from datetime import datetime, timezone

import pytest

from certctl.deploy.probe import Expected, ExpectedKey, compare, handshake, probe
from certctl.deploy.probe.run import look
from certctl.x509 import pem
from tests.real.servers.pki import Identity, certificate_pin, key_pin, make_authority, make_identity
from tests.unit.probe_server import OAKLEY_2, script, serving, tls, tls_context


@pytest.fixture(scope="module")
def identities() -> dict[str, Identity]:
    authority = make_authority()
    return {name: make_identity(authority=authority, algorithm=name) for name in ("ecdsa-p256", "rsa-2048")}


def expect(*identities: tuple[str, Identity]) -> Expected:
    keys = [
        ExpectedKey(
            name, key_pin(one.leaf), certificate_pin(one.leaf), tuple(map(certificate_pin, one.intermediates))
        )
        for name, one in identities
    ]
    return Expected(tuple(keys), names=("mx.example.test",))


def now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_each_algorithm_is_asked_for_alone(
    tmp_path: os.PathLike[str], identities: dict[str, Identity], version: ssl.TLSVersion
) -> None:
    """RSA and ECDSA side by side are both seen with their whole chains, over TLS 1.2 and over 1.3."""
    context = tls_context(str(tmp_path), list(identities.values()))
    context.minimum_version = context.maximum_version = version
    expected = expect(*identities.items())
    with serving(tls(context)) as port:
        served = probe(f"tls://127.0.0.1:{port}", expected, connections=2)
    assert [(one.offered, one.chain[0].algorithm) for one in served] == [
        ("rsa", "rsa-2048"), ("rsa", "rsa-2048"), ("ecdsa", "ecdsa-p256"), ("ecdsa", "ecdsa-p256"),
    ]  # fmt: skip
    assert {one.protocol for one in served} == {version.name.replace("_", ".")}
    assert compare(served, expected, now()) == []


def test_missing_algorithm(tmp_path: os.PathLike[str], identities: dict[str, Identity]) -> None:
    """Where only RSA is served, the ECDSA certificate that should be there is missed by name."""
    context = tls_context(str(tmp_path), [identities["rsa-2048"]])
    expected = expect(*identities.items())
    with serving(tls(context)) as port:
        found = compare(probe(f"tls://127.0.0.1:{port}", expected), expected, now())
    assert [(one.kind, one.offered, one.connections) for one in found] == [("no-algorithm", "ecdsa", 5)]


def test_without_signature_algorithms_it_asks_over_tls12(
    tmp_path: os.PathLike[str], identities: dict[str, Identity], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A binding that cannot offer one signature algorithm still tells RSA from ECDSA, and says how."""
    monkeypatch.setattr(handshake, "_restrict_signatures", lambda *_: False)
    context = tls_context(str(tmp_path), list(identities.values()))
    expected = expect(*identities.items())
    with serving(tls(context)) as port:
        served = look(f"tls://127.0.0.1:{port}", expected, 10.0, 1)
    assert [(one.chain[0].algorithm, one.protocol) for one in served] == [
        ("rsa-2048", "TLSv1.2"),
        ("ecdsa-p256", "TLSv1.2"),
    ]
    assert [one.kind for one in compare(served, expected, now())] == ["asked-otherwise"] * 2


@pytest.mark.parametrize(
    ("protocol", "curve", "ciphers", "seen"),
    [
        ("TLSv1_2", None, "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", ("DH", 1024)),
        ("TLSv1_2", "secp384r1", "ECDHE", ("secp384r1", 384)),
        ("TLSv1_3", "secp384r1", None, ("secp384r1", 384)),
        ("TLSv1_2", None, "AES128-GCM-SHA256", ("", 0)),
    ],
)
def test_size_of_the_key_exchange(
    tmp_path: os.PathLike[str], identities: dict[str, Identity],
    protocol: str, curve: str | None, ciphers: str | None, seen: tuple[str, int],
) -> None:  # fmt: skip
    """The prime of a server's own, a curve that needs a second hello, and no key exchange at all are told."""
    context = tls_context(str(tmp_path), [identities["rsa-2048"]])
    context.maximum_version = ssl.TLSVersion[protocol]
    if ciphers:
        context.set_ciphers(ciphers)
    if curve:
        context.set_ecdh_curve(curve)
    elif ciphers and ciphers.startswith("DHE"):
        path = os.path.join(tmp_path, "dh.pem")
        with open(path, "wb") as file:
            # PKCS #3: a sequence of the prime and the generator.
            file.write(pem.encode("DH PARAMETERS", bytes.fromhex("30818702818100" + OAKLEY_2 + "020102")))
        context.load_dh_params(path)
    with serving(tls(context)) as port:
        (served,) = probe(f"tls://127.0.0.1:{port}", Expected(), connections=1)
    assert served.failure is None, served.failure
    assert (served.group, served.group_bits) == seen


def test_facts_of_the_chain(tmp_path: os.PathLike[str], identities: dict[str, Identity]) -> None:
    """Fingerprints, names, dates and who signed whom are read off the chain as it was sent."""
    one = identities["ecdsa-p256"]
    context = tls_context(str(tmp_path), [one])
    with serving(tls(context)) as port:
        (served,) = probe(f"https://127.0.0.1:{port}", expect(("ecdsa-p256", one)), connections=1)
    leaf, intermediate = served.chain
    assert (leaf.sha256, leaf.key_sha256) == (certificate_pin(one.leaf), key_pin(one.leaf))
    assert (leaf.names, leaf.signer) == (("mx.example.test",), 1)
    assert leaf.not_after == one.leaf.not_valid_after_utc
    assert (intermediate.subject, intermediate.signer) == ("CN=Test Intermediate", None)
    assert served.sni == "mx.example.test"


def test_server_name_is_sent(tmp_path: os.PathLike[str], identities: dict[str, Identity]) -> None:
    """The certificate's name reaches the server when the URL has only an address, an IDN as its A-label."""
    asked: list[str | None] = []
    context = tls_context(str(tmp_path), [identities["ecdsa-p256"]])
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with serving(tls(context)) as port:
        for url in (
            f"tls://127.0.0.1:{port}",
            f"tls://127.0.0.1:{port}?sni=",
            f"tls://127.0.0.1:{port}?sni=bücher.example",
        ):
            probe(url, Expected(names=("mx.example.test",)), connections=1)
    assert asked == ["mx.example.test", None, "xn--bcher-kva.example"]


def test_every_address_of_a_name(
    tmp_path: os.PathLike[str], identities: dict[str, Identity], monkeypatch: pytest.MonkeyPatch
) -> None:
    """IPv4 and IPv6 are both asked; the one that nobody listens on is named, and named once."""
    context = tls_context(str(tmp_path), list(identities.values()))
    expected = expect(*identities.items())
    with serving(tls(context), family=socket.AF_INET6) as port:
        both = [
            (socket.AF_INET6, 0, 0, "", ("::1", port, 0, 0)),
            (socket.AF_INET, 0, 0, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: both)
        served = look(f"tls://mx.example.test:{port}", expected, 10.0, 2)
    assert [one.address for one in served] == ["::1"] * 4 + ["127.0.0.1"] * 2
    (found,) = compare(served, expected, now())
    assert (found.kind, found.address, found.offered, found.of) == ("refused", "127.0.0.1", "", 2)


def test_name_without_address() -> None:
    """A name that does not resolve is a failure of the name."""
    (served,) = probe("smtp://nothing.invalid", Expected())
    assert served.failure is not None
    assert served.failure.kind == "no-address"


def test_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that does not answer costs the time limit and no more."""
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: release.wait(10) and [])
    start = time.monotonic()
    (served,) = look("smtp://mx.example.test", Expected(), 0.2, 5)
    release.set()
    assert time.monotonic() - start < 2
    assert served.failure is not None
    assert "not resolved within 0.2 s" in served.failure.message


def test_host_that_swallows_packets() -> None:
    """A connection that is neither taken nor refused ends with the time limit."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # Linux takes one more than the backlog, and lets go what comes after.
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        start = time.monotonic()
        (served,) = probe(
            f"smtp://127.0.0.1:{listener.getsockname()[1]}", Expected(), timeout=0.3, connections=1
        )
    assert time.monotonic() - start < 2
    assert served.failure is not None
    assert (served.failure.kind, served.failure.message) == ("timeout", "no connection within 0.3 s")


def test_connections_are_open_at_the_same_time(
    tmp_path: os.PathLike[str], identities: dict[str, Identity]
) -> None:
    """All connections stand at once, so that each meets another process of the server."""
    context = tls_context(str(tmp_path), [identities["ecdsa-p256"]])
    together = threading.Barrier(5)

    def meet(_connection: socket.socket) -> None:
        together.wait(5)

    with serving(tls(context, before=meet)) as port:
        served = probe(f"tls://127.0.0.1:{port}", Expected(names=("mx.example.test",)), connections=5)
    assert [one.failure for one in served] == [None] * 5


def test_server_with_one_process(
    tmp_path: os.PathLike[str], identities: dict[str, Identity], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that has one connection at a time is no failure: those that are open make room."""
    monkeypatch.setattr("certctl.deploy.probe.run._HOLD", 0.1)
    context = tls_context(str(tmp_path), [identities["ecdsa-p256"]])
    with serving(tls(context), at_once=1) as port:
        served = look(f"tls://127.0.0.1:{port}", Expected(names=("mx.example.test",)), 5.0, 4)
    assert [one.failure for one in served] == [None] * 4


def test_polite_end(tmp_path: os.PathLike[str], identities: dict[str, Identity]) -> None:
    """The session is closed with the protocol's own word, so that logs show no lost connection."""
    heard: list[bytes] = []
    context = tls_context(str(tmp_path), [identities["ecdsa-p256"]])

    def mail(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as session:
            session.sendall(b"220 mx\r\n")
            heard.append(session.recv(100))
            session.sendall(b"221 bye\r\n")

    with serving(mail) as port:
        probe(f"smtps://127.0.0.1:{port}", Expected(), connections=1)
        probe(f"imaps://127.0.0.1:{port}", Expected(), connections=1)
    assert heard == [b"QUIT\r\n", b"a9 LOGOUT\r\n"]


def test_sockets_are_closed() -> None:
    """No socket is left open, whatever the failure; a leak would be a ResourceWarning here."""
    with serving(script((b"", b"220 mx\r\n"), (b"EHLO", b"500 no\r\n"))) as port:
        probe(f"smtp://127.0.0.1:{port}", Expected())
        probe(f"smtps://127.0.0.1:{port}", Expected())
    probe(f"smtp://127.0.0.1:{port}", Expected())
    gc.collect()
