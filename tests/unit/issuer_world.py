"""Requests for issuers, and what OpenSSL thinks of their answers."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

from certctl.ports import Issued, IssueRequest, Waiting
from certctl.store.keys import generate
from certctl.x509.chain import check_chain
from certctl.x509.keys import key_facts
from tests.unit.x509_make import NOW

DAY = 86400.0
NAMES = ("mx.example.test", "192.0.2.25", "2001:db8::25", "*.example.test")


def request(
    work_dir: Path,
    *,
    algorithm: str = "ecdsa-p256",
    names: tuple[str, ...] = NAMES,
    validity: float = 90 * DAY,
    now: datetime = NOW,
    key_pem: bytes | None = None,
    replaces: bytes | None = None,
) -> IssueRequest:
    key_pem = key_pem or generate(algorithm)
    work_dir.mkdir(exist_ok=True)
    return IssueRequest("mx", 1, algorithm, names, key_pem, validity, now, str(work_dir), replaces)


def issued(answer: Issued | Waiting) -> Issued:
    assert isinstance(answer, Issued), answer
    return answer


def checked(answer: Issued | Waiting, asked: IssueRequest) -> Issued:
    """Return the answer once it passes the check that the engine makes before anything is kept."""
    answer = issued(answer)
    pin = key_facts(asked.key_pem).key.sha256
    check_chain(answer.chain, spki_sha256=pin, names=asked.names, now=asked.now, root=answer.root)
    return answer


def openssl_verify(directory: Path, answer: Issued, *options: str, now: datetime = NOW) -> str:
    """Verify the chain strictly against its root; return "OK" or what OpenSSL says."""
    assert answer.root is not None
    (directory / "v-root.pem").write_bytes(answer.root)
    (directory / "v-leaf.pem").write_bytes(answer.chain[0])
    (directory / "v-chain.pem").write_bytes(b"".join(answer.chain[1:]) or answer.chain[0])
    command = ["openssl", "verify", "-x509_strict", "-attime", str(int(now.timestamp())), *options]
    command += ["-CAfile", "v-root.pem", "-untrusted", "v-chain.pem", "v-leaf.pem"]
    ended = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    return "OK" if ended.returncode == 0 else ended.stderr + ended.stdout


def openssl_text(pem: bytes) -> str:
    command = ["openssl", "x509", "-noout", "-text"]
    return subprocess.run(command, input=pem, capture_output=True, check=True).stdout.decode()
