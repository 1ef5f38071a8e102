"""Which certificate an order is said to replace: the one that goes out of use with it (RFC 9773 §5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.issuers.self_signed import SelfSignedIssuer
from certctl.ports import Issued, IssueRequest
from tests.support.world import World

Asked = list[tuple[IssueRequest, Issued]]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What a real issuer was asked, and what it answered."""
    found: Asked = []
    issue = SelfSignedIssuer.issue

    def listening(self: SelfSignedIssuer, request: IssueRequest) -> Issued:
        answer = issue(self, request)
        found.append((request, answer))
        return answer

    monkeypatch.setattr(SelfSignedIssuer, "issue", listening)
    return found


def test_key_pinned(world: World, asked: Asked) -> None:
    """A renewal replaces the certificate of its key; a rotation the one that was served until then."""
    world.configure('[certificate.mx1]\nnames = ["mx1.example"]\nkeys = ["ecdsa-p256", "ecdsa-p384"]\n')
    world.done("run")
    world.done("renew", "mx1")
    world.done("rotate", "mx1", "--force")
    world.done("renew", "mx1")
    assert [request.generation for request, _ in asked] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert [request.replaces for request, _ in asked[:2]] == [None, None]
    for (request, _), (before, answer) in zip(asked[2:], asked, strict=False):
        assert request.algorithm == before.algorithm
        assert request.replaces == answer.chain[0]


def test_certificate_pinned(world: World, asked: Asked) -> None:
    """One that ages while it is held is replaced itself: the served one was replaced by it before."""
    held = 'pin = "certificate"\nhold_down = "5d"\nvalidity = "10d"\nrenew_before = "6d"\n'
    world.configure(f'[certificate.mx1]\nnames = ["mx1.example"]\n{held}')
    world.done("run")
    world.done("rotate", "mx1")
    world.later(days=4, hours=12)
    world.done("run")
    assert [request.generation for request, _ in asked] == [1, 2, 2]
    assert asked[1][0].replaces == asked[0][1].chain[0]
    assert asked[2][0].replaces == asked[1][1].chain[0]
