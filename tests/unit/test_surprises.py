"""What no one foresaw in one step is told as a bug, and everything else is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from certctl.announce.remembering import Remembering
from certctl.app import wiring
from certctl.errors import CertctlError, InternalError
from certctl.issuers.private_ca import PrivateCaIssuer
from certctl.peers.follow import Follower
from certctl.store.disk import DiskStore
from certctl.system import surprise
from tests.support.world import World

CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
issuer = "private-ca"
announce = ["told"]
hooks = ["first"]
[[certificate.mx1.file]]
path = "tls/mx1.pem"
[certificate.mx2]
names = ["mx2.example"]
[[certificate.mx2.file]]
path = "tls/mx2.pem"
hooks = ["second"]
[dhparam.dh]
path = "tls/dh.pem"
source = "ffdhe"
[announce.told]
type = "policy"
path = "told"
[peer.thumb]
feed = "thumb.jws"
key = "{key}"
map = "policy"
[hook.first]
command = ["true"]
[hook.second]
command = ["touch", "{root}/ran"]
"""
KEY = '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path, monkeypatch)
    key = KEY.replace('"', '\\"')
    found.configure(CONFIG.replace("{key}", key).replace("{root}", str(tmp_path)))
    return found


def breaks(error: Exception, real: Callable[..., Any], name: str, *args: Any, **named: Any) -> Any:
    """Raise *error* where *name* is one of the arguments, or what one of them is about."""
    about = [getattr(one, "name", getattr(one, "certificate", one)) for one in args]
    if not name or name in about:
        raise error
    return real(*args, **named)


PLACES = [
    (DiskStore, "observe_certificate", "mx1"),
    (DiskStore, "observe_dhparam", ""),
    (DiskStore, "prepare_dhparam_file", ""),
    (DiskStore, "new_keys", ""),
    (DiskStore, "keep_dhparam", ""),
    (DiskStore, "close", ""),
    (PrivateCaIssuer, "issue", ""),
    (PrivateCaIssuer, "finish", ""),
    (Remembering, "observe", ""),
    (Remembering, "publish", ""),
    (Follower, "observe", ""),
    (Follower, "ask", ""),
    (Follower, "keep", ""),
]
ERRORS = [ValueError("no"), OverflowError("too far"), OSError(5, "Input/output error"), MemoryError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("kind", "method", "name"), PLACES, ids=str)
def test_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: type, method: str, name: str, error: Exception
) -> None:
    """Wherever it happens: no traceback, exit status 1, and what it does not touch is served."""
    real = getattr(kind, method)
    monkeypatch.setattr(kind, method, lambda *args, **named: breaks(error, real, name, *args, **named))
    ran = world("run")
    assert ran.code == 1
    assert "Traceback" not in ran.out + ran.err
    assert f"internal error: {type(error).__name__}" in ran.err
    if method != "new_keys":
        assert (world.tls / "mx2.pem").exists()
        assert (world.root / "ran").exists()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_hook(world: World, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A hook that cannot be run for a reason that no one foresaw has failed, and the next one runs."""
    real = wiring.resolve_hook

    def resolve(spec: Any, hook: Any) -> list[str]:
        if hook.name == "first":
            raise error
        return real(spec, hook)

    monkeypatch.setattr(wiring, "resolve_hook", resolve)
    monkeypatch.setattr(wiring, "_hook_basis", lambda *_: "same")
    ran = world("run")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert (world.root / "ran").exists()


def test_journal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback is in the journal, for whoever mends it."""
    monkeypatch.setattr(PrivateCaIssuer, "issue", partial(breaks, ValueError("no"), print, ""))
    world("run")
    lines = Path(world.layout.journal).read_text().splitlines()
    traces = [event["trace"] for event in map(json.loads, lines) if "trace" in event]
    assert len(traces) == 1
    assert "ValueError: no" in traces[0]
    assert len(traces[0]) <= surprise.MOST_TRACE


def test_what_is_foreseen_stays() -> None:
    """An error that certctl made itself is told as it is."""
    error = CertctlError("no", "do")
    assert surprise.told(error) is error
    assert isinstance(surprise.told(ValueError("no")), InternalError)


def test_errors_are_values() -> None:
    """An error in other words is another one, with all its other fields; the first one is as it was."""
    error = CertctlError("no answer", "wait", transient=False, retry_after=5.0)
    for name in ("le", "le"):
        told = error.within(f"issuer {name}")
        assert str(told.message) == "issuer le: no answer"
        assert (told.hint, told.transient, told.retry_after) == ("wait", False, 5.0)
        assert type(told) is CertctlError
    assert error.message == "no answer"
