"""What the tests of the private CA have in common."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from certctl.issuers.private_ca import PrivateCaIssuer
from certctl.planning.spec import IssuerSpec, PrivateCaOptions
from tests.unit.x509_make import NOW

FILES = ("root.key", "root.pem", "intermediate.key", "intermediate.pem")


def home(tmp_path: Path) -> Path:
    return tmp_path / "state" / "issuers" / "office"


def ca(tmp_path: Path, options: PrivateCaOptions | None = None, kept: Sequence[str] = ()) -> PrivateCaIssuer:
    """*kept*: certificates that it has given, and that are still there."""
    spec = IssuerSpec("office", "private-ca", private_ca=options)
    return PrivateCaIssuer(spec, str(home(tmp_path)), lambda: kept)


def contents(tmp_path: Path) -> dict[str, bytes]:
    return {name: (home(tmp_path) / name).read_bytes() for name in FILES if (home(tmp_path) / name).exists()}


def at(days: float) -> datetime:
    return NOW + timedelta(days=days)
