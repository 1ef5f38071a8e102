"""Bad DH parameters are refused: at first sight where that is possible, else by whoever can test primes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certctl.dhparam import confirmers, ffdhe, pem
from certctl.dhparam.check import DHFacts, check_pem, confirm
from certctl.dhparam.pem import DHParameters
from certctl.dhparam.progress import SearchStoppedError
from certctl.errors import CertctlError
from tests.unit.dhparam_samples import COMPOSITE, DSAPARAM, SAFE, SAFE_11, UNSAFE
from tests.unit.dhparam_samples import pem as sample

HALF_IS_EVEN = next(n for n in range(SAFE + 2, SAFE + 4000, 4) if all(n % d for d in range(3, 100)))
EVERYBODY = pytest.mark.parametrize("by", list(confirmers.CONFIRMERS))


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


@EVERYBODY
@pytest.mark.parametrize("p", [SAFE, SAFE_11], ids=["23 mod 24", "11 mod 24"])
@pytest.mark.parametrize("g", [2, 5])
def test_good_parameters_are_confirmed(by: str, p: int, g: int) -> None:
    """Safe primes of both classes pass with everybody, who say who they are."""
    who = confirm(sample(p, g), by=by, min_bits=512)
    assert {"openssl": "openssl dhparam -check", "cryptography": "cryptography ", "python": "certctl's own"}[
        by
    ] in who
    assert ("lucas" in who) == (by != "python")


@EVERYBODY
@pytest.mark.parametrize("p", [COMPOSITE, UNSAFE], ids=["composite", "not safe"])
def test_bad_primes_are_refused(by: str, p: int) -> None:
    """A composite p, and a prime p with a composite half, are refused by everybody."""
    with pytest.raises(CertctlError, match=r"^dh\.pem: .* says so\)$") as caught:
        confirm(sample(p), by=by, min_bits=512, name="dh.pem")
    assert not caught.value.transient


@EVERYBODY
def test_groups_of_the_rfc_are_confirmed_at_once(by: str) -> None:
    """All groups of the RFC pass with everybody, without minutes of primality tests."""
    start = time.process_time()
    for bits in ffdhe.SIZES:
        assert confirm(pem.encode(ffdhe.group(bits)), by=by)
    assert time.process_time() - start < 5


def test_openssl_comes_first(require_program: Callable[[str], str]) -> None:
    """Where the program openssl is, it is asked."""
    require_program("openssl")
    assert confirm(sample(SAFE), min_bits=512) == "openssl dhparam -check and a strong lucas test"


def test_fallbacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without openssl it is cryptography that is asked, and without its finite-field DH our own tests."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert confirm(sample(SAFE), min_bits=512).startswith("cryptography ")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.dh", None)
    monkeypatch.delattr("cryptography.hazmat.primitives.asymmetric.dh", raising=False)
    assert confirm(sample(SAFE), min_bits=512) == "certctl's own baillie-psw test"
    with pytest.raises(CertctlError, match="cryptography is not installed here, or cannot tell"):
        confirm(sample(SAFE), by="cryptography", min_bits=512)


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


@pytest.mark.parametrize(
    ("p", "g", "said"),
    [
        (SAFE, 2, None),
        (COMPOSITE, 2, {"check p not prime", "p value is not prime"}),
        (SAFE - SAFE % 30 + 15, 2, {"check p not prime", "p value is not prime"}),
        (UNSAFE, 2, {"check p not safe prime", "p value is not a safe prime"}),
        (SAFE, 1, {"not suitable generator", "the g value is not a generator"}),
        (SAFE, SAFE - 1, {"not suitable generator", "the g value is not a generator"}),
    ],
)
def test_openssl_is_understood(
    p: int, g: int, said: set[str] | None, require_program: Callable[[str], str]
) -> None:
    """What this openssl prints of a good and of each kind of bad file is read as what it means."""
    require_program("openssl")
    answer = confirmers.by_openssl(DHParameters(p, g), lambda: None)
    assert answer is not None
    assert answer.problem is None if said is None else answer.problem in said


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("WARNING: p value is not prime", "p value is not prime"),
        ("WARNING: p value is not a safe prime", "p value is not a safe prime"),
        ("WARNING: the g value is not a generator", "the g value is not a generator"),
        (
            "802B7AA6DB7F0000:error:02800076:Diffie-Hellman routines:DH_check_ex:check p not safe prime:a:1:",
            "check p not safe prime",
        ),
    ],
)
@pytest.mark.parametrize("status", [0, 1])
def test_refusals_of_other_versions_are_understood(
    said: str, problem: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What OpenSSL 1.1.1 (which exits 0 all the same) and 3.0 print of bad files is a refusal."""
    _openssl(tmp_path, monkeypatch, f"cat >/dev/null; echo '{said}' >&2; exit {status}")
    with pytest.raises(CertctlError, match=problem):
        confirm(sample(SAFE), min_bits=512)


@pytest.mark.parametrize(
    "script",
    [
        "exit 0",
        "exit 1",
        "echo 'DH parameters appear to be ok.'; exit 1",
        "echo 'WARNING: unable to check the generator value' >&2",
        "echo 'unknown option -check' >&2; exit 1",
        "echo 'DH parameters appear to be ok.'; kill -9 $$",
    ],
)
def test_no_verdict_is_no_confirmation(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An openssl that crashes, or says neither yes nor no, is passed over for the next in order."""
    _openssl(tmp_path, monkeypatch, script)
    assert confirm(sample(SAFE), min_bits=512).startswith("cryptography ")


def test_stop_ends_a_confirmation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a process is waited for, stop is asked, and the process is gone afterwards."""
    monkeypatch.chdir(tmp_path)
    _openssl(tmp_path, monkeypatch, "echo $$ > new; mv new pid; exec sleep 60")
    start = time.monotonic()
    with pytest.raises(SearchStoppedError):
        confirm(sample(SAFE), min_bits=512, stop=(tmp_path / "pid").exists)
    assert time.monotonic() - start < 5
    pid = (tmp_path / "pid").read_text().strip()
    assert not Path(f"/proc/{pid}").exists()


def test_importing_the_checks_is_cheap() -> None:
    """Neither hashlib, subprocess nor ctypes is loaded before something is checked."""
    script = (
        "import sys; before = set(sys.modules); import certctl.dhparam.check, certctl.dhparam.pem;"
        "print(sorted(m for m in set(sys.modules) - before if not m.startswith('certctl')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(eval(done.stdout)) & {"hashlib", "subprocess", "ctypes", "cryptography", "threading"}


def _openssl(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program called openssl first on the path."""
    program = directory / "openssl"
    program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))
