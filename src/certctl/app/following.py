"""What follows peers: the feeds that are fetched, and a look at what their servers show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certctl.errors import CertctlError
from certctl.planning.spec import Spec

if TYPE_CHECKING:
    from certctl.peers.follow import Follower


def follower(spec: Spec) -> Follower:
    """What follows the peers of *spec*."""
    from certctl.peers.follow import Follower

    return Follower(spec.peers, spec.state_dir, served)


def served(nexthop: str) -> frozenset[str]:
    """The pins that servers at *nexthop* show now. Raises CertctlError."""
    from certctl.deploy.probe import Expected, probe
    from certctl.peers.nexthops import servers

    found: set[str] = set()
    trouble = "nobody is there"
    for url in servers(nexthop):
        for one in probe(url, Expected(), timeout=5.0, connections=1):
            if one.failure is not None:
                trouble = one.failure.message
            for certificate in one.chain[:1]:
                found |= {certificate.sha256, certificate.key_sha256}
    if not found:
        raise CertctlError(trouble)
    return frozenset(found)
