"""Makes the issuer that a configuration describes; each kind is imported only when it is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from certctl.errors import UsageError
from certctl.planning.spec import IssuerSpec
from certctl.ports import Issuer


def build(spec: IssuerSpec, state_dir: str, kept: Callable[[], Sequence[str]] = tuple) -> Issuer:
    """Return the issuer of *spec*, whose own files are in STATE_DIR/issuers/NAME, made on demand.

    *kept*: names of the certificates that there are of it, given together with a root of its own.
    """
    home = os.path.join(state_dir, "issuers", spec.name)
    if spec.type == "self-signed":
        from certctl.issuers.self_signed import SelfSignedIssuer

        return SelfSignedIssuer(spec, home)
    if spec.type == "private-ca":
        from certctl.issuers.private_ca import PrivateCaIssuer

        return PrivateCaIssuer(spec, home, kept)
    if spec.type == "command":
        from certctl.issuers.command import CommandIssuer

        return CommandIssuer(spec, home)
    if spec.type == "csr":
        from certctl.issuers.csr import CsrIssuer

        return CsrIssuer(spec, home)
    if spec.type == "acme":
        from certctl.issuers.acme.issuer import AcmeIssuer

        return AcmeIssuer(spec, home)
    raise UsageError(f"issuer {spec.name}: there is no type {spec.type!r}")
