"""What no one foresaw in one step is told as a bug, or as the host's failure, and everything else is done."""

from __future__ import annotations

import errno
import importlib
import json
import os
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
OF_THE_HOST = {OSError: "input/output error", MemoryError: "out of memory"}


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
    assert OF_THE_HOST.get(type(error), f"internal error: {type(error).__name__}") in ran.err
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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, "Too many open files", "/a"), "/a: too many open files"),
        (OSError(errno.ESTALE, "Stale file handle"), "stale file handle"),
        (MemoryError(), "out of memory"),
        (RuntimeError("can't start new thread"), "no thread can be started"),
        (ImportError("/a.so: cannot open"), "cannot load a part of the program: /a.so: cannot open"),
    ],
    ids=str,
)
def test_the_host_fails(error: Exception, said: str) -> None:
    """Disks, memory and limits are the host's: nobody is asked to report them."""
    told = surprise.told(error)
    assert told.message == said
    assert not isinstance(told, InternalError)
    assert "ulimit" in str(told.hint)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_a_module_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Modules are loaded late, so a disk may fail under them: told as what it is, whatever its errno."""
    (tmp_path / "certctl_late.py").write_text("late = True")
    monkeypatch.syspath_prepend(str(tmp_path))

    def refuse(self: object, path: str) -> bytes:
        raise OSError(code, os.strerror(code), path)

    monkeypatch.setattr("importlib.machinery.SourceFileLoader.get_data", refuse)
    with pytest.raises(OSError) as caught:
        importlib.import_module("certctl_late")
    told = surprise.told(caught.value)
    assert told.message.startswith(f"cannot load a part of the program: {tmp_path}/certctl_late.py: ")


def test_errors_are_values() -> None:
    """An error in other words is another one, with all its other fields; the first one is as it was."""
    error = CertctlError("no answer", "wait", transient=False, retry_after=5.0)
    for name in ("le", "le"):
        told = error.within(f"issuer {name}")
        assert str(told.message) == "issuer le: no answer"
        assert (told.hint, told.transient, told.retry_after) == ("wait", False, 5.0)
        assert type(told) is CertctlError
    assert error.message == "no answer"
