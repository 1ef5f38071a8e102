"""doctor: what is wrong with the TLS of the servers on this host, and what to type to mend it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from certctl.app import wiring
from certctl.doctor.finding import INFO, WARNING, Finding
from certctl.doctor.followed import FollowedLine
from certctl.doctor.managed import ManagedFile
from certctl.doctor.run import Target, doctor, installed_targets, worst_first
from certctl.doctor.units import check_units
from certctl.errors import CertctlError
from certctl.planning.spec import Spec
from certctl.servers.units import installed


def diagnose(spec: Spec | None, targets: Sequence[tuple[str, str]]) -> tuple[list[Target], list[Finding]]:
    """Look at *targets* (kind, path), or at what is installed; the worst finding first. Nothing is changed.

    With a *spec*, certificates that certctl keeps and no server uses are findings too;
    only for what is installed, since a single configuration says nothing of the others.
    """
    chosen = [Target(kind, _place(kind, path)) for kind, path in targets] or installed_targets()
    managed = _managed(spec) if spec is not None and not targets else []
    followed = _followed(spec) if spec is not None and spec.peers else []
    lineages = _lineages(spec) if spec is not None else {}
    findings = doctor(chosen, wiring.clock(), lineages=lineages, managed=managed, followed=followed)
    if spec is None or targets:
        return chosen, findings
    units, confined = _confined(spec)
    return [*chosen, *units], worst_first([*findings, *confined])


def _confined(spec: Spec) -> tuple[list[Target], list[Finding]]:
    """The systemd units that are installed, and where they keep passes from writing what *spec* wants."""
    from certctl.app.units import look

    found: list[Target] = []
    try:
        units = installed()
        found = [Target("systemd", unit.path) for unit in units]
        return found, list(check_units(units, spec.path, look(spec).directories)) if units else []
    except CertctlError as error:
        return found, [Finding(WARNING, "systemd units", "unit-paths", error.message, error.hint or "")]


def _lineages(spec: Spec) -> dict[str, str]:
    return {
        os.path.realpath(file.path): cert.name for cert in spec.certificates.values() for file in cert.files
    }


def _place(kind: str, path: str) -> str:
    """Postfix is named by its directory; its main.cf is taken for that."""
    path = os.path.abspath(path)
    return os.path.dirname(path) if kind == "postfix" and path.endswith("main.cf") else path


def _managed(spec: Spec) -> list[ManagedFile]:
    """The bundles that certctl writes, with what they hold now."""
    store, now = wiring.adapters(spec).store, wiring.clock()
    files = []
    for cert in spec.certificates.values():
        current = store.observe_certificate(cert, now).state.current
        for file in cert.files:
            for key in current.keys if current and "cert" in file.parts else ():
                if key.certificate and file.algorithm in (None, key.algorithm):
                    leaf = key.certificate.sha256
                    files.append(ManagedFile(file.path, cert.name, leaf, probed=bool(cert.probe)))
    return files


def _followed(spec: Spec) -> list[FollowedLine]:
    """The lines that certctl keeps in policy maps, as what is believed of peers has it."""
    from certctl.app.following import follower

    following, found = follower(spec), []
    for path in dict.fromkeys(peer.map for peer in spec.peers.values()):
        for peer, lines in following.lines(path).items():
            for line in lines:
                nexthop, _, *pins = line.split()
                told = tuple(pin.removeprefix("match=") for pin in pins)
                found.append(FollowedLine(path, peer, nexthop.lower(), told))
    return found


def serious(findings: Sequence[Finding]) -> bool:
    """Whether there is more than things worth knowing."""
    return any(finding.severity != INFO for finding in findings)
