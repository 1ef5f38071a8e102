"""Protocol versions: which a setting leaves on, and which nobody should have on (RFC 7568, RFC 8996)."""

from __future__ import annotations

VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
OLD = VERSIONS[:4]


def old_in(enabled: set[str] | frozenset[str]) -> list[str]:
    """Return the members of *enabled* that are too old, oldest first."""
    return [version for version in OLD if version in enabled]


def at_least(lowest: str) -> frozenset[str]:
    """Every version from *lowest* (in any spelling of case) on; all, if it is unknown."""
    known = {version.lower(): number for number, version in enumerate(VERSIONS)}
    return frozenset(VERSIONS[known.get(lowest.lower(), 0) :])
