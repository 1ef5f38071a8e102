"""Names in certificates: as cryptography wants them, and within name constraints or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    from cryptography import x509

_CN_MAX = 64  # ub-common-name, RFC 5280 appendix A.1
EVERY_ADDRESS = ("0.0.0.0/0", "::/0")
EVERY_DNS_NAME = ("",)


class Constraints(NamedTuple):
    """Name constraints (RFC 5280 §4.2.1.10): DNS suffixes (empty: every name) and IP networks."""

    permitted: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


def common_name(names: Sequence[str]) -> str | None:
    """Return the first DNS name that fits into a commonName; IP addresses have no place in it."""
    return next((name for name in names if address(name) is None and len(name) <= _CN_MAX), None)


def subject(text: str | None) -> x509.Name:
    """Return a distinguished name of one commonName, or the empty one; *text* is cut to what fits."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_CN_MAX])] if text else [])


def general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Return DNS names (A-labels) and IP addresses as entries of subjectAltName."""
    from cryptography import x509

    found = [(name, address(name)) for name in names]
    return [x509.DNSName(name) if ip is None else x509.IPAddress(ip) for name, ip in found]


def constraint_names(trees: Sequence[str]) -> list[x509.GeneralName] | None:
    """Return DNS suffixes and IP networks as the subtrees of a nameConstraints; None for none at all."""
    from cryptography import x509

    found = [(tree, network(tree)) for tree in trees]
    return [x509.DNSName(tree) if net is None else x509.IPAddress(net) for tree, net in found] or None


def closed(constraints: Constraints) -> Constraints:
    """Exclude every name of a kind of which nothing is permitted, where anything is.

    RFC 5280 leaves a kind free that no constraint names: a CA that is permitted
    `example.org` could sign for any IP address. Whoever lists what is permitted
    means that nothing else is.
    """
    permitted, excluded = constraints
    if not permitted:
        return constraints
    networks = sum(network(tree) is not None for tree in permitted)
    more = (() if networks else EVERY_ADDRESS) + (EVERY_DNS_NAME if networks == len(permitted) else ())
    return Constraints(permitted, (*excluded, *(tree for tree in more if tree not in excluded)))


def outside(names: Sequence[str], constraints: Constraints) -> list[str]:
    """Return those of *names* that *constraints* forbid."""
    return [name for name in names if not _allowed(name, constraints)]


def describe(constraints: Constraints) -> str:
    """Return *constraints* for a message."""
    words = {"": "every DNS name", "0.0.0.0/0": "every IPv4 address", "::/0": "every IPv6 address"}
    said = [
        f"{verb} {', '.join(words.get(tree, tree) for tree in trees)}"
        for verb, trees in zip(("permits", "excludes"), constraints, strict=True)
        if trees
    ]
    return " and ".join(said) or "no limits"


def address(name: str) -> IPv4Address | IPv6Address | None:
    """Return *name* as an IP address, or None if it is none."""
    import ipaddress

    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def network(tree: str) -> IPv4Network | IPv6Network | None:
    """Return *tree* as an IP network, or None if it is none."""
    import ipaddress

    try:
        return ipaddress.ip_network(tree, strict=False)
    except ValueError:
        return None


def _allowed(name: str, constraints: Constraints) -> bool:
    if any(_within(name, tree) for tree in constraints.excluded):
        return False
    same_kind = [tree for tree in constraints.permitted if _kind(tree) == _kind(name)]
    return not same_kind or any(_within(name, tree) for tree in same_kind)


def _kind(text: str) -> str:
    return "dns" if network(text) is None else "ip"


def _within(name: str, tree: str) -> bool:
    """Whether *name* is *tree* or below it; a leading dot, as OpenSSL has it, leaves out the tree."""
    net, ip = network(tree), address(name)
    if net is not None or ip is not None:
        return net is not None and ip is not None and ip.version == net.version and ip in net
    suffix = tree.lower().removeprefix(".")
    return not suffix or name.endswith(f".{suffix}") or (name == suffix and not tree.startswith("."))
