"""What openssl says of the files that certctl wrote."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\n.*?-----END \1-----\n", re.DOTALL)


def openssl(*args: str | Path, data: bytes | None = None) -> bytes:
    """Run openssl, which must succeed, and return its output."""
    done = subprocess.run(["openssl", *map(str, args)], input=data, capture_output=True, timeout=60)
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return done.stdout


def blocks(text: str) -> list[tuple[str, str]]:
    """The PEM blocks of a file: KEY or CERTIFICATE, and the text of each; nothing may stand between them."""
    found = [(match[1].replace("PRIVATE KEY", "KEY").split()[-1], match[0]) for match in BLOCK.finditer(text)]
    assert "".join(block for _, block in found) == text, "something stands between the blocks"
    return found


def read(path: Path) -> tuple[list[str], list[str]]:
    """The labels and the blocks of a PEM file."""
    found = blocks(path.read_text())
    return [label for label, _ in found], [block for _, block in found]


def key_spki(pem: str) -> bytes:
    """The DER public key of a private one."""
    return openssl("pkey", "-pubout", "-outform", "DER", data=pem.encode())


def key_pin(pem: str) -> str:
    """The SHA-256 fingerprint of the public half of the private key in *pem*."""
    return colons(key_spki(next(block for kind, block in blocks(pem) if kind == "KEY")))


def key_pair(path: Path, passphrase: str = "") -> None:
    """Make a key and a certificate for mx1.example.org as an admin would by hand, both in one file."""
    key, certificate = path.with_suffix(".k"), path.with_suffix(".c")
    secret = ["-passout", f"pass:{passphrase}"] if passphrase else ["-noenc"]
    subject = ["-subj", "/CN=mx1.example.org", "-addext", "subjectAltName=DNS:mx1.example.org"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    openssl("req", "-x509", "-days", "80", *kind, *secret, *subject, "-keyout", key, "-out", certificate)
    path.write_bytes(key.read_bytes() + certificate.read_bytes())
    path.chmod(0o600)
    key.unlink()
    certificate.unlink()


def certificate_spki(pem: str) -> bytes:
    """The DER public key of a certificate."""
    public = openssl("x509", "-noout", "-pubkey", data=pem.encode())
    return openssl("pkey", "-pubin", "-pubout", "-outform", "DER", data=public)


def der(pem: str) -> bytes:
    return openssl("x509", "-outform", "DER", data=pem.encode())


def colons(data: bytes, digest: str = "sha256") -> str:
    """A digest as Postfix writes it."""
    return hashlib.new(digest, data).digest().hex(":").upper()


def field(pem: str, option: str) -> str:
    """One line of `openssl x509`: -subject, -issuer, -serial, -enddate…"""
    return openssl("x509", "-noout", option, data=pem.encode()).decode().strip()


def names(pem: str) -> str:
    """The subject's alternative names."""
    return openssl("x509", "-noout", "-ext", "subjectAltName", data=pem.encode()).decode()


def verifies(leaf: str, chain: list[str], root: Path, tmp: Path) -> None:
    """Show that the leaf leads to the root through what is sent beside it."""
    (tmp / "leaf.check").write_text(leaf)
    (tmp / "chain.check").write_text("".join(chain))
    untrusted: list[str | Path] = ["-untrusted", tmp / "chain.check"] if chain else []
    openssl("verify", "-x509_strict", "-CAfile", root, *untrusted, tmp / "leaf.check")


def served(path: Path) -> str:
    """The key fingerprint of the first certificate in a file."""
    labels, found = read(path)
    return colons(certificate_spki(found[labels.index("CERTIFICATE")]))
