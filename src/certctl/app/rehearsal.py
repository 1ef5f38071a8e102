"""--dry-run: ask the CA's staging directory for everything, and keep nothing of it."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import NamedTuple

from certctl.app import wiring
from certctl.app.names import certificates
from certctl.engine.outcome import Event, Report
from certctl.errors import CertctlError, UsageError
from certctl.planning.spec import CertificateSpec, IssuerSpec, Spec
from certctl.ports import IssueRequest


class Rehearsed(NamedTuple):
    """How one certificate would fare."""

    certificate: str
    issuer: str
    error: CertctlError | None


def rehearse(spec: Spec, names: Collection[str], report: Report) -> list[Rehearsed]:
    """Order each certificate of an ACME issuer from its staging directory, with a key for the occasion.

    Challenges are answered for real; the account, the keys and what is issued go
    with a temporary directory. Raises UsageError where nothing can be rehearsed.
    """
    certificates(spec, names)
    chosen = [
        (cert, spec.issuers[name])
        for cert in spec.certificates.values()
        if not names or cert.name in names
        for name in cert.issuers
        if spec.issuers[name].type == "acme"
    ]
    if not chosen:
        raise UsageError(
            "no certificate of an ACME issuer is among these: there is nothing to rehearse",
            "certctl plan shows what a pass would do",
        )
    results = []
    for cert, issuer in chosen:
        error = _one(cert, issuer)
        text = f"staging refused: {error.message}" if error else f"{issuer.name} would issue it"
        report(Event(cert.name, text, "warning" if error else "info"))
        results.append(Rehearsed(cert.name, issuer.name, error))
    return results


def _one(cert: CertificateSpec, issuer: IssuerSpec) -> CertctlError | None:
    import tempfile

    from certctl.issuers.acme.issuer import AcmeIssuer
    from certctl.issuers.acme.transport import staging
    from certctl.x509.chain import check_chain
    from certctl.x509.keys import key_facts

    try:
        with tempfile.TemporaryDirectory(prefix="certctl-dry-run-") as home:
            work = os.path.join(home, "order")
            os.mkdir(work, 0o700)
            asked = AcmeIssuer(staging(issuer), os.path.join(home, "issuer"))
            for algorithm, key in zip(cert.keys, wiring.make_keys(cert.keys), strict=True):
                request = IssueRequest(
                    certificate=cert.name,
                    generation=0,
                    algorithm=algorithm,
                    names=cert.names,
                    key_pem=key,
                    validity=cert.validity,
                    now=wiring.clock(),
                    work_dir=work,
                )
                answer = asked.issue(request)
                spki = key_facts(key).key.sha256
                check_chain(
                    answer.chain, spki_sha256=spki, names=cert.names, now=wiring.clock(), root=answer.root
                )
    except CertctlError as error:
        return error
    return None
