"""What `probe --dane` looks at: the names and ports that have, or should have, TLSA records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from certctl.app.names import certificates
from certctl.errors import UsageError
from certctl.planning.pins import IN_DNS, tlsa_names
from certctl.planning.spec import AnnouncerSpec, CertificateSpec, Spec

SCHEMES = {
    24: "lmtp",
    25: "smtp",
    110: "pop3",
    143: "imap",
    443: "https",
    465: "smtps",
    587: "smtp",
    993: "imaps",
    995: "pop3s",
}
"""What speaks at a port, where no `probe` says otherwise."""
MAIL = "smtp"


class Target(NamedTuple):
    """One name and port."""

    url: str
    name: str
    """The base domain of its TLSA records (RFC 6698 §3)."""
    port: int
    certificate: CertificateSpec | None
    via: AnnouncerSpec | None = None
    """Type dns: it knows the zone and its primary."""
    told: bool = False
    """Whether an announcer tells its pins, so that they have to be there."""
    at: str = ""
    """The only address to look at; empty: all that the name has."""

    @property
    def owner(self) -> str:
        return f"_{self.port}._tcp.{self.name}"


def targets(spec: Spec | None, name: str | None, urls: Sequence[str]) -> Iterator[Target]:
    """Those of *urls*; without any, all names and ports that certificates (or only *name*) are announced for.

    Raises UsageError for URLs that have no TLSA records.
    """
    certs = list(spec.certificates.values()) if spec else []
    if spec is not None and name is not None:
        certificates(spec, [name])
        certs = [spec.certificates[name]]
    if urls:
        for url in urls:
            yield _of_url(spec, certs, url, named=name is not None)
        return
    for cert in certs:
        assert spec is not None
        vias = [spec.announcers[one] for one in cert.announce if spec.announcers[one].type in IN_DNS]
        seen = set()
        for via in vias:
            for base in tlsa_names(cert.names):
                for port in via.ports if _within(base, via) else ():
                    if (base, port) not in seen:
                        seen.add((base, port))
                        url = f"{_scheme(cert, port)}://{base}:{port}"
                        yield Target(url, base, port, cert, via if via.type == "dns" else None, told=True)


def _of_url(spec: Spec | None, certs: Sequence[CertificateSpec], url: str, *, named: bool) -> Target:
    from certctl.deploy.probe.url import is_address, parse_url

    found = parse_url(url)
    base, at = found.host.lower(), ""
    if is_address(base):
        at = base
        names = [found.sni] if found.sni else tlsa_names(certs[0].names) if named else []
        if not names:
            raise UsageError(
                f"{url} has no name, and TLSA records are of names",
                f"certctl probe --dane {url}?sni=mx.example.org, or the name of a certificate before it",
            )
        base = names[0]
    owners = [cert for cert in certs if named or base in cert.names]
    there = [spec.announcers[one] for cert in owners for one in cert.announce] if spec else []
    vias = [one for one in there if one.type in IN_DNS and _within(base, one)]
    via = next((one for one in vias if one.type == "dns"), None)
    told = any(found.port in one.ports for one in vias)
    return Target(url, base, found.port, owners[0] if owners else None, via, told, at)


def _within(name: str, via: AnnouncerSpec) -> bool:
    return via.type != "dns" or name == via.zone or name.endswith(f".{via.zone}")


def _scheme(cert: CertificateSpec, port: int) -> str:
    from certctl.deploy.probe.url import parse_url

    probes = [parse_url(url) for url in cert.probe]
    return next((one.scheme for one in probes if one.port == port), scheme_at(port))


def scheme_at(port: int) -> str:
    """What is most likely spoken at *port*."""
    return SCHEMES.get(port, MAIL)
