"""Files with Diffie-Hellman parameters: large enough, not too large, honest primes, or better none at all."""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from typing import NamedTuple

from certctl.doctor.finding import Finding, Place
from certctl.servers.files import Content, read

_BEGIN, _END = b"-----BEGIN DH PARAMETERS-----", b"-----END DH PARAMETERS-----"
_ROUNDS = (2, 3, 5, 7)
"""Bases of the test: enough to catch a prime that was never safe, not a proof against forgers."""


class Advice(NamedTuple):
    """What the server at hand thinks of parameters of one's own."""

    without: str
    """What to type to have none; empty: it needs a file."""
    why: str
    largest: int = 0
    """More bits do harm there; 0: any size."""
    reload: str = ""


def check_dh(place: Place, path: str, advice: Advice) -> Iterator[Finding]:
    """Check the DH parameter file *path*."""
    make = f"certctl dhparam, or openssl dhparam -out {path} 2048; then {advice.reload}"
    content = read(path)
    if not isinstance(content, Content):
        yield place.warning(f"dh-{content.kind}", f"{content.message}: its DH parameters are not used", make)
        return
    prime = read_prime(content.data)
    if prime is None:
        yield place.warning("dh-broken", f"{path} holds no DH parameters (PKCS #3 PEM)", make)
        return
    bits = prime.bit_length()
    if bits < 2048:
        yield place.warning(
            "dh-small", f"{path}: a DH prime of {bits} bits can be broken", advice.without or make
        )
    elif advice.largest and bits > advice.largest:
        yield place.warning(
            "dh-large",
            f"{path}: a DH prime of {bits} bits is slow, and refused by some peers",
            advice.without or make,
        )
    if not _is_safe(prime):
        yield place.warning(
            "dh-not-safe",
            f"{path}: the DH prime is not a safe prime (made with -dsaparam, or not prime at all)",
            advice.without or make,
        )
    if advice.without:
        yield place.info("dh-needless", f"{path}: {advice.why}", advice.without)


def read_prime(data: bytes) -> int | None:
    """Return the prime of the first DH PARAMETERS block; None if there is none. Text around it is free."""
    start = data.find(_BEGIN)
    end = data.find(_END, start)
    if start < 0 or end < 0:
        return None
    try:
        der = binascii.a2b_base64(data[start + len(_BEGIN) : end])
    except binascii.Error:
        return None
    outer = _element(der, 0x30)
    number = _element(outer, 0x02) if outer is not None else None
    return int.from_bytes(number, "big") if number else None


def _element(der: bytes, tag: int) -> bytes | None:
    """Return the content of the DER element at the start of *der* (X.690 §8.1)."""
    if len(der) < 2 or der[0] != tag:
        return None
    start, length = 2, der[1]
    if length >= 0x80:
        start, length = 2 + length - 0x80, int.from_bytes(der[2 : 2 + length - 0x80], "big")
    content = der[start : start + length]
    return content if len(content) == length else None


def _is_safe(prime: int) -> bool:
    return _is_probably_prime(prime) and _is_probably_prime(prime // 2)


def _is_probably_prime(number: int) -> bool:
    """Miller-Rabin with a few fixed bases."""
    if number < 9 or number % 2 == 0:
        return number in (2, 3, 5, 7)
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in _ROUNDS:
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True
