"""The groups of RFC 7919 are those of the RFC."""

from __future__ import annotations

import subprocess
from math import factorial

import pytest

from certctl.dhparam import ffdhe, pem
from certctl.errors import CertctlError
from tests.unit.dhparam_samples import openssl_3

# The X of appendix A.
OFFSETS = {2048: 560316, 3072: 2625351, 4096: 5736041, 6144: 15705020, 8192: 10965728}


def test_primes_follow_the_formula_of_the_rfc() -> None:
    """Each prime is 2^b - 2^(b-64) + (floor(2^(b-130) e) + X) 2^64 - 1."""
    assert list(ffdhe.SIZES) == list(OFFSETS)
    terms = 1200
    # e as a fraction: the series up to 1 / terms!, which is far less than 2^-8192.
    numerator = sum(factorial(terms) // factorial(k) for k in range(terms + 1))
    for bits, offset in OFFSETS.items():
        e = (numerator << (bits - 130)) // factorial(terms)
        assert ffdhe.group(bits).p == (1 << bits) - (1 << (bits - 64)) + ((e + offset) << 64) - 1


@pytest.mark.parametrize("bits", OFFSETS)
def test_openssl_knows_the_group(bits: int) -> None:
    """OpenSSL calls the parameters by the group's name, so its own table has the same numbers."""
    text = subprocess.run(
        [openssl_3(), "dhparam", "-text", "-noout"],
        input=pem.encode(ffdhe.group(bits)),
        capture_output=True,
        check=True,
    ).stdout
    assert f"ffdhe{bits}".encode() in text


def test_generator_two_is_of_prime_order() -> None:
    """All primes are 23 modulo 24, so 2 is a square and generates the subgroup of order q."""
    assert {(ffdhe.group(bits).p % 24, ffdhe.group(bits).g) for bits in ffdhe.SIZES} == {(23, 2)}


@pytest.mark.parametrize(("bits", "nearest"), [(1024, 2048), (2500, 2048), (2560, 3072), (10000, 8192)])
def test_other_sizes_name_the_nearest(bits: int, nearest: int) -> None:
    """For a size that the RFC lacks the error lists what there is, and the hint names the nearest."""
    with pytest.raises(CertctlError, match=f"no group of {bits} bits: it has 2048, 3072") as caught:
        ffdhe.group(bits)
    assert caught.value.hint == f"the nearest is bits = {nearest}"


def test_groups_are_recognised() -> None:
    """Only the very primes are taken for groups."""
    p = ffdhe.group(2048).p
    assert ffdhe.is_group(p)
    assert not ffdhe.is_group(p - 24)
    assert not ffdhe.is_group(23)


@pytest.mark.parametrize(
    ("bits", "private"), [(512, None), (2048, 225), (2049, 275), (3072, 275), (8192, 400), (9000, 512)]
)
def test_private_keys_are_as_long_as_the_size_deserves(bits: int, private: int | None) -> None:
    """The private value length is that of the RFC for the group, of the next one above for sizes between."""
    assert ffdhe.private_bits(bits) == private
