"""Which certificate of the configuration each lineage of another tool is, and which issuer renews it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from certctl.config.names import server_name
from certctl.config.problems import BadValueError
from certctl.errors import CertctlError
from certctl.onboarding import toml
from certctl.onboarding.fragment import DNS_HOOK, Certificate, Issuer
from certctl.onboarding.names import certificate_name, free, issuer_name
from certctl.onboarding.tools.common import Lineage, Pair, Refused, Renewal, Tree
from certctl.planning.spec import CertificateSpec, IssuerSpec, Spec

BY_HAND = "by-hand"
"""The issuer of certificates of which nobody knows who signs them."""


class Match(NamedTuple):
    """One lineage, and what it is called here."""

    name: str
    names: tuple[str, ...]
    issuer: str
    lineage: Lineage
    configured: bool
    notes: tuple[str, ...] = ()


class Plan(NamedTuple):
    """All that is to be taken over, and the tables that the configuration lacks for it."""

    matches: list[Match]
    refused: list[Refused]
    issuers: list[Issuer]

    @property
    def certificates(self) -> list[Certificate]:
        return [Certificate(m.name, m.names, m.issuer, m.lineage) for m in self.matches if not m.configured]


def match(spec: Spec, tree: Tree) -> Plan:
    """Find a name and an issuer for everything in *tree*. Nothing is looked at but the arguments."""
    plan = Plan([], [], [])
    sound: list[Lineage] = []
    for lineage in tree.lineages:
        try:
            names = _canonical(lineage)
            sound.append(lineage._replace(pairs=tuple(p._replace(names=names) for p in lineage.pairs)))
        except CertctlError as error:
            plan.refused.append(Refused(lineage.name, lineage.source, error.message, error.hint))
    taken: set[str] = set()
    matched: set[Pair] = set()
    for cert, lineage in _configured(spec, sound):
        taken.add(cert.name)
        matched.update(lineage.pairs)
        if {pair.algorithm for pair in lineage.pairs} != set(cert.keys):
            plan.refused.append(_of_another_kind(spec, cert, lineage))
            continue
        notes = tuple(_differences(spec, cert, lineage))
        plan.matches.append(Match(cert.name, cert.names, _known(spec, cert, lineage), lineage, True, notes))
    for lineage in sound:
        if not matched.issuperset(lineage.pairs):
            name = free(certificate_name(lineage.name), {*spec.certificates, *taken})
            taken.add(name)
            issuer = _issuer(spec, plan.issuers, lineage)
            plan.matches.append(Match(name, lineage.names, issuer, lineage, False))
    return plan


def _canonical(lineage: Lineage) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(server_name(name) for name in lineage.names))
    except BadValueError as bad:
        raise CertctlError(f"it has a name that cannot be configured: {bad}", transient=False) from bad


def _configured(spec: Spec, lineages: list[Lineage]) -> Iterator[tuple[CertificateSpec, Lineage]]:
    """Certificates that are configured, each with its lineage: by its name, else by what it is for."""
    left = list(lineages)
    for rule in (_by_name, _by_names, _by_first_name):
        for cert in spec.certificates.values():
            found = rule(cert, left)
            if found:
                lineage = _united(cert, found)
                used = set(lineage.pairs)
                left = [one for one in left if not used.intersection(one.pairs)]
                spec = spec._replace(
                    certificates={n: c for n, c in spec.certificates.items() if n != cert.name}
                )
                yield cert, lineage


def _by_name(cert: CertificateSpec, lineages: list[Lineage]) -> list[Lineage]:
    return [one for one in lineages if cert.name in (one.name, certificate_name(one.name))]


def _by_names(cert: CertificateSpec, lineages: list[Lineage]) -> list[Lineage]:
    return [one for one in lineages if set(one.names) == set(cert.names)]


def _by_first_name(cert: CertificateSpec, lineages: list[Lineage]) -> list[Lineage]:
    """Names that were added or taken away since: its key is its own all the same."""
    found = [one for one in lineages if one.names[0] == cert.names[0]]
    return found if len(found) == 1 else []


def _united(cert: CertificateSpec, found: list[Lineage]) -> Lineage:
    """The first of several lineages; with the keys of the others where the certificate is to have several."""
    first = found[0]
    pairs = {pair.algorithm: pair for one in reversed(found) for pair in one.pairs}
    if len(cert.keys) > 1 and set(pairs) >= set(cert.keys):
        return first._replace(pairs=tuple(pairs[algorithm] for algorithm in cert.keys))
    return first


def _of_another_kind(spec: Spec, cert: CertificateSpec, lineage: Lineage) -> Refused:
    """A key that is not of the configured kind would have to give way in the next pass, unasked."""
    had = [pair.algorithm for pair in lineage.pairs]
    table, line = toml.table("certificate", cert.name).strip(), toml.setting("keys", had).strip()
    return Refused(
        cert.name,
        lineage.source,
        f"its key is {', '.join(had)}, and {spec.path} wants {', '.join(cert.keys)}: "
        "the next pass would put another key in its place",
        f"write {line} into {table} of {spec.path}, then import again; "
        "once it is taken over, another kind rotates in with a hold-down",
    )


def _differences(spec: Spec, cert: CertificateSpec, lineage: Lineage) -> Iterator[str]:
    """What the configuration wants otherwise, and the next passes will bring about."""
    if set(lineage.names) != set(cert.names):
        yield f"names are configured as {', '.join(cert.names)}: the next pass gets a certificate for these"
    directory = lineage.renewal.directory
    known = [spec.issuers[name].acme for name in cert.issuers]
    if directory and directory not in [acme.directory for acme in known if acme is not None]:
        yield f"it is renewed by {cert.issuers[0]}, as configured; until now it came from {directory}"


def _known(spec: Spec, cert: CertificateSpec, lineage: Lineage) -> str:
    """Under which of the certificate's issuers it is recorded: an import alone makes nobody issue anew."""
    for name in cert.issuers:
        acme = spec.issuers[name].acme
        if acme is not None and acme.directory == lineage.renewal.directory:
            return name
    return cert.issuers[0]


