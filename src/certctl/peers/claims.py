"""Which next-hops a feed may claim by itself: its own host's, not those of any name in the world."""

from __future__ import annotations

from certctl.planning.feed import host_of

LONGEST_SECOND_LEVEL = 4
"""Letters of what registries put below a country: co.uk, com.au, gouv.fr. Longer ones are taken for names."""


def is_own(nexthop: str, host: str) -> bool:
    """Whether *nexthop* is at or below *host*, where the feed was fetched, or its parent domain.

    *host* is in lower case; "" (a file) has no next-hops. The parent counts only
    where it can be one organisation's: it has two labels or more, and is not short
    ones below a country, which are mostly a registry's (co.uk). Without the list of
    public suffixes this is a guess to the careful side; --nexthop says the rest.
    """
    name = host_of(nexthop).removesuffix(".")
    if not host or not name:
        return False
    if name == host or name.endswith(f".{host}"):
        return True
    parent = host.partition(".")[2]
    if not _is_ones_own(parent):
        return False
    return name == parent or name.endswith(f".{parent}")


def _is_ones_own(domain: str) -> bool:
    labels = domain.split(".")
    if len(labels) < 2 or not all(labels) or labels[-1].isdigit() or ":" in domain:
        return False
    return len(labels) > 2 or len(labels[1]) > 2 or len(labels[0]) > LONGEST_SECOND_LEVEL
