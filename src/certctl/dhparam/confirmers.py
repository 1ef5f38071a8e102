"""Who can say whether DH parameters are good: openssl, cryptography, and plain Python.

The first two are both OpenSSL's Miller-Rabin, which may have found the prime as
well; so a strong Lucas test in plain Python, of wholly another make, is asked first.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from certctl.dhparam import ffdhe, primality
from certctl.dhparam.pem import DHParameters, encode
from certctl.dhparam.primality import Poll

_OPENSSL_SECONDS = 300.0
_POLL = 0.05
_NOT_PRIME = "what should be a prime is not prime"
_NOT_SAFE = "the prime is not a safe prime: half of it is not prime"


class Answer(NamedTuple):
    """The verdict of *who*: what the *problem* is, None when there is none."""

    who: str
    problem: str | None


def by_openssl(parameters: DHParameters, poll: Poll) -> Answer | None:
    """Run `openssl dhparam -check`; None when there is no openssl, or its output is no verdict.

    Up to 1.1 it exits 0 whatever it finds and says "WARNING: …" on standard error;
    3 exits 1 and prints its error queue.
    """
    output = _run_openssl(encode(parameters), poll)
    if output is None:
        return None
    status, text = output
    who = "openssl dhparam -check"
    problems = [problem for line in text.splitlines() if (problem := _openssl_problem(line))]
    if problems:
        return Answer(who, ", ".join(problems))
    if status != 0 or "parameters appear to be ok" not in text:
        return None
    return _with_lucas(who, parameters, poll)


def by_cryptography(parameters: DHParameters, poll: Poll) -> Answer | None:
    """Let cryptography make a key of the *parameters*; None when it is too new to have finite-field DH."""
    import warnings

    p, g, _ = parameters
    with warnings.catch_warnings():
        # It announces the end of finite-field DH, which is why it is not asked alone.
        warnings.simplefilter("ignore")
        try:
            from cryptography import __version__
            from cryptography.exceptions import UnsupportedAlgorithm
            from cryptography.hazmat.primitives.asymmetric import dh
        except ImportError:
            return None
        who = f"cryptography {__version__}"
        try:
            # Only with a private key do all versions check the prime.
            x = 1 << 224
            public = dh.DHPublicNumbers(pow(g, x, p), dh.DHParameterNumbers(p, g))
            dh.DHPrivateNumbers(x, public).private_key()
        except UnsupportedAlgorithm:
            return None
        except ValueError as error:
            return Answer(who, str(error).rstrip(".").lower())
    return _with_lucas(who, parameters, poll)


def by_python(parameters: DHParameters, poll: Poll) -> Answer:
    """Test the prime with Baillie and PSW's test and random bases; the primes of RFC 7919 are known."""
    p = parameters.p
    if ffdhe.is_group(p):
        return Answer("the table of rfc 7919", None)
    who = "certctl's own baillie-psw test"
    if not primality.is_prime(p // 2, poll):
        return Answer(who, _NOT_SAFE)
    return Answer(who, None if primality.is_prime(p, poll) else _NOT_PRIME)


# In the order in which they are asked.
CONFIRMERS: dict[str, Callable[[DHParameters, Poll], Answer | None]] = {
    "openssl": by_openssl,
    "cryptography": by_cryptography,
    "python": by_python,
}


def _with_lucas(who: str, parameters: DHParameters, poll: Poll) -> Answer:
    """Return the verdict of strong Lucas tests of p and q, after *who* has found nothing."""
    p = parameters.p
    if ffdhe.is_group(p):
        return Answer(who, None)
    who += " and a strong lucas test"
    for n, problem in ((p, _NOT_PRIME), (p // 2, _NOT_SAFE)):
        if not primality.is_strong_lucas_probable_prime(n, poll):
            return Answer(who, problem)
    return Answer(who, None)


def _openssl_problem(line: str) -> str | None:
    """Return the fault that a *line* of openssl's states."""
    if line.startswith("WARNING: "):
        problem = line.removeprefix("WARNING: ")
        # Said (up to 1.0) of generators other than 2 and 5, which are as good.
        return None if problem.startswith("unable to check the generator") else problem
    fields = line.split(":")
    if "Diffie-Hellman routines" in fields[:-2]:
        return fields[fields.index("Diffie-Hellman routines") + 2]
    return None


def _run_openssl(pem: bytes, poll: Poll) -> tuple[int, str] | None:
    """Return exit status and output of openssl's check of *pem*; None when it did not end by itself."""
    import shutil
    import subprocess

    path = shutil.which("openssl")
    if path is None:
        return None
    deadline = monotonic() + _OPENSSL_SECONDS
    command = [path, "dhparam", "-check", "-noout"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            text: bytes | None = pem
            while True:
                poll()
                try:
                    output, _ = process.communicate(text, timeout=_POLL)
                    break
                except subprocess.TimeoutExpired:
                    # The first call has taken it; the next ones only go on.
                    text = None
                    if monotonic() > deadline:
                        return None
        finally:
            process.kill()
    return (process.returncode, output.decode(errors="replace")) if process.returncode >= 0 else None
