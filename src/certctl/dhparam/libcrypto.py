"""Primality tests by the system's libcrypto (OpenSSL 1.1 or 3), through ctypes.

ctypes gives up the interpreter's lock during a call, so testers in several
threads run at once. A tester serves one thread; a library serves all.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import NamedTuple

from certctl.errors import CertctlError

_NAMES = ("libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so")
_ROUNDS_OF_1_1 = 64
_PAIRED_SIZES = (1024, 1536, 2048)

_POINTER = ctypes.c_void_p
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, _POINTER)
_SIGNATURES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "OpenSSL_version": (ctypes.c_char_p, (ctypes.c_int,)),
    "BN_new": (_POINTER, ()),
    "BN_free": (None, (_POINTER,)),
    "BN_CTX_new": (_POINTER, ()),
    "BN_CTX_free": (None, (_POINTER,)),
    "BN_bin2bn": (_POINTER, (ctypes.c_char_p, ctypes.c_int, _POINTER)),
    "BN_is_one": (ctypes.c_int, (_POINTER,)),
    "BN_GENCB_new": (_POINTER, ()),
    "BN_GENCB_free": (None, (_POINTER,)),
    "BN_GENCB_set": (None, (_POINTER, _CALLBACK, _POINTER)),
    "BN_mod_exp_mont_word": (ctypes.c_int, (_POINTER, ctypes.c_ulong, *[_POINTER] * 4)),
}
_OPTIONAL_SIGNATURES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "BN_check_prime": (ctypes.c_int, (_POINTER, _POINTER, _POINTER)),
    "BN_is_prime_ex": (ctypes.c_int, (_POINTER, ctypes.c_int, _POINTER, _POINTER)),
    "BN_mod_exp_mont_consttime_x2": (ctypes.c_int, (_POINTER,) * 11),
}


class Library(NamedTuple):
    """A loaded libcrypto: its *version* as it names itself, and the functions."""

    version: str
    c: ctypes.CDLL


class Pace(NamedTuple):
    """How a size is tested best: two numbers in one call or one, and the *seconds* for each number."""

    paired: bool
    seconds: float


def load(path: str | None = None) -> Library | None:
    """Return the system's libcrypto (or that of *path*), None where there is none that will do.

    The dynamic linker searches, so no compiler and no ldconfig are asked. Note
    that cryptography's wheel has its own copy linked in, which exports nothing.
    """
    beside_python = [os.path.join(sys.base_prefix, "lib", name) for name in _NAMES]
    for name in [path] if path else [*_NAMES, *beside_python]:
        try:
            library = ctypes.CDLL(name)
            _declare(library)
            return Library(library.OpenSSL_version(0).decode(), library)
        except (OSError, AttributeError):
            continue
    return None


def _declare(library: ctypes.CDLL) -> None:
    """Set the C types of all functions used; AttributeError when one that is needed is missing."""
    wanted = dict(_SIGNATURES)
    wanted.update({n: s for n, s in _OPTIONAL_SIGNATURES.items() if hasattr(library, n)})
    if "BN_check_prime" not in wanted and "BN_is_prime_ex" not in wanted:
        raise AttributeError("BN_check_prime")
    for name, (result, arguments) in wanted.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


class Tester:
    """Tests numbers of any size, in one thread. Use it as a context manager: it holds C memory."""

    def __init__(self, library: Library) -> None:
        self._c = library.c
        self._context = self._c.BN_CTX_new()
        # Modulus, exponent, base and result, twice: for the paired test.
        self._numbers = [self._c.BN_new() for _ in range(8)]

    def __enter__(self) -> Tester:
        return self

    def __exit__(self, *_: object) -> None:
        for number in self._numbers:
            self._c.BN_free(number)
        self._c.BN_CTX_free(self._context)

    def fermat(self, q: int) -> bool:
        """Return whether 2^(q-1) ≡ 1 (mod q), as is true of every odd prime and of next to nothing else."""
        return self._power_of_two_is_one(q, q - 1)

    def euler(self, q: int) -> bool:
        """Return whether 2^q ≡ 1 modulo p = 2q + 1, which is true of every prime p ≡ 7 (mod 8).

        When q is prime besides, this proves p prime (Pocklington).
        """
        return self._power_of_two_is_one(2 * q + 1, q)

    def euler_pair(self, first: int, second: int) -> tuple[bool, bool]:
        """Do what *euler* does to two numbers in one call.

        OpenSSL's vector code wants bases that fill all words, and 1/2 modulo p is
        q + 1: its powers are 1 exactly where those of 2 are.
        """
        m1, e1, b1, r1, m2, e2, b2, r2 = self._numbers
        for q, m, e, b in ((first, m1, e1, b1), (second, m2, e2, b2)):
            self._set(m, 2 * q + 1)
            self._set(e, q)
            self._set(b, q + 1)
        done = self._c.BN_mod_exp_mont_consttime_x2(r1, b1, e1, m1, None, r2, b2, e2, m2, None, self._context)
        self._demand(done)
        return self._c.BN_is_one(r1) == 1, self._c.BN_is_one(r2) == 1

    def is_prime(self, n: int, stop: Callable[[], bool]) -> bool:
        """Return OpenSSL's verdict on *n*: trial division, then Miller-Rabin with as many bases as it likes.

        False, too, when *stop* (asked after each base) says so. OpenSSL 3 takes 64
        bases up to 2048 bits and 128 above; 1.1 would take few, so it is told to take 64.
        """
        number = self._numbers[0]
        self._set(number, n)
        # The object must live until the call is over, or C would call freed memory.
        callback = _CALLBACK(lambda _event, _round, _callback: 0 if stop() else 1)
        asker = self._c.BN_GENCB_new()
        try:
            self._c.BN_GENCB_set(asker, callback, None)
            if hasattr(self._c, "BN_check_prime"):
                verdict = self._c.BN_check_prime(number, self._context, asker)
            else:
                verdict = self._c.BN_is_prime_ex(number, _ROUNDS_OF_1_1, self._context, asker)
        finally:
            self._c.BN_GENCB_free(asker)
        if verdict < 0 and not stop():
            self._demand(0)
        return bool(verdict == 1)

    def _power_of_two_is_one(self, modulus: int, exponent: int) -> bool:
        # With a base of one word nearly all of the work is squaring: a fifth faster than the usual way.
        m, e, _, result = self._numbers[:4]
        self._set(m, modulus)
        self._set(e, exponent)
        self._demand(self._c.BN_mod_exp_mont_word(result, 2, e, m, self._context, None))
        return bool(self._c.BN_is_one(result) == 1)

    def _set(self, number: int, value: int) -> None:
        data = value.to_bytes((value.bit_length() + 7) // 8, "big")
        self._demand(self._c.BN_bin2bn(data, len(data), number))

    @staticmethod
    def _demand(result: int | None) -> None:
        if not result:
            raise CertctlError("libcrypto failed in the search for dh parameters", "is there enough memory?")


def pace(library: Library, q: int) -> Pace:
    """Measure, in a few tests of *q*, whether this machine tests such numbers faster in pairs.

    Pairs pay where OpenSSL has vector code (since 3.1, AVX-512 IFMA, a few sizes).
    """
    with Tester(library) as tester:
        single = _seconds(partial(tester.euler, q))
        if (2 * q + 1).bit_length() in _PAIRED_SIZES and hasattr(library.c, "BN_mod_exp_mont_consttime_x2"):
            paired = _seconds(partial(tester.euler_pair, q, q)) / 2
            if paired < single:
                return Pace(True, paired)
        return Pace(False, single)


def _seconds(test: Callable[[], object]) -> float:
    """Return the shorter of two runs, so that a busy machine misleads less."""
    times = []
    for _ in range(2):
        start = perf_counter()
        test()
        times.append(perf_counter() - start)
    return min(times)
