"""What certificates and issuers are called in a certctl.toml that is written for somebody."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from certctl.config.names import host, is_address, server_name
from certctl.config.problems import BARE, BadValueError, show
from certctl.config.values import LONGEST_NAME, name_fault
from certctl.errors import UnreadableError, UsageError
from certctl.system.files import read_file

_NAMED = {
    "https://acme-v02.api.letsencrypt.org/directory": "letsencrypt",
    "https://acme-staging-v02.api.letsencrypt.org/directory": "letsencrypt-staging",
    "https://acme.zerossl.com/v2/DV90": "zerossl",
    "https://dv.acme-v02.api.pki.goog/directory": "google",
    "https://api.buypass.com/acme/directory": "buypass",
}


def canonical(names: Sequence[str]) -> list[str]:
    """Bring names of the command line into the form that certificates have, each once."""
    found: dict[str, None] = {}
    for name in names:
        try:
            found[server_name(name)] = None
        except BadValueError as bad:
            raise UsageError(f"{show(name)} cannot be a certificate's name: {bad}") from None
    return list(found)


def certificate_name(name: str) -> str:
    """Make a table's name, which is also a file's, out of the first of a certificate's names."""
    tame = name.replace("*", "wildcard").replace(":", "-")[:LONGEST_NAME].rstrip(".")
    if tame[0] == "-":
        tame = f"ip{tame}"
    return tame if name_fault(tame) is None else tame.replace(".", "-")


def default_name(hosts: str = "/etc/hosts") -> str:
    """Give this host's full name as the kernel or *hosts* has it, else localhost; no network is asked."""
    node = os.uname().nodename
    for candidate in (node, *_aliases(node, hosts)):
        try:
            name = host(candidate)
        except BadValueError:
            continue
        if "." in name and not is_address(name) and not name.endswith(".localdomain"):
            return name
    return "localhost"


def _aliases(node: str, hosts: str) -> list[str]:
    """Give the names that stand on one line with *node* (hosts(5)), the canonical one first."""
    try:
        text = (read_file(hosts, follow=True) or b"").decode(errors="replace")
    except UnreadableError:
        return []
    lines = [line.partition("#")[0].split() for line in text.splitlines()]
    return [name for line in lines if node in line[1:] for name in line[1:]]


def issuer_name(directory: str) -> str:
    """A name for the issuer at an ACME *directory*: letsencrypt, or its host."""
    host = urlsplit(directory).hostname or "acme"
    return _NAMED.get(directory) or "".join(c if c in BARE else "-" for c in host)


def free(name: str, taken: Collection[str]) -> str:
    """*name*, or with a number where it is taken."""
    if name not in taken:
        return name
    count = 2
    while f"{name}-{count}" in taken:
        count += 1
    return f"{name}-{count}"
