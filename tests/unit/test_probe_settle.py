"""Waiting for a server to settle: what is right in the end counts, and all ports are waited for at once."""

from __future__ import annotations

import os
import socket
import ssl
from datetime import datetime, timezone

import pytest

from certctl.deploy.probe import Expected, ExpectedKey, probe_settled
from tests.real.servers.pki import Identity, certificate_pin, key_pin, make_authority, make_identity
from tests.unit.probe_server import Play, serving, tls, tls_context

OLD, NEW = 0, 1


@pytest.fixture(scope="module")
def identities() -> tuple[Identity, Identity]:
    authority = make_authority()
    return make_identity(authority=authority), make_identity(authority=authority)


@pytest.fixture
def contexts(tmp_path: os.PathLike[str], identities: tuple[Identity, Identity]) -> list[ssl.SSLContext]:
    return [tls_context(str(tmp_path), [identity]) for identity in identities]


@pytest.fixture
def expected(identities: tuple[Identity, Identity]) -> Expected:
    old, new = (
        ExpectedKey(
            "ecdsa-p256",
            key_pin(one.leaf),
            certificate_pin(one.leaf),
            tuple(map(certificate_pin, one.intermediates)),
        )
        for one in identities
    )
    return Expected((new,), (old,), names=("mx.example.test",))


def now() -> datetime:
    return datetime.now(timezone.utc)


def noting(play: Play, name: str, notes: list[str]) -> Play:
    """Play, and note that somebody connected."""

    def noted(connection: socket.socket) -> None:
        notes.append(name)
        play(connection)

    return noted


def test_first_look_that_agrees_counts(contexts: list[ssl.SSLContext], expected: Expected) -> None:
    """Old processes may end one by one: as soon as all connections meet the new one, nothing is wrong."""
    met: list[str] = []

    def play(connection: socket.socket) -> None:
        met.append("")
        tls(contexts[OLD if len(met) <= 8 else NEW])(connection)

    with serving(play) as port:
        assert probe_settled([f"tls://127.0.0.1:{port}"], expected, now, patience=30) == []
    # Five old ones; three looks of one connection, still old; one that agrees, and then all five do.
    assert len(met) == 5 + 3 + 1 + 5


def test_all_are_waited_for_at_once(contexts: list[ssl.SSLContext], expected: Expected) -> None:
    """However many URLs stay wrong, each is told, and none is waited for after another."""
    met: list[str] = []
    right, wrong = tls(contexts[NEW]), tls(contexts[OLD])
    with (
        serving(noting(wrong, "one", met)) as one,
        serving(noting(right, "two", met)) as two,
        serving(noting(wrong, "three", met)) as three,
    ):
        urls = [f"tls://127.0.0.1:{port}" for port in (one, two, three)]
        found = probe_settled(urls, expected, now, patience=0.2)
    assert [(each.url, each.kind, each.connections) for each in found] == [
        (urls[0], "previous", 5),
        (urls[2], "previous", 5),
    ]
    assert met[:15] == ["one"] * 5 + ["two"] * 5 + ["three"] * 5
    assert met[-10:] == ["one"] * 5 + ["three"] * 5
    assert {*zip(met[15:-10:2], met[16:-10:2], strict=True)} <= {("one", "three")}
