"""Where mail for a next-hop goes: the servers that would be met, as URLs for a probe (smtp(8))."""

from __future__ import annotations

from certctl.errors import CertctlError
from certctl.planning.feed import host_of

MOST = 4
"""MX hosts that are looked at."""
SECONDS = 10.0


def servers(nexthop: str) -> list[str]:
    """smtp:// or smtps:// URLs, the best first. Raises CertctlError where there are none."""
    host, port = host_of(nexthop).removeprefix("ipv6:"), _port(nexthop)
    scheme = "smtps" if port in ("465", "smtps", "submissions") else "smtp"
    hosts = [host] if nexthop.startswith("[") else _mail_exchangers(host)
    return [f"{scheme}://{f'[{name}]' if ':' in name else name}:{_number(port)}" for name in hosts]


def _port(nexthop: str) -> str:
    rest = nexthop.partition("]")[2] if nexthop.startswith("[") else nexthop
    return rest.partition(":")[2] or "25"


def _number(port: str) -> int:
    import socket

    try:
        return int(port) if port.isdigit() else socket.getservbyname(port, "tcp")
    except OSError as error:
        raise CertctlError(f"there is no service called {port}") from error


def _mail_exchangers(domain: str) -> list[str]:
    from certctl.dns.resolver import lookup

    found = [text.split() for text in lookup(domain, "MX", SECONDS)]
    if not found:
        return [domain]  # RFC 5321 §5.1: a domain without MX is its own
    return [name.rstrip(".") for _, name in sorted((int(rank), name) for rank, name in found)][:MOST]
