"""What servers should show of a certificate, and whether they do after a change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from certctl.errors import CertctlError
from certctl.planning.spec import CertificateSpec
from certctl.planning.state import CertificateState, Generation
from certctl.ports import Store
from certctl.x509.bundle import Material

if TYPE_CHECKING:
    from certctl.deploy.probe import Expected, ExpectedKey


def expectation(store: Store, cert: CertificateSpec, state: CertificateState) -> Expected:
    """What should be served for *cert* in *state*, and what else may be met."""
    from certctl.deploy.probe import Expected
    from certctl.x509.certificate import certificate_facts

    assert state.current is not None
    materials = store.read_materials(cert.name, state.current)
    root = next((material.root for material in materials if material.root), None)
    return Expected(
        keys=tuple(_keys(state.current, materials)),
        previous=(*_keys(state.previous), *_earlier(state.current)),
        next=tuple(_keys(state.next)),
        names=cert.names,
        root_sha256=certificate_facts(root).certificate.sha256 if root else "",
    )


def _keys(generation: Generation | None, materials: Iterable[Material] = ()) -> list[ExpectedKey]:
    from certctl.deploy.probe import ExpectedKey
    from certctl.x509.certificate import certificate_facts

    chains = {
        material.algorithm: tuple(certificate_facts(link).certificate.sha256 for link in material.chain)
        for material in materials
    }
    return [
        ExpectedKey(
            key.algorithm,
            key.sha256,
            key.certificate.sha256 if key.certificate else "",
            chains.get(key.algorithm, ()),
        )
        for key in (generation.keys if generation else ())
    ]


def _earlier(generation: Generation) -> list[ExpectedKey]:
    """The certificates that the last renewal took the place of."""
    from certctl.deploy.probe import ExpectedKey

    if generation.before is None:
        return []
    pairs = zip(generation.keys, generation.before.certificates, strict=True)
    return [ExpectedKey(key.algorithm, key.sha256, record.sha256) for key, record in pairs]


def prove(
    clock: Callable[[], datetime], store: Store, cert: CertificateSpec, state: CertificateState
) -> list[str]:
    """What is wrong with what *cert* is served as, once the servers have settled; for the engine."""
    from certctl.deploy.probe import probe_settled

    if state.current is None:
        return []
    try:
        differences = probe_settled(cert.probe, expectation(store, cert, state), clock)
        return [f"{one.url}: {one.message}" for one in differences if one.severity == "error"]
    except CertctlError as error:
        return [error.message]
