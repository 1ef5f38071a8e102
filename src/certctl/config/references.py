"""What tables say of each other, once all of them are read."""

from __future__ import annotations

from certctl.config.context import Context
from certctl.config.names import is_address
from certctl.config.problems import quoted
from certctl.planning.spec import CertificateSpec, Spec
from certctl.system.text import nearest


def check(context: Context, spec: Spec) -> None:
    """Record every disagreement between tables."""
    _require_ack(context, spec)
    _challenges(context, spec)
    _outputs(context, spec)
    _nexthops(context, spec)


def _challenges(context: Context, spec: Spec) -> None:
    """Wildcard names take dns-01, IP addresses anything else (RFC 8555 §8.3, RFC 8737 §3, RFC 8738 §7)."""
    acme = {name: issuer.acme.challenge for name, issuer in spec.issuers.items() if issuer.acme}
    if not acme:
        return
    for certificate in spec.certificates.values():
        for issuer in certificate.issuers:
            if issuer in acme:
                _names(context, certificate, issuer, acme[issuer])


def _names(context: Context, certificate: CertificateSpec, issuer: str, challenge: str) -> None:
    by_dns = challenge == "dns-01"
    for name in certificate.names:
        if by_dns and is_address(name):
            words = "an IP address cannot be proved by dns-01; it takes http-01 or tls-alpn-01"
        elif not by_dns and name[0] == "*":
            words = f"a wildcard name can be proved by dns-01 only, not by {challenge}"
        else:
            continue
        where = ("certificate", certificate.name)
        context.problems.value(where, "names", name, f"{words}: see challenge in [issuer.{quoted(issuer)}]")


def _require_ack(context: Context, spec: Spec) -> None:
    """Refuse what looks like a misspelled peer.

    A peer that acknowledges need not have a table: whoever pins this host by hand is not followed by it.
    """
    peers = context.peers
    if not peers:
        return
    for certificate in spec.certificates.values():
        if not peers.issuperset(certificate.require_ack):
            for peer in certificate.require_ack:
                near = None if peer in peers else nearest(peer, peers, cutoff=0.85)
                if near is not None:
                    words = f'there is no [peer.{quoted(peer)}]; did you mean "{near}"?'
                    context.problems.value(("certificate", certificate.name), "require_ack", peer, words)


def _outputs(context: Context, spec: Spec) -> None:
    """certctl alone writes in its state directory, and never over its own configuration."""
    inside = spec.state_dir.rstrip("/") + "/"
    for path, where in context.outputs.items():
        key = "map" if where[0] == "peer" else "path"
        if path == spec.path:
            context.problems.value(where, key, path, "is the configuration file itself")
        elif path.startswith(inside) or path == spec.state_dir:
            words = f"is inside state_dir = {quoted(spec.state_dir)}, which certctl keeps for itself"
            context.problems.value(where, key, path, words)


def _nexthops(context: Context, spec: Spec) -> None:
    """Of two lines for one next-hop Postfix keeps the first only."""
    owners: dict[tuple[str, str], str] = {}
    for peer in spec.peers.values():
        for nexthop in peer.nexthops:
            owner = owners.setdefault((peer.map, nexthop), peer.name)
            if owner != peer.name:
                words = f"is a next-hop of [peer.{quoted(owner)}] in the same map"
                context.problems.value(("peer", peer.name), "nexthops", nexthop, words)
