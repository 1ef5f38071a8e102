"""Run one hook: an argument vector, a clean environment, a time limit, the end of its output kept."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from certctl.deploy.heldback import held_back
from certctl.deploy.output import Output
from certctl.errors import CertctlError
from certctl.ports import HookOutcome

if TYPE_CHECKING:
    import subprocess

EXIT_TIMED_OUT = 124
OUTPUT_TAIL = 4096
GRACE = 3.0

_LOOK = 0.05
"""Seconds between two looks at how much a hook has written."""


def run_hook(
    argv: Sequence[str],
    env: Mapping[str, str],
    timeout: float,
    *,
    on_start: Callable[[], None] | None = None,
) -> HookOutcome:
    """Run *argv* to its end, or for *timeout* seconds, and say how it ended.

    No shell, standard input empty, working directory `/`, umask 022, exactly
    *env* as environment, default signals, a session of its own. At the timeout,
    and when an exception (Ctrl-C, SystemExit, one raised by *on_start*, which is
    called once the program runs) ends the wait, the whole process group gets
    SIGTERM, after GRACE seconds SIGKILL. Processes that a hook leaves behind
    when it ends by itself are let live: starting a daemon is a hook's right.

    Of the outcome, *exit_status* is the hook's own, 128 + N when signal N ended
    it (as shells count), and 124 (as timeout(1) has it) whenever *timed_out*,
    whatever the hook made of its SIGTERM: so 0 is success and nothing else is.
    *output* is the end, at most OUTPUT_TAIL bytes, of what it wrote on standard
    output and standard error together.

    Raises CertctlError when the program cannot be started.
    """
    output = Output()
    try:
        begin = time.monotonic()
        with held_back() as held:
            process = _start(argv, env, output.descriptor)
            ended = False
            try:
                held.release()
                if on_start is not None:
                    on_start()
                ended = _wait(process.pid, begin + timeout, output.bound)
            finally:
                if not ended:
                    _end_group(process.pid, output.bound)
                status = process.wait()
        seconds = time.monotonic() - begin
        text = output.tail(OUTPUT_TAIL)
    finally:
        output.close()
    if not ended:
        return HookOutcome(EXIT_TIMED_OUT, text, True, seconds)
    return HookOutcome(status if status >= 0 else 128 - status, text, False, seconds)


def _start(argv: Sequence[str], env: Mapping[str, str], output: int) -> subprocess.Popen[bytes]:
    """Start *argv* with *output* as its standard output and standard error."""
    import subprocess

    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        raise CertctlError(
            "cannot run hooks: SIGCHLD is ignored, so the kernel would not say how a hook ended",
            hint="start certctl from a parent that does not ignore SIGCHLD",
        )
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(env),
            cwd="/",
            umask=0o022,
            start_new_session=True,
            preexec_fn=_reset_signals if _signals_are_changed() else None,  # noqa: PLW1509
        )
    except OSError as error:
        from certctl.deploy.startfailure import why_not_started

        raise why_not_started(argv[0], env, error) from error


# What Popen's restore_signals does not cover: nohup and `&` hand down ignored
# signals, a thread its mask, and both survive exec(2). preexec_fn is slow and
# unwelcome beside threads, so it is used only where there is something to reset.
def _signals_are_changed() -> bool:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    return bool(blocked) or any(signal.getsignal(number) is signal.SIG_IGN for number in _resettable())


def _reset_signals() -> None:
    for number in _resettable():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _resettable() -> list[int]:
    restored = {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}
    return [number for number in signal.valid_signals() if number not in restored]


def _wait(pid: int, deadline: float, look: Callable[[], None]) -> bool:
    """Wait until the child *pid* has ended, or the *deadline* (monotonic) is over.

    The child is not reaped, so its process group cannot become a stranger's.
    *look* is called every now and then.
    """
    import select

    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):  # Linux before 5.3, or a seccomp filter that does not know it
        descriptor = -1
    try:
        poller = select.poll()
        if descriptor >= 0:
            poller.register(descriptor, select.POLLIN)
        while not _has_ended(pid):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poller.poll(max(1, int(min(left, _LOOK) * 1000)))
            look()
        return True
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_group(group: int, look: Callable[[], None]) -> None:
    """End every process of *group*, whose leader is our child and not yet reaped."""
    try:
        os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        if _wait(group, deadline, look):
            while time.monotonic() < deadline and _group_lives(group):
                time.sleep(_LOOK)
    finally:
        os.killpg(group, signal.SIGKILL)


def _group_lives(group: int) -> bool:
    """Is there a process in *group* besides zombies? (proc_pid_stat(5))"""
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, _parent, its_group = file.read().rpartition(b")")[2].split()[:3]
        except OSError:  # it has ended since the listing
            continue
        if int(its_group) == group and state not in (b"Z", b"X"):
            return True
    return False
