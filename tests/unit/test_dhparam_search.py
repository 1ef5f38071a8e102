"""Each way to search finds safe primes, tells how far it is, and ends when told without leaving anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from certctl.dhparam import libcrypto, search
from certctl.dhparam.primality import is_prime
from certctl.dhparam.progress import Progress, SearchStoppedError, Watch
from certctl.dhparam.search import find_safe_prime, usable_processors
from certctl.errors import CertctlError
from tests.unit.dhparam_samples import SAFE, SAFE_11, paired_library, system_library


@pytest.fixture(params=["libcrypto", "python"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way to search: with the system's libcrypto, and as on a machine that has none."""
    if request.param == "libcrypto":
        system_library()
    else:
        monkeypatch.setattr(libcrypto, "load", lambda: None)
    return str(request.param)


@pytest.mark.parametrize("workers", [1, 3])
def test_finds_safe_primes(backend: str, workers: int) -> None:
    """What is found has its size, is a safe prime with 2 as a generator of prime order, and is new."""
    found = {find_safe_prime(512, workers=workers) for _ in range(2)}
    assert len(found) == 2
    for p in found:
        assert p.bit_length() == 512
        assert is_prime(p)
        assert is_prime(p // 2)
        assert p % 24 == 23
        assert pow(2, p // 2, p) == 1


@pytest.mark.parametrize("bits", [64, 65, 100, 256, 1023])
def test_odd_sizes(bits: int) -> None:
    """Any size from 64 bits up is found exactly, by all processors, with whatever the machine has."""
    p = find_safe_prime(bits)
    assert p.bit_length() == bits
    assert is_prime(p)
    assert is_prime(p // 2)


def test_progress_is_told(backend: str) -> None:
    """The number of tested candidates and the time only grow, and all is told in the caller's thread."""
    seen: list[Progress] = []

    def progress(now: Progress) -> None:
        assert threading.current_thread() is here
        seen.append(now)

    here = threading.current_thread()
    bits = 1024 if backend == "python" else 2048
    with suppress(SearchStoppedError):
        find_safe_prime(bits, progress=progress, stop=lambda: seen[-1].tested > 3 if seen else False)
    assert [p.tested for p in seen] == sorted(p.tested for p in seen)
    assert [p.elapsed for p in seen] == sorted(p.elapsed for p in seen)
    assert seen[-1].bits == bits
    assert seen[-1].tested > 0
    assert seen[-1].expected > 300
    assert seen[-1].setup <= seen[-1].elapsed


def test_stop_leaves_nothing(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When stop says so, the search is over in a moment, without a thread, a process or a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = threading.active_count()
    asked: list[float] = []

    def stop() -> bool:
        if time.monotonic() - start > 0.4:
            asked.append(time.monotonic())
        return bool(asked)

    start = time.monotonic()
    with pytest.raises(SearchStoppedError):
        find_safe_prime(6144 if backend == "libcrypto" else 3072, stop=stop)
    # 0.3 s is the promise on a machine that has nothing else to do.
    assert time.monotonic() - asked[0] < 2
    assert threading.active_count() == before
    assert list(_children(os.getpid())) == []
    assert list(tmp_path.iterdir()) == []


def test_errors_of_the_callers_leave_nothing(backend: str) -> None:
    """What the progress callback raises comes out, and ends the search as well."""

    def progress(_: Progress) -> None:
        raise ZeroDivisionError

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        find_safe_prime(4096, progress=progress)
    assert threading.active_count() == before
    assert list(_children(os.getpid())) == []


INTERRUPTED = """
import os, sys, threading
from certctl.dhparam import libcrypto
from certctl.dhparam.search import find_safe_prime

if sys.argv[1] == "python":
    libcrypto.load = lambda: None

def progress(now):
    if now.tested:
        os.write(1, b"searching\\n")

try:
    while True:
        find_safe_prime(2048, workers=2, progress=progress)
except KeyboardInterrupt:
    try:
        left = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        left = "no child"
    print("interrupted", threading.active_count(), left)
"""


@pytest.fixture
def searcher(backend: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that searches again and again, in a directory of its own."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, backend],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": path},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"searching\n"
            yield process
        finally:
            process.kill()


def test_ctrl_c_leaves_nothing(searcher: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Ctrl-C ends the search in a moment with a KeyboardInterrupt, without a thread, a process or a file."""
    assert searcher.stdout is not None
    start = time.monotonic()
    searcher.send_signal(signal.SIGINT)
    last = searcher.communicate(timeout=30)[0].splitlines()[-1]
    assert time.monotonic() - start < 2
    assert last == b"interrupted 1 no child"
    assert list(tmp_path.iterdir()) == []


def test_without_anything_plain_python_searches(tmp_path: Path) -> None:
    """Where there is no libcrypto to load, a search works all the same."""
    script = """
import sys
def refuse(event, arguments):
    if event == "ctypes.dlopen" and "libcrypto" in str(arguments[0]):
        raise OSError("not found")
sys.addaudithook(refuse)
from certctl.dhparam import libcrypto
from certctl.dhparam.search import find_safe_prime
assert libcrypto.load() is None
print(find_safe_prime(256))
"""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {"PATH": str(tmp_path), "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    assert is_prime(int(done.stdout) // 2)


def test_unfit_primes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prime of the wrong size, or one for which 2 generates the whole group, is an error."""
    monkeypatch.setattr(libcrypto, "load", lambda: None)
    monkeypatch.setattr(search, "search_plainly", lambda *_: SAFE)
    with pytest.raises(CertctlError, match="returned a prime of 512 bits that is 23 modulo 24: 513 bits"):
        find_safe_prime(513)
    monkeypatch.setattr(search, "search_plainly", lambda *_: SAFE_11)
    with pytest.raises(CertctlError, match="that is 11 modulo 24"):
        find_safe_prime(512)


@pytest.mark.parametrize(("bits", "workers"), [(63, 1), (512, 0), (512, -2)])
def test_what_cannot_be_searched_is_refused(bits: int, workers: int) -> None:
    """Sizes below 64 bits and less than one worker are refused before anything begins."""
    with pytest.raises(CertctlError):
        find_safe_prime(bits, workers=workers)


def test_workers_default_to_the_usable_processors() -> None:
    """It is the processors that this process may use that count, not those of the machine."""
    assert usable_processors() == len(os.sched_getaffinity(0))


def test_a_search_with_pairs_works() -> None:
    """Threads that test two candidates at a time find as good primes as others."""
    library = paired_library()
    p = search.search(library, 256, 2, Watch(), tempo=libcrypto.Pace(True, 1e-5))
    assert p.bit_length() == 256
    assert is_prime(p)
    assert is_prime(p // 2)


def test_searches_go_on_to_the_next_window() -> None:
    """A search that finds nothing in a window starts a fresh one, and counts on."""
    seen: list[Progress] = []
    library = system_library()
    by_threads = search.search(library, 200, 3, Watch(seen.append), width=7)
    assert is_prime(search.search_plainly(200, Watch(), width=7) // 2)
    assert is_prime(by_threads // 2)
    assert [p.tested for p in seen] == sorted(p.tested for p in seen)


def _children(pid: int) -> Iterator[int]:
    """Yield the processes whose parent is *pid*, dead ones that nobody has waited for included."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _stat(int(entry))[1:2] == [str(pid)]:
            yield int(entry)


def _stat(pid: int) -> list[str]:
    """Return state, parent and so on of a process, nothing when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
