"""Hooks as processes: started clean, waited for, ended whole, their last words kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from certctl.deploy.process import EXIT_TIMED_OUT, OUTPUT_TAIL, run_hook
from certctl.errors import CertctlError

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def script(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}")
    path.chmod(mode)
    return str(path)


def soon(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Wait until *condition* holds, at most *seconds*; say whether it did."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def lives(pid: int) -> bool:
    """True if *pid* is a process that still runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def number_in(path: Path) -> int:
    """The pid that a script wrote to *path*, once it is there."""
    assert soon(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


def sh(text: str, timeout: float = 10.0, **env: str) -> tuple[int, str]:
    outcome = run_hook(["/bin/sh", "-c", text], {**ENV, **env}, timeout)
    assert not outcome.timed_out
    return outcome.exit_status, outcome.output


def test_output_and_status_are_kept() -> None:
    """Standard output and standard error come back in the order written, with the hook's own exit status."""
    assert sh("echo one; echo two >&2; echo three; exit 7") == (7, "one\ntwo\nthree\n")


def test_environment_is_exactly_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of certctl's own environment reaches a hook, and no locale variable is added."""
    monkeypatch.setenv("SECRET", "from the parent")
    outcome = run_hook(["/usr/bin/env"], {"A": "one\ntwo", "PATH": "/nowhere"}, 10)
    assert outcome.output == "A=one\ntwo\nPATH=/nowhere\n"


def test_surroundings_are_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty standard input, directory /, umask 022, a session of its own and no descriptor of ours."""
    monkeypatch.chdir(tmp_path)
    leak = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leak, True)
    before = os.umask(0o077)
    try:
        status, output = sh(
            "cat; pwd; umask; cut -d' ' -f1,5,6 /proc/$$/stat; echo $$; ls /proc/self/fd | wc -l"
        )
    finally:
        os.umask(before)
        os.close(leak)
    directory, umask, ids, pid, descriptors = output.splitlines()
    assert (status, directory, umask) == (0, "/", "0022")
    assert ids.split() == [pid] * 3
    assert int(descriptors) == 4, "0, 1, 2 and the directory that ls reads"


def test_signals_are_back_at_their_defaults(tmp_path: Path) -> None:
    """Signals that nohup ignores or a thread blocks are neither ignored nor blocked in the hook."""
    program = (
        "import signal; from certctl.deploy.process import run_hook\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "print(run_hook(['/bin/grep', '-E', 'Sig(Blk|Ign)', '/proc/self/status'], {}, 10).output)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16]


def test_ignored_sigchld_is_an_error_and_never_a_success() -> None:
    """Where the kernel would not tell how a hook ended, hooks are refused instead of taken as done."""
    program = (
        "import signal; from certctl.deploy.process import run_hook\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "run_hook(['/bin/false'], {}, 10)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "SIGCHLD is ignored" in done.stderr


def test_status_of_a_signal_is_128_and_its_number() -> None:
    """A hook that a signal ended reads as in a shell."""
    assert sh("kill -KILL $$") == (128 + signal.SIGKILL, "")


def test_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    """At the timeout children and grandchildren go too, also one that ignores SIGTERM."""
    child, grandchild = tmp_path / "child", tmp_path / "grandchild"
    hook = script(
        tmp_path / "hook",
        f'sh -c \'trap "" TERM; sh -c "echo \\$\\$ >{grandchild}; while :; do sleep 0.1; done" & '
        f"echo $$ >{child}; wait' &\necho waiting\nwait\n",
    )
    outcome = run_hook([hook], ENV, 0.5)
    assert (outcome.timed_out, outcome.exit_status, outcome.output) == (True, EXIT_TIMED_OUT, "waiting\n")
    assert 0.5 <= outcome.seconds < 8
    assert soon(lambda: not lives(number_in(child)))
    assert soon(lambda: not lives(number_in(grandchild)))


def test_timeout_is_no_success_whatever_the_hook_says(tmp_path: Path) -> None:
    """A hook that makes exit 0 of its SIGTERM still failed, and what it said last is kept."""
    hook = script(tmp_path / "hook", "trap 'echo bye; exit 0' TERM\nwhile :; do sleep 0.05; done\n")
    outcome = run_hook([hook], ENV, 0.3)
    assert (outcome.exit_status, outcome.timed_out) == (EXIT_TIMED_OUT, True)
    assert outcome.output.endswith("bye\n")
    assert outcome.seconds < 2, "the grace is not waited for when all have ended"


def test_a_daemon_that_inherits_the_output_neither_hangs_nor_dies(tmp_path: Path) -> None:
    """A hook that leaves a daemon behind returns at once; the daemon lives and may go on writing."""
    pid, wrote = tmp_path / "pid", tmp_path / "wrote"
    go = tmp_path / "go"
    daemon = f"echo $$ >{pid}; until [ -e {go} ]; do sleep 0.02; done; echo; echo $? >{wrote}; sleep 60"
    begin = time.monotonic()
    status, _output = sh(f"setsid sh -c '{daemon}' & until [ -s {pid} ]; do :; done; exit 0")
    assert status == 0
    assert time.monotonic() - begin < 5
    daemon_pid = number_in(pid)
    try:
        go.touch()
        assert soon(wrote.exists), "the daemon got past its write"
        assert lives(daemon_pid)
    finally:
        os.killpg(daemon_pid, signal.SIGKILL)


def test_background_process_in_the_same_group_is_let_live(tmp_path: Path) -> None:
    """Also a daemon without a session of its own outlives a hook that ended by itself."""
    pid = tmp_path / "pid"
    sh(f"sleep 60 & echo $! >{pid}")
    daemon_pid = number_in(pid)
    assert lives(daemon_pid)
    os.kill(daemon_pid, signal.SIGKILL)


def test_output_is_bounded_to_its_end() -> None:
    """Of long output the last lines are kept, whole, behind a mark."""
    _status, output = sh("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done")
    lines = output.splitlines()
    assert lines[0] == "[…]"
    assert lines[1].startswith("line ")
    assert lines[-1] == "line 3000"
    assert OUTPUT_TAIL - 20 < len(output.encode()) <= OUTPUT_TAIL + 6


def test_a_flood_of_output_does_not_fill_memory(tmp_path: Path) -> None:
    """Gigabytes of output are dropped while they come; the hook goes on and its last words are kept."""
    hook = script(tmp_path / "hook", "head -c 1G /dev/zero | tr '\\0' x; echo; echo last words\n")
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
            seen.append(int(fields["Shmem"].split()[0]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        outcome = run_hook([hook], ENV, 60)
    finally:
        done.set()
        watcher.join()
    assert outcome.exit_status == 0
    assert outcome.output.endswith("last words\n")
    assert max(seen) - min(seen) < 600_000, "KiB of shared memory, of the 1 GiB that were written"


def test_reopening_standard_error_works() -> None:
    """`> /dev/stderr` and tee, which open the file anew, work and leave no holes."""
    status, output = sh("set -e; echo a; echo b >/dev/stderr; echo c; echo d | tee -a /dev/stderr; echo e")
    assert status == 0
    assert output.endswith("b\nc\nd\nd\ne\n")


def test_undecodable_output_and_terminal_controls() -> None:
    """Bytes that are no UTF-8 are replaced; what could drive a terminal is dropped."""
    assert sh(r"printf 'caf\351 \033]0;title\007 ok\r\n'") == (0, "caf� ]0;title ok\n")


def test_on_start_is_called_while_the_hook_runs(tmp_path: Path) -> None:
    """What wants to know that a hook has begun is told before it has ended."""
    hook = script(tmp_path / "hook", f"until [ -e {tmp_path}/told ]; do sleep 0.01; done\n")
    assert run_hook([hook], ENV, 10, on_start=(tmp_path / "told").touch).exit_status == 0


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_interruption_ends_the_group(tmp_path: Path, interruption: type[BaseException]) -> None:
    """Ctrl-C or SystemExit while a hook runs leaves nothing of it behind, and goes on upwards."""
    pid = tmp_path / "pid"
    hook = script(tmp_path / "hook", f"sleep 60 & echo $! >{pid}; wait\n")

    def interrupt() -> None:
        number_in(pid)
        raise interruption

    with pytest.raises(interruption):
        run_hook([hook], ENV, 30, on_start=interrupt)
    assert soon(lambda: not lives(number_in(pid)))


def test_ctrl_c_on_a_terminal_ends_the_group(tmp_path: Path) -> None:
    """A real SIGINT to certctl, which the hook's own session does not get, ends the hook too."""
    pid = tmp_path / "pid"
    hook = script(tmp_path / "hook", f"echo $$ >{pid}; exec sleep 60\n")
    program = f"from certctl.deploy.process import run_hook; run_hook([{hook!r}], {ENV!r}, 30)"
    parent = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    hook_pid = number_in(pid)
    parent.send_signal(signal.SIGINT)
    _out, err = parent.communicate(timeout=10)
    assert b"KeyboardInterrupt" in err
    assert soon(lambda: not lives(hook_pid))


def test_ctrl_c_while_a_hook_starts_ends_it(tmp_path: Path) -> None:
    """A SIGINT before anybody knows that the hook runs is felt as soon as it is known."""
    pid = tmp_path / "pid"
    hook = script(tmp_path / "hook", f"echo $$ >{pid}; exec sleep 60\n")
    program = f"""
import os, signal, subprocess
from certctl.deploy.process import run_hook

class Interrupted(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        while not os.path.exists({str(pid)!r}):
            pass
        os.kill(os.getpid(), signal.SIGINT)

subprocess.Popen = Interrupted
run_hook([{hook!r}], {ENV!r}, 30)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=20)
    assert b"KeyboardInterrupt" in ended.stderr
    assert soon(lambda: not lives(number_in(pid)))


def test_hooks_run_without_pidfd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel has no pidfd_open, waiting works all the same."""

    def absent(pid: int, flags: int = 0) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", absent)
    assert sh("sleep 0.1; echo done") == (0, "done\n")
    assert run_hook(["/bin/sleep", "60"], ENV, 0.2).timed_out


def test_waiting_costs_no_processor_time() -> None:
    """A hook is waited for asleep."""
    before = time.process_time()
    run_hook(["/bin/sleep", "0.6"], ENV, 10)
    assert time.process_time() - before < 0.15


def refusal(argv: list[str], env: dict[str, str] | None = None) -> CertctlError:
    with pytest.raises(CertctlError) as caught:
        run_hook(argv, ENV if env is None else env, 10)
    return caught.value


def test_missing_program_is_named(tmp_path: Path) -> None:
    """A path without a file, and a name that PATH does not hold."""
    error = refusal([f"{tmp_path}/gone"])
    assert error.message == f"hook program {tmp_path}/gone does not exist"
    error = refusal(["certctl-no-such-program"])
    assert error.message == f"hook program 'certctl-no-such-program' is not in PATH ({ENV['PATH']})"


def test_program_that_is_not_executable(tmp_path: Path) -> None:
    """The chmod to type is given."""
    hook = script(tmp_path / "hook", "exit 0\n", 0o644)
    error = refusal([hook])
    assert (error.message, error.hint) == (f"hook program {hook} is not executable", f"chmod 755 {hook}")
    assert refusal(["hook"], {"PATH": str(tmp_path)}).message == f"hook program {hook} is not executable"
    assert refusal([str(tmp_path)]).message == f"hook program {tmp_path} is a directory"


def test_program_without_a_usable_interpreter(tmp_path: Path) -> None:
    """Missing interpreter, DOS line ends and no first line at all are told apart."""
    hook = script(tmp_path / "hook", "#!/no/such/sh -e\n")
    assert "its interpreter /no/such/sh does not exist" in refusal([hook]).message
    script(tmp_path / "hook", "#!/bin/sh\r\nexit 0\r\n")
    assert refusal([hook]).hint == f"sed -i 's/\\r$//' {hook}"
    (tmp_path / "hook").write_text("exit 0\n")
    assert "does not say in its first line what runs it" in refusal([hook]).message
