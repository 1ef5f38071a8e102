"""systemd: which directories a pass writes, and the drop-in that opens them, and no others, to the units."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from certctl.app import wiring
from certctl.engine.hooking import environment
from certctl.errors import CertctlError
from certctl.planning.spec import HookSpec, Spec
from certctl.system.unit import SERVICES, dropin

WRITES = "--writes"
"""As the first argument of a shipped hook: only print the directories that it writes, one a line."""


class Writes(NamedTuple):
    """What a pass writes."""

    directories: Mapping[str, tuple[str, ...]]
    """Each with who writes there: "certificate mx1"."""
    unknown: tuple[str, ...] = ()
    """Hooks of which nobody can say where they write."""


def look(spec: Spec) -> Writes:
    """Everything that passes of *spec* write. Raises CertctlError where a hook cannot say what it does."""
    found: dict[str, dict[str, None]] = {}
    for path, who in _configured(spec):
        found.setdefault(path, {})[who] = None
    unknown = []
    for hook in spec.hooks.values():
        paths = _of_hook(spec, hook)
        for path in paths or ():
            found.setdefault(path, {})[f"hook {hook.name}"] = None
        if paths is None:
            unknown.append(hook.name)
    return Writes({path: tuple(who) for path, who in found.items()}, tuple(unknown))


def _configured(spec: Spec) -> Iterator[tuple[str, str]]:
    yield spec.state_dir, "state_dir"
    for certificate in spec.certificates.values():
        for file in certificate.files:
            yield os.path.dirname(file.path), f"certificate {certificate.name}"
    for dhparam in spec.dhparams.values():
        yield os.path.dirname(dhparam.path), f"dhparam {dhparam.name}"
    for announcer in spec.announcers.values():
        if announcer.path:
            yield os.path.dirname(announcer.path), f"announce {announcer.name}"
    for peer in spec.peers.values():
        yield os.path.dirname(peer.map), f"peer {peer.name}"
    for issuer in spec.issuers.values():
        if issuer.acme and issuer.acme.webroot:
            yield os.path.normpath(issuer.acme.webroot), f"issuer {issuer.name}"


def _of_hook(spec: Spec, hook: HookSpec) -> list[str] | None:
    """The directories that *hook* writes, as the shipped hook for its program says; None: there is none."""
    command = wiring.resolve_hook(spec, hook)
    if os.path.basename(command[0]) == "systemctl":
        return []  # systemd does it, outside of the unit
    argv = _asking(command)
    if argv is None:
        return None
    from certctl.deploy.lookup import hook_path
    from certctl.deploy.process import run_hook

    told = environment(spec, hook.name, list(_files_of(spec, hook.name)), hook_path())
    outcome = run_hook(argv, told, hook.timeout)
    if outcome.exit_status:
        last = (outcome.output.strip().splitlines() or [f"exit status {outcome.exit_status}"])[-1]
        raise CertctlError(
            f"hook {hook.name} cannot say what it writes: {last}",
            f"mend it, then: certctl hooks run {hook.name}",
        )
    return [os.path.normpath(line) for line in outcome.output.splitlines() if line.startswith("/")]


def _asking(argv: list[str]) -> list[str] | None:
    from certctl.deploy.lookup import shipped_dir

    shipped = shipped_dir("hooks")
    at = next((at for at, word in enumerate(argv[:2]) if os.path.dirname(word) == shipped), None)
    if at is not None:
        return [*argv[: at + 1], WRITES, *argv[at + 1 :]]
    # A command that says `postfix reload` by itself writes what the hook of that name writes.
    name = os.path.basename(argv[0])
    path = os.path.join(shipped, name)
    if not os.path.isfile(path):
        return None
    tables = [word for word in argv[1:] if name == "postmap" and word.partition(":")[2].startswith("/")]
    return ["/bin/sh", path, WRITES, *tables]


def _files_of(spec: Spec, hook: str) -> Iterator[str]:
    """The paths that *hook* may be told of in CERTCTL_FILES."""
    for certificate in spec.certificates.values():
        yield from (file.path for file in certificate.files if hook in file.hooks)
    yield from (one.path for one in spec.dhparams.values() if hook in one.hooks)
    yield from (one.path for one in spec.announcers.values() if hook in one.hooks)
    for watch in spec.watches.values():
        if hook in watch.hooks:
            yield from watch.paths
    yield from (peer.map for peer in spec.peers.values() if hook in peer.hooks)


def render(spec: Spec, writes: Writes) -> str:
    """The text of the drop-in. Raises CertctlError for a path that systemd cannot be told."""
    lines = [
        f"# Where certctl may write, as {spec.path} has it. Made by: certctl systemd --write",
        "# More, for a hook of your own: systemctl edit certctl.service, and ReadWritePaths= there.",
        "[Service]",
        "ReadWritePaths=",
    ]
    for path, who in writes.directories.items():
        lines += [f"# {', '.join(who)}", f"ReadWritePaths={_word(path)}"]
    lines += [f"# What hook {name} writes is not known here." for name in writes.unknown]
    return "\n".join(lines) + "\n"


def _word(path: str) -> str:
    """*path* as a word of ReadWritePaths=; a "-" has systemd pass over what is not there."""
    quote = next((quote for quote in ("", '"', "'") if _fits(path, quote)), None)
    if quote is None:
        raise CertctlError(f"systemd cannot be told the path {path!r}", "choose one without quotes and such")
    return f"{quote}-{path.replace('%', '%%')}{quote}"


def _fits(path: str, quote: str) -> bool:
    return path.isprintable() and not any(c in path for c in quote or " \"'\\")


def write(spec: Spec, writes: Writes, home: str) -> list[str]:
    """Put the drop-in beside each of the units below *home*; returns the paths."""
    from certctl.store import atomic

    text = render(spec, writes).encode()
    paths = [dropin(service, home) for service in SERVICES]
    for path in paths:
        atomic.make_directory(os.path.dirname(path), 0o755)
        atomic.write(path, text, 0o644)
    return paths
