"""Processes of less power: what they may do, what comes back from them, and how they end."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from certctl.errors import CertctlError, InternalError, UnreadableError
from certctl.system import child as child_module
from certctl.system import deadline, wire
from certctl.system.child import Child, as_user, end_all
from tests.support import inmate, strangers

INMATE = "tests.support.inmate"


@pytest.fixture
def child() -> Iterator[Child]:
    made = Child("a test", INMATE)
    yield made
    made.end()


def test_values_go_and_come(child: Child) -> None:
    """Whatever the annotations name arrives as that type on either side."""
    shape = inmate.Shape(
        "name", 3, 0.5, b"\0\xff", datetime(2026, 1, 2, 3, 4, 5, 6, timezone.utc), None, ("a",)
    )
    assert child.call(inmate.same, shape, {"b": (shape,)}, seconds=10) == {"one": (shape,), "b": (shape,)}


@pytest.mark.parametrize("reach", sorted(inmate.REACHES))
def test_nothing_is_in_reach(child: Child, reach: str, tmp_path: Path) -> None:
    """Files, programs and other processes are out of reach of what reads strangers' bytes."""
    secret = tmp_path / "key.pem"
    secret.write_text("secret")
    assert inmate.reach(reach, str(secret)) != "refused", "what can be done here shows that the test sees it"
    assert child.call(inmate.reach, reach, str(secret), seconds=10) == "refused"


def test_root_is_gone(child: Child) -> None:
    """As root, the child is nobody, in one group, without capabilities, and gets no more."""
    strangers.need_root()
    lines = (
        Path(f"/proc/{child.call(inmate.pid, seconds=10)}/status").read_text(encoding="ascii").splitlines()
    )
    status = dict(line.split(":", 1) for line in lines)
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"65534"}
    assert status["Groups"].strip() == ""
    assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"


def test_names_and_trust_still_work(child: Child) -> None:
    """A confined process resolves names and loads the system's roots."""
    assert child.call(inmate.resolved, "localhost", seconds=10)
    assert child.call(inmate.roots, seconds=10) >= 0


