"""The search for a safe prime: libcrypto's tests in threads, which run at once; else Python's own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from certctl.dhparam import primality, sieve
from certctl.dhparam.progress import Meter, Progress, Watch
from certctl.errors import CertctlError

if TYPE_CHECKING:
    from certctl.dhparam.libcrypto import Library, Pace

_POLL = 0.05
# What plain Python takes for a modular exponentiation of 2048 bits; it grows with the cube of the size.
_SECONDS_PER_TEST = 16e-3

T = TypeVar("T")


def find_safe_prime(
    bits: int,
    *,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> int:
    """Return a random safe prime p = 2q + 1 of *bits*, p ≡ 23 (mod 24): 2 generates the subgroup of order q.

    *workers* threads (as many as there are usable processors) search at once. *progress*
    and *stop* are called in this thread some twenty times a second. Ctrl-C, *stop* and
    whatever they raise end the search within 0.3 s; no thread is left. Without a
    libcrypto that will do, plain Python searches, ten times as slowly, in this thread.

    SearchStoppedError when *stop* said so.
    """
    if bits < sieve.SMALLEST_BITS:
        raise CertctlError(f"a safe prime of {bits} bits is too small to be searched for", transient=False)
    count = workers if workers is not None else usable_processors()
    if count < 1:
        raise CertctlError(f"{count} workers cannot search", transient=False)
    watch = Watch(progress, stop)
    watch.poll()
    library = _library()
    p = search_plainly(bits, watch) if library is None else search(library, bits, count, watch)
    if p.bit_length() != bits or p % 24 != 23:
        raise CertctlError(
            f"the search returned a prime of {p.bit_length()} bits that is {p % 24} modulo 24:"
            f" {bits} bits and 23 were wanted"
        )
    return p


def usable_processors() -> int:
    """Return on how many processors this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _library() -> Library | None:
    try:
        from certctl.dhparam import libcrypto
    except ImportError:
        # A Python that was built without ctypes.
        return None
    return libcrypto.load()


def search_plainly(bits: int, watch: Watch, *, width: int | None = None) -> int:
    """Do what *search* does, in plain Python and this thread."""
    meter = Meter(bits, watch)
    width = width or sieve.window_width(bits)
    bound = sieve.sieve_bound(bits, _SECONDS_PER_TEST * (bits / 2048) ** 3, 1)
    tested = 0
    while True:
        window = sieve.survivors(sieve.random_start(bits, width), width, bound, partial(meter.tell, tested))
        meter.start_tests(bound)
        for q in window:
            meter.tell(tested)
            tested += 1
            p = 2 * q + 1
            # 2 is a square modulo p; see libcrypto.Tester.euler, which says why p needs no more than this.
            if pow(2, q, p) == 1 and pow(2, q - 1, q) == 1 and primality.is_prime(q, watch.poll):
                meter.tell(tested)
                return p


def search(
    library: Library,
    bits: int,
    workers: int,
    watch: Watch,
    *,
    tempo: Pace | None = None,
    width: int | None = None,
) -> int:
    """Return a random safe prime p ≡ 23 (mod 24) of *bits*.

    *watch* is called in this thread. Whatever it raises (or Ctrl-C does) ends the
    search after the tests in hand; no thread is left behind. *tempo* is measured, and
    the *width* of the windows computed, unless they are given.
    """
    from certctl.dhparam.libcrypto import pace

    meter = Meter(bits, watch)
    width = width or sieve.window_width(bits)
    tempo = tempo or pace(library, sieve.random_start(bits, width))
    bound = sieve.sieve_bound(bits, tempo.seconds, workers)
    tested = 0
    while True:
        window = sieve.survivors(sieve.random_start(bits, width), width, bound, partial(meter.tell, tested))
        meter.start_tests(bound)
        candidates = _Candidates(window, tested)
        hunt = partial(_hunt, library, candidates, 2 if tempo.paired else 1)
        while hits := [q for q in _run([hunt] * workers, candidates, meter) if q]:
            proofs = [partial(_prove, library, n) for n in (hits[0], 2 * hits[0] + 1)]
            if all(_run(proofs, candidates, meter)):
                meter.tell(candidates.drawn)
                return 2 * hits[0] + 1
        tested = candidates.drawn


class _Candidates:
    """A window's survivors, from which several threads draw."""

    def __init__(self, values: Iterator[int], drawn: int) -> None:
        self._values = values
        self._lock = threading.Lock()
        self.drawn = drawn

    def draw(self, count: int) -> list[int]:
        """Return the next *count* values, fewer at the end of the window."""
        with self._lock:
            values = list(islice(self._values, count))
            self.drawn += len(values)
            return values


def _hunt(library: Library, candidates: _Candidates, at_once: int, over: threading.Event) -> int | None:
    """Return the first q that passes a test as 2q + 1 does, and tell the other hunters that it is *over*.

    None when somebody else was first, and when the candidates have run out.
    """
    from certctl.dhparam.libcrypto import Tester

    with Tester(library) as tester:
        while not over.is_set() and (batch := candidates.draw(at_once)):
            passed = tester.euler_pair(*batch) if len(batch) == 2 else (tester.euler(batch[0]),)
            for q, good in zip(batch, passed, strict=True):
                if good and tester.fermat(q):
                    over.set()
                    return q
    return None


def _prove(library: Library, n: int, over: threading.Event) -> bool:
    from certctl.dhparam.libcrypto import Tester

    with Tester(library) as tester:
        return tester.is_prime(n, over.is_set)


def _run(tasks: Sequence[Callable[[threading.Event], T]], candidates: _Candidates, meter: Meter) -> list[T]:
    """Run each of the *tasks* in a thread of its own and return what they return, in any order.

    When one fails, or the meter's watch or Ctrl-C raises here, the event that all
    tasks were given is set, their ends are waited for, and the exception goes on.
    """
    over = threading.Event()
    ended: SimpleQueue[T | Exception] = SimpleQueue()

    def work(task: Callable[[threading.Event], T]) -> None:
        try:
            ended.put(task(over))
        except Exception as error:  # noqa: BLE001 - it is raised again in the caller's thread
            ended.put(error)

    threads = [threading.Thread(target=work, args=(task,), name="certctl-dhparam") for task in tasks]
    results: list[T] = []
    try:
        for thread in threads:
            thread.start()
        while len(results) < len(tasks):
            try:
                result = ended.get(timeout=_POLL)
            except Empty:
                meter.tell(candidates.drawn)
                continue
            if isinstance(result, Exception):
                raise result
            results.append(result)
        return results
    finally:
        over.set()
        _join([thread for thread in threads if thread.ident is not None])


def _join(threads: Sequence[threading.Thread]) -> None:
    """Wait for the ends of all *threads*; a Ctrl-C meanwhile is raised after them."""
    interrupted: KeyboardInterrupt | None = None
    for thread in threads:
        while thread.is_alive():
            try:
                thread.join()
            except KeyboardInterrupt as error:
                interrupted = error
    if interrupted is not None:
        raise interrupted
