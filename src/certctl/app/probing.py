"""probe: connects to servers and compares what is served with what should be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from certctl.app import wiring
from certctl.app.names import certificates
from certctl.app.proving import expectation
from certctl.errors import CertctlError, UsageError
from certctl.planning.spec import CertificateSpec, Spec

if TYPE_CHECKING:
    from certctl.deploy.probe import Difference, Expected, Served


class Probed(NamedTuple):
    """What was met at one URL."""

    certificate: str | None
    """None: nothing is known of what should be served there."""
    url: str
    served: Sequence[Served]
    differences: Sequence[Difference]


def probe(spec: Spec | None, name: str | None, urls: Sequence[str]) -> list[Probed]:
    """Probe *urls*, or what the certificates are configured with.

    Without a certificate (a URL alone, or no configuration) only what shows by
    itself is judged. Raises UsageError where there is nothing to probe.
    """
    from certctl.deploy.probe import Expected, compare
    from certctl.deploy.probe import probe as look

    if spec is not None and name is not None:
        certificates(spec, [name])
    chosen: list[tuple[str | None, str, Expected]] = []
    if name is None and urls:
        chosen = [(None, url, Expected()) for url in urls]
    elif spec is not None:
        for cert in spec.certificates.values():
            if name in (None, cert.name):
                wanted = urls or cert.probe
                chosen += [(cert.name, url, expected(spec, cert)) for url in wanted]
    if not chosen:
        raise UsageError(
            "there is nothing to probe: no URL is given, and no certificate has probe = […]",
            "certctl probe smtp://127.0.0.1:25",
        )
    found = []
    for subject, url, want in chosen:
        served = look(url, want)
        found.append(Probed(subject, url, served, compare(served, want, wiring.clock())))
    return found


def expected(spec: Spec, cert: CertificateSpec) -> Expected:
    """What should be served for *cert*, and what else may be met."""
    store = wiring.adapters(spec).store
    state = store.observe_certificate(cert, wiring.clock()).state
    if state.current is None or not state.current.issuance:
        raise CertctlError(f"{cert.name} has no certificate yet", "certctl run makes it", transient=False)
    return expectation(store, cert, state)
