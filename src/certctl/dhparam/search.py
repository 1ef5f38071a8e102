"""The search for a safe prime, by the fastest means that this machine has."""

from __future__ import annotations

import os
from collections.abc import Callable

from certctl.dhparam.progress import Progress, SearchStoppedError, Watch, format_progress
from certctl.dhparam.sieve import SMALLEST_BITS
from certctl.errors import CertctlError

__all__ = ["BACKENDS", "Progress", "SearchStoppedError", "find_safe_prime", "format_progress"]


def find_safe_prime(
    bits: int,
    *,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    backend: str | None = None,
) -> int:
    """Return a random safe prime p = 2q + 1 of *bits*, p ≡ 23 (mod 24): 2 generates the subgroup of order q.

    *workers* (the usable processors) search at once. *progress* and *stop* are
    called in this thread some twenty times a second. Ctrl-C, *stop* and whatever
    they raise end the search within 0.3 s; no thread, process or file is left.
    The first of *BACKENDS* that this machine has does the work, or the named
    *backend*: CertctlError when it is missing or too old. SearchStoppedError when *stop* said so.
    """
    if bits < SMALLEST_BITS:
        raise CertctlError(f"a safe prime of {bits} bits is too small to be searched for", transient=False)
    count = workers if workers is not None else usable_processors()
    if count < 1:
        raise CertctlError(f"{count} workers cannot search", transient=False)
    watch = Watch(progress, stop)
    watch.poll()
    for name in [backend] if backend is not None else BACKENDS:
        p = BACKENDS[name](bits, count, watch)
        if p is not None:
            return _checked(p, bits, name)
    raise CertctlError(f"the search with {backend} cannot run: it is missing here, or too old")


def usable_processors() -> int:
    """Return on how many processors this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _with_libcrypto(bits: int, workers: int, watch: Watch) -> int | None:
    try:
        from certctl.dhparam import libcrypto, threads
    except ImportError:
        # A Python that was built without ctypes.
        return None
    library = libcrypto.load()
    return None if library is None else threads.search(library, bits, workers, watch)


def _with_gmpy2(bits: int, workers: int, watch: Watch) -> int | None:
    from importlib.util import find_spec

    if find_spec("gmpy2") is None:
        return None
    return _with_processes("gmpy2", bits, workers, watch)


def _with_openssl(bits: int, workers: int, watch: Watch) -> int | None:
    import shutil

    from certctl.dhparam import pem, race

    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    p = pem.decode(race.search_openssl(openssl, bits, workers, watch)).p
    # Before version 3 it made primes for which 2 generates the whole group, not the subgroup.
    return None if p % 24 == 11 else p


def _with_python(bits: int, workers: int, watch: Watch) -> int | None:
    return _with_processes("python", bits, workers, watch)


def _with_processes(arithmetic: str, bits: int, workers: int, watch: Watch) -> int:
    from certctl.dhparam import pem, race

    return pem.decode(race.search_python(arithmetic, bits, workers, watch)).p


# In the order of preference; each returns None where this machine lacks what it needs.
BACKENDS: dict[str, Callable[[int, int, Watch], int | None]] = {
    "libcrypto": _with_libcrypto,
    "gmpy2": _with_gmpy2,
    "openssl": _with_openssl,
    "python": _with_python,
}


def _checked(p: int, bits: int, backend: str) -> int:
    """Return *p* if it is of the kind that was asked for, whoever found it."""
    if p.bit_length() != bits or p % 24 != 23:
        raise CertctlError(
            f"the search with {backend} returned a prime of {p.bit_length()} bits that is {p % 24} modulo 24:"
            f" {bits} bits and 23 were wanted"
        )
    return p
