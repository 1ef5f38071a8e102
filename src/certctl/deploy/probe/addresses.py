"""Every address of a name, within a time limit."""

from __future__ import annotations

from certctl.deploy.probe.link import Failed
from certctl.system import connect

MOST = 32
"""Addresses of one name that are looked at: no server's name has more that matter."""


def resolve(host: str, port: int, timeout: float) -> list[tuple[int, str]]:
    """Return (address family, address) for each address of *host*, IPv6 and IPv4, in the resolver's order."""
    try:
        found = connect.resolve(host, port, timeout)
    except TimeoutError:
        raise Failed("no-address", f"the name {host} was not resolved within {timeout:g} s") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failed("no-address", f"the name {host} has no address: {reason}") from error
    return [(address.family, str(address.sockaddr[0])) for address in found[:MOST]]