def test_secrets_of_the_environment_stay(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment only what resolving, proxies and trust need goes along."""
    monkeypatch.setenv("PROVIDER_TOKEN", "secret")
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    names = child.call(inmate.environment, seconds=10)
    assert "PROVIDER_TOKEN" not in names
    assert "https_proxy" in names


def test_errors_come_back(child: Child) -> None:
    """An expected error arrives as itself; a bug as one that can be reported; the process goes on."""
    with pytest.raises(UnreadableError, match="cannot be read") as found:
        child.call(inmate.fail, "expected", seconds=10)
    assert (found.value.hint, found.value.errno, found.value.transient) == ("ls", 5, True)
    with pytest.raises(InternalError, match=r"internal error: ZeroDivisionError.*report it"):
        child.call(inmate.fail, "bug", seconds=10)
    assert child.call(inmate.echo, "still there", seconds=10) == "still there"


def test_only_what_is_named_can_be_called(child: Child) -> None:
    """A function of another module is refused, though it could be imported."""
    with pytest.raises(CertctlError, match="posixpath is not for this process"):
        child.call(os.path.join, "a", seconds=10)


@pytest.mark.parametrize("value", [3, None, "text", [1], ["1", "2"], {"a": 1}])
def test_nonsense_is_refused(child: Child, value: Any) -> None:
    """What a process that was taken over returns is no value of another type."""
    with pytest.raises(CertctlError, match="answered nonsense"):
        child.call(inmate.lie, value, seconds=10)


@pytest.mark.parametrize("how", sorted(inmate.ENDS))
def test_an_end_is_told(child: Child, how: str) -> None:
    """A process that dies, or babbles, fails all that waits for it; the next call has a new one."""
    waiting: list[BaseException] = []

    def wait() -> None:
        try:
            child.call(inmate.sleep, 60.0, seconds=60)
        except CertctlError as error:
            waiting.append(error)

    thread = threading.Thread(target=wait)
    before = child.call(inmate.pid, seconds=10)
    thread.start()
    with pytest.raises(CertctlError, match=r"a test: the process that does this is gone"):
        child.call(inmate.end, how, seconds=10)
    thread.join(10)
    assert waiting
    assert child.call(inmate.pid, seconds=10) not in (0, before)


def test_calls_run_side_by_side_and_end_in_time(child: Child) -> None:
    """A call that takes too long is given up, others are served meanwhile, and the pass's deadline holds."""
    begin = time.monotonic()
    with pytest.raises(CertctlError, match=r"a test: no answer within 0\.1 s"):
        child.call(inmate.sleep, 30.0, seconds=0.1)
    assert child.call(inmate.echo, "meanwhile", seconds=10) == "meanwhile"
    with deadline.limit(100), deadline.limit(3):
        assert child.call(inmate.left, 50.0, seconds=50) < 3
    with deadline.limit(0), pytest.raises(CertctlError, match="network_timeout"):
        child.call(inmate.echo, "late", seconds=10)
    assert time.monotonic() - begin < 20


def test_descriptors_go_along(child: Child) -> None:
    """An open file or socket can be handed over, and is the child's own from then on."""
    for count in (1, 3):
        pipes = [os.pipe() for _ in range(count)]
        child.insist(inmate.speak, "word", seconds=10, descriptors=[writing for _, writing in pipes])
        for reading, writing in pipes:
            os.close(writing)
            assert os.read(reading, 100) == b"word"
            assert os.read(reading, 100) == b""
            os.close(reading)
    assert child.call(inmate.echo, "still there", seconds=10) == "still there"


def test_all_end(child: Child) -> None:
    """No process is left behind, not even as a zombie, whatever is still asked of it."""
    number = child.call(inmate.pid, seconds=10)
    with pytest.raises(CertctlError, match="no answer"):
        child.call(inmate.sleep, 30.0, seconds=0.1)
    end_all()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_it_ends_with_its_parent() -> None:
    """When the parent is killed, the process hangs up, too."""
    code = (
        f"import sys; sys.path[0] = {os.getcwd()!r}; from tests.support import inmate; "
        f"print(inmate.started({INMATE!r}), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        number = int(parent.stdout.readline())
        watch = os.pidfd_open(number)
        parent.kill()
        assert select.select([watch], [], [], 10)[0], "it still runs"
        os.close(watch)


def test_as_an_owner() -> None:
    """Files are written as the user who is named, whose errors arrive, and who keeps no other rights."""
    with strangers.ground() as ground:
        place = strangers.directory(ground / "his")
        as_user(strangers.NOBODY, inmate.write, str(place / "file"))
        assert (place / "file").stat().st_uid == strangers.NOBODY
        with pytest.raises(CertctlError, match=r"internal error: PermissionError"):
            as_user(strangers.NOBODY, inmate.write, str(ground / "file"))


@pytest.mark.parametrize(
    ("kind", "value"),
    [(int, True), (bool, 1), (str, None), (tuple[int, ...], 3), (tuple[int, str], [1]), (bytes, "?"),
     (datetime, "yesterday"), (inmate.Shape, []), (dict[str, int], {"a": "b"}), (int | None, "x")],
)  # fmt: skip
def test_only_the_type_that_is_due(kind: Any, value: Any) -> None:
    """A plain value that is not of the annotated type is refused."""
    with pytest.raises(ValueError, match=r"."):
        wire.build(kind, value)


def test_a_fork_has_one_of_its_own(child: Child) -> None:
    """After fork(2) the other process is not spoken to by two: each has its own."""
    before = child.call(inmate.pid, seconds=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        forked = os.fork()
    if not forked:
        code = 1
        try:
            code = 0 if child.call(inmate.pid, seconds=10) != before else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 0
    assert child.call(inmate.pid, seconds=10) == before


def test_an_error_of_no_kind() -> None:
    """Only errors of certctl are made anew, whatever the other side names."""
    made = child_module._error(["os", "system", "rm -rf /", {}], inmate.echo)
    assert (type(made), made.message) == (InternalError, "echo: rm -rf /")


def test_what_has_no_plain_form() -> None:
    """Objects do not cross."""
    with socket.socket() as one, pytest.raises(TypeError, match="a socket has no plain form"):
        wire.plain(one)
