"""What `certctl init` writes: a commented certctl.toml that works as it is."""

from __future__ import annotations

import os
from collections.abc import Sequence

from certctl.config.file import HERE, SYSTEM_DIRECTORY
from certctl.errors import UsageError
from certctl.onboarding import toml
from certctl.onboarding.ca import Ca, table
from certctl.onboarding.names import canonical, certificate_name, default_name
from certctl.onboarding.starter_text import (
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
from certctl.servers.detect import Found


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
            table(ca) if ca else ISSUER,
            CERTIFICATE.format(
                name=toml.key(certificate),
                names=toml.value(names),
                issuer=toml.value(ca.name if ca else "private-ca"),
                clocks=CLOCKS,
            ),
            BUNDLE.format(name=toml.key(certificate), path=f"tls/{certificate}.pem"),
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


def _server(certificate: str, server: Found) -> str:
    bundle = f"{server.directory}/{certificate}.pem"
    group = toml.setting("group", server.group) if server.group is not None else ""
    return SERVER.format(
        title=server.title,
        name=toml.key(certificate),
        path=toml.value(bundle),
        mode=f"{server.mode:04o}",
        group=group,
        hook=server.hook,
        usage="\n".join(f"#     {line.format(bundle=bundle)}" for line in server.usage),
        probes=toml.value(server.probes),
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
