"""Bad DH parameters are refused: at first sight where that is possible, else by primality tests."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certctl.dhparam import ffdhe, pem
from certctl.dhparam.check import DHFacts, check_pem, confirm
from certctl.dhparam.pem import DHParameters
from certctl.dhparam.progress import SearchStoppedError
from certctl.errors import CertctlError
from tests.unit.dhparam_samples import COMPOSITE, DSAPARAM, SAFE, SAFE_11, UNSAFE
from tests.unit.dhparam_samples import pem as sample

HALF_IS_EVEN = next(n for n in range(SAFE + 2, SAFE + 4000, 4) if all(n % d for d in range(3, 100)))


def test_facts() -> None:
    """Size, generator, private value length, kind and the file's digest are read off a good file."""
    file = b"# mine\n" + sample(SAFE, 5, 300)
    facts = check_pem(file, min_bits=512)
    assert facts == DHFacts(512, 5, 300, "generate", sha256(file).hexdigest())


@pytest.mark.parametrize("bits", ffdhe.SIZES)
def test_groups_of_the_rfc_are_told(bits: int) -> None:
    """The primes of RFC 7919 are recognised by themselves, whatever the file looks like otherwise."""
    group = ffdhe.group(bits)
    facts = check_pem(pem.encode(group._replace(length=None)))
    assert (facts.bits, facts.kind) == (bits, "ffdhe")


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (sample(SAFE >> 1), "the prime has 511 bits, at least 512 are needed"),
        (sample(1 << 10000 | 1), "the prime has 10001 bits, more than the 10000 that openssl can use"),
        (sample(SAFE + 1), "what should be a prime has a small factor"),
        (sample(SAFE - SAFE % 30 + 15), "what should be a prime has a small factor"),
        (sample(HALF_IS_EVEN), "the prime is not a safe prime: half of it has a small factor"),
        (sample(SAFE, 1), "the generator is not suitable"),
        (sample(SAFE, SAFE - 1), "the generator is not suitable"),
        (sample(SAFE, SAFE + 2), "the generator is not suitable"),
        (sample(ffdhe.group(2048).p, 5), "the generator is not suitable: with the primes of rfc 7919"),
        (sample(SAFE, 2, 160), "private values of 160 bits do not suit a prime of 512 bits"),
        (sample(SAFE, 2, 512), "private values of 512 bits do not suit a prime of 512 bits"),
        (DSAPARAM, "the prime is not a safe prime (it is of the kind that -dsaparam makes)"),
    ],
)
def test_faults_at_first_sight(file: bytes, problem: str) -> None:
    """Each fault that shows without a primality test is named, after the name of the file."""
    for check in (check_pem, confirm):
        with pytest.raises(CertctlError) as caught:
            check(file, min_bits=512, name="dh.pem")
        assert caught.value.message.startswith(f"dh.pem: {problem}")


def test_small_primes_are_refused_by_default() -> None:
    """Without further words 2048 bits are demanded."""
    with pytest.raises(CertctlError, match="512 bits, at least 2048 are needed"):
        check_pem(sample(SAFE))


@given(st.integers(1, 1 << 600), st.integers(1, 1 << 600), st.none() | st.integers(1, 1 << 20))
def test_any_numbers_give_facts_or_an_error_of_ours(p: int, g: int, length: int | None) -> None:
    """However strange the numbers, nothing but facts or a CertctlError comes out."""
    try:
        facts = check_pem(pem.encode(DHParameters(p, g, length)), min_bits=0)
    except CertctlError:
        return
    assert facts.bits == p.bit_length() >= 64


@pytest.mark.parametrize("p", [SAFE, SAFE_11], ids=["23 mod 24", "11 mod 24"])
@pytest.mark.parametrize("g", [2, 5])
def test_good_parameters_are_confirmed(p: int, g: int) -> None:
    """Safe primes of both classes pass, and it is said who tested them."""
    assert confirm(sample(p, g), min_bits=512) == "certctl's own baillie-psw test"


@pytest.mark.parametrize("p", [COMPOSITE, UNSAFE], ids=["composite", "not safe"])
def test_bad_primes_are_refused(p: int) -> None:
    """A composite p, and a prime p with a composite half, are refused."""
    with pytest.raises(CertctlError, match=r"^dh\.pem: .* says so\)$") as caught:
        confirm(sample(p), min_bits=512, name="dh.pem")
    assert not caught.value.transient


def test_groups_of_the_rfc_are_confirmed_at_once() -> None:
    """All groups of the RFC pass without minutes of primality tests."""
    start = time.process_time()
    for bits in ffdhe.SIZES:
        assert confirm(pem.encode(ffdhe.group(bits))) == "the table of rfc 7919"
    assert time.process_time() - start < 1


def test_dsaparam_is_refused(require_program: Callable[[str], str]) -> None:
    """What openssl dhparam -dsaparam makes is refused in both of the forms that openssl has written it in."""
    made = subprocess.run(
        [require_program("openssl"), "dhparam", "-dsaparam", "512"], capture_output=True, check=True
    ).stdout
    old_form = made.replace(b"X9.42 ", b"")
    for file in (made, old_form):
        with pytest.raises(CertctlError):
            confirm(file, min_bits=512)
    parsed = subprocess.run(["openssl", "asn1parse"], input=made, capture_output=True, check=True).stdout
    p, g, _ = (int(line.rpartition(b":")[2], 16) for line in parsed.splitlines() if b"INTEGER" in line)
    with pytest.raises(CertctlError, match="safe prime"):
        confirm(sample(p, g), min_bits=512)


@pytest.mark.parametrize("p", [SAFE, COMPOSITE, UNSAFE], ids=["good", "composite", "not safe"])
def test_openssl_agrees(p: int, require_program: Callable[[str], str]) -> None:
    """openssl's own check gives the same verdict."""
    command = [require_program("openssl"), "dhparam", "-check", "-noout"]
    done = subprocess.run(command, input=sample(p), capture_output=True, check=False)
    refused = done.returncode != 0 or b"WARNING" in done.stderr
    assert refused == (p != SAFE)


def test_stop_ends_a_confirmation() -> None:
    """While numbers are tested, stop is asked again and again."""
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > 3

    with pytest.raises(SearchStoppedError):
        confirm(sample(SAFE), min_bits=512, stop=stop)
    assert len(asked) == 4


def test_importing_the_checks_is_cheap() -> None:
    """Neither hashlib, subprocess nor ctypes is loaded before something is checked."""
    script = (
        "import sys; before = set(sys.modules); import certctl.dhparam.check, certctl.dhparam.pem;"
        "print(sorted(m for m in set(sys.modules) - before if not m.startswith('certctl')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(eval(done.stdout)) & {"hashlib", "subprocess", "ctypes", "cryptography", "threading"}