def _issuer(spec: Spec, issuers: list[Issuer], lineage: Lineage) -> str:
    """An issuer that renews as the other tool did: one that is configured, or a new table."""
    renewal = _fitting(lineage) if lineage.renewal.directory else None
    if renewal is None and all(pair.self_signed for pair in lineage.pairs):
        return "self-signed"
    for name, known in spec.issuers.items():
        if (renewal is None and known.type == "csr") or (renewal is not None and _renews(known, renewal)):
            return name
    for issuer in issuers:
        if _settings(issuer.renewal) == _settings(renewal):
            return issuer.name
    base = issuer_name(renewal.directory) if renewal else BY_HAND
    name = free(base, {*spec.issuers, *(issuer.name for issuer in issuers)})
    issuers.append(Issuer(name, renewal))
    return name


def _fitting(lineage: Lineage) -> Renewal:
    """How it is renewed; a wildcard by dns-01, as there is no other way (RFC 8555 §7.1.3)."""
    renewal = lineage.renewal
    if renewal.challenge == "dns-01" or not any(name.startswith("*.") for name in lineage.names):
        return renewal
    todo = "wildcards are proved by dns-01 only: choose dns = and its table (docs/acme.md)"
    table = (("command", (DNS_HOOK,)),)
    return renewal._replace(
        challenge="dns-01", webroot="", listen="", dns="command", dns_table=table, todo=(*renewal.todo, todo)
    )


def _settings(renewal: Renewal | None) -> Renewal | None:
    return renewal._replace(todo=(), email="") if renewal else None


def _renews(known: IssuerSpec, renewal: Renewal) -> bool:
    acme = known.acme
    return (
        acme is not None
        and acme.directory == renewal.directory
        and (acme.challenge, acme.webroot, acme.dns) == (renewal.challenge, renewal.webroot, renewal.dns)
    )
