"""Every kind of issuer is made from its configuration, and imported only then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.issuers.build import build
from certctl.planning.spec import ISSUER_TYPES, AcmeOptions, CommandOptions, IssuerSpec, PrivateCaOptions

SPECS = {
    "self-signed": IssuerSpec("own", "self-signed"),
    "private-ca": IssuerSpec("office", "private-ca", private_ca=PrivateCaOptions()),
    "acme": IssuerSpec("le", "acme", acme=AcmeOptions("https://127.0.0.1:14000/dir", agree_tos=True)),
    "command": IssuerSpec("vault", "command", command=CommandOptions(("/bin/true",))),
    "csr": IssuerSpec("paper", "csr"),
}


@pytest.mark.parametrize("kind", ISSUER_TYPES)
def test_every_kind(tmp_path: Path, kind: str) -> None:
    """Making one keeps its configuration and touches no disk."""
    spec = SPECS[kind]
    assert build(spec, str(tmp_path)).spec == spec
    assert list(tmp_path.iterdir()) == []


def test_home(tmp_path: Path) -> None:
    """An issuer's own files lie under its name."""
    issuer = build(SPECS["private-ca"], str(tmp_path))
    assert getattr(issuer, "home", None) == f"{tmp_path}/issuers/office"


def test_unknown_kind(tmp_path: Path) -> None:
    """An unknown type is an error that names it."""
    with pytest.raises(CertctlError, match="there is no type 'magic'"):
        build(IssuerSpec("x", "magic"), str(tmp_path))


def test_imports_are_late() -> None:
    """Neither building an issuer nor the modules on the start-up path import cryptography."""
    code = """
import sys
from certctl.planning.spec import IssuerSpec
from certctl.x509 import certificate, chain, formats, pem
from certctl.store import keys
from certctl.issuers.build import build
for kind in ("self-signed", "private-ca", "csr"):
    build(IssuerSpec("x", kind), "/nonexistent")
heavy = ("cryptography", "subprocess", "logging", "pathlib", "dataclasses", "tempfile", "ipaddress")
print([name for name in heavy if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
