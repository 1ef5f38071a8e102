"""A search by child processes that race each other, each with candidates of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from selectors import EVENT_READ, DefaultSelector
from subprocess import DEVNULL, PIPE, Popen
from time import monotonic

from certctl.dhparam.progress import Meter, Watch
from certctl.dhparam.sieve import sieve_bound
from certctl.errors import CertctlError

_POLL = 0.05
# How long a modular exponentiation of 2048 bits takes about; it grows with the cube of the size.
_SECONDS_PER_TEST = {"python": 16e-3, "gmpy2": 1.8e-3}
# OpenSSL 3 strikes the multiples of 384 primes at 2048 bits.
_OPENSSL_BOUND = 2647

# The program openssl ignores broken pipes, so it would outlive a parent that is killed:
# before it is started, the kernel is asked (PR_SET_PDEATHSIG) to kill it then.
_MORTAL = """
import os, sys
parent, *command = sys.argv[1:]
try:
    from ctypes import CDLL
    CDLL(None).prctl(1, 9)
except (ImportError, OSError, AttributeError):
    pass
if os.getppid() == int(parent):
    os.execv(command[0], command)
"""
_WORKER = (
    "import sys; sys.path[:] = sys.argv.pop(1).split('\\n'); "
    "from certctl.dhparam.worker import main; main(*sys.argv[1:])"
)


def search_python(arithmetic: str, bits: int, workers: int, watch: Watch) -> bytes:
    """Return DH parameters of *bits* (PEM), found by Python processes with *arithmetic* gmpy2 or python."""
    bound = sieve_bound(bits, _SECONDS_PER_TEST[arithmetic] * (bits / 2048) ** 3, 1)
    # -I keeps the current directory off the path; what this process imports from is passed on instead.
    path = "\n".join(os.path.abspath(entry) for entry in sys.path if entry)
    command = [sys.executable, "-I", "-c", _WORKER, path, arithmetic, str(bits), str(bound)]
    return _search(command, bits, bound, workers, watch)


def search_openssl(openssl: str, bits: int, workers: int, watch: Watch) -> bytes:
    """Return DH parameters of *bits* (PEM), found by processes of the program *openssl*."""
    launcher = [sys.executable, "-I", "-S", "-c", _MORTAL, str(os.getpid())]
    return _search([*launcher, openssl, "dhparam", "-2", str(bits)], bits, _OPENSSL_BOUND, workers, watch)


def _search(command: list[str], bits: int, bound: int, workers: int, watch: Watch) -> bytes:
    meter = Meter(bits, watch)
    meter.start_tests(bound)
    return race(command, workers, meter.tell)


def race(command: list[str], count: int, tell: Callable[[int], None]) -> bytes:
    """Run *command* *count* times at once and return the standard output of the first that succeeds.

    Each child writes a dot to standard error for each candidate that it tests; *tell*
    gets their number, and may raise. All children are gone when this returns or
    raises. When this process is killed, they ought to end at the next dot.
    """
    children: list[Popen[bytes]] = []
    try:
        for _ in range(count):
            children.append(Popen(command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE))
        return _first_output(children, tell)
    finally:
        for child in children:
            child.kill()
        for child in children:
            # Closes the pipes and waits.
            child.__exit__(None, None, None)


def _first_output(children: list[Popen[bytes]], tell: Callable[[int], None]) -> bytes:
    """Read from all *children* until one has ended well, and return what it wrote."""
    outputs = [bytearray() for _ in children]
    dots, said, told = 0, b"", 0.0
    with DefaultSelector() as selector:
        for n, child in enumerate(children):
            assert child.stdout is not None
            assert child.stderr is not None
            selector.register(child.stdout, EVENT_READ, n)
            selector.register(child.stderr, EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(_POLL):
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    selector.unregister(key.fileobj)
                if key.data is None:
                    dots += chunk.count(b".")
                    said = (said + chunk)[-400:]
                    continue
                outputs[key.data] += chunk
                if not chunk and children[key.data].wait() == 0 and outputs[key.data]:
                    tell(dots)
                    return bytes(outputs[key.data])
            if monotonic() - told >= _POLL:
                tell(dots)
                told = monotonic()
    last = said.decode(errors="replace").strip().rpartition("\n")[2]
    raise CertctlError(f"no dh parameters were found, the search ended with {last!r}")
