"""What `certctl init` writes: a commented certctl.toml that works as it is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from certctl.config import starter_acme
from certctl.config.file import HERE, SYSTEM_DIRECTORY
from certctl.config.names import host, is_address, server_name
from certctl.config.problems import BadValueError, quoted, show
from certctl.config.starter_acme import Ca
from certctl.config.starter_text import (
    BUNDLE,
    CERTIFICATE,
    CLOCKS,
    DHPARAM,
    HEADER,
    ISSUER,
    NETWORK,
    OTHERS,
    SERVER,
    SHOW,
    STATE_HERE,
    STATE_SYSTEM,
)
from certctl.config.values import LONGEST_NAME, name_fault
from certctl.core.found import Found
from certctl.errors import UnreadableError, UsageError
from certctl.system.files import read_file

_WHOLE = 4096
"""Longer than any name or path: what is written is not shortened as messages are."""


def target(directory: str | None) -> str:
    """Give the absolute path of the file that init writes; raises `UsageError` where there is one already.

    Without a *directory*, root's is /etc/certctl, anybody else's the current one.
    """
    if directory is None:
        directory = SYSTEM_DIRECTORY if os.geteuid() == 0 else "."
    path = os.path.join(os.path.abspath(directory), HERE)
    if os.path.lexists(path):
        raise UsageError(
            f"{path} is there already, and init never overwrites",
            f"see what it does: certctl --config {path} plan; or take another --dir",
        )
    return path


def starter(names: Sequence[str], found: Sequence[Found], directory: str, ca: Ca | None = None) -> str:
    """Give the text of DIRECTORY/certctl.toml, whose certificate has *names* (none: those of this host).

    It is self-contained, needs neither root nor network, and only tells how the servers
    that were *found* would be fed. *ca* signs, or else private-ca does. Raises `UsageError` for
    impossible names.
    """
    names = canonical(names) or [default_name()]
    certificate = certificate_name(names[0])
    return "\n".join(
        [
            HEADER,
            STATE_SYSTEM if os.path.abspath(directory) == SYSTEM_DIRECTORY else STATE_HERE,
            NETWORK,
            starter_acme.table(ca) if ca else ISSUER,
            CERTIFICATE.format(
                name=quoted(certificate, _WHOLE),
                names=", ".join(show(name, _WHOLE) for name in names),
                issuer=show(ca.name if ca else "private-ca", _WHOLE),
                clocks=CLOCKS,
            ),
            BUNDLE.format(name=quoted(certificate, _WHOLE), path=f"tls/{certificate}.pem"),
            *_other_servers(certificate, found),
            DHPARAM,
            SHOW,
        ]
    )


def directories(directory: str) -> list[tuple[str, int]]:
    """Give the directories that the starter's files need, and their modes; some may be there.

    They are no secret: what may not be read has a mode of its own.
    """
    directory = os.path.abspath(directory)
    return [(directory, 0o755), (f"{directory}/tls", 0o755)]


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


def _server(certificate: str, server: Found) -> str:
    bundle = f"{server.directory}/{certificate}.pem"
    group = f"group = {show(server.group)}\n" if server.group is not None else ""
    return SERVER.format(
        title=server.title,
        name=quoted(certificate, _WHOLE),
        path=show(bundle, _WHOLE),
        mode=f"{server.mode:04o}",
        group=group,
        hook=server.hook,
        usage="\n".join(f"#     {line.format(bundle=bundle)}" for line in server.usage),
        probes=_listed(server.probes),
    )


def _other_servers(certificate: str, servers: Sequence[Found]) -> list[str]:
    """Show, as comments, how the servers would be fed that this file leaves alone."""
    if not servers:
        return []
    blocks = [_server(certificate, server) for server in servers]
    commented = ("\n".join(_commented(line) for line in block.splitlines()) for block in blocks)
    return [OTHERS, *(f"{block}\n" for block in commented)]


def _commented(line: str) -> str:
    return line if not line or line.startswith("#") else f"#{line}"


def _listed(words: Iterable[str]) -> str:
    return "[" + ", ".join(show(word) for word in words) + "]"
