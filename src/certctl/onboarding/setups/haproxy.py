"""What an HAProxy serves: the bundles of its bind lines."""

from __future__ import annotations

import os
from collections.abc import Iterator

from certctl.onboarding.setups.setup import Hook, Setup, Use, direct_scheme, endpoint, unique, url
from certctl.servers.haproxy import Line, bundles, crt_base, read_haproxy

_KINDS = (".rsa", ".ecdsa", ".dsa")


def haproxy_setup(path: str, hook: Hook) -> Setup:
    """Look at the file or directory *path*. Raises CertctlError if it cannot be read."""
    lines = read_haproxy(path)
    usual = path == "/etc/haproxy/haproxy.cfg"
    home = path if os.path.isdir(path) else os.path.dirname(path)
    return Setup(
        "haproxy",
        "HAProxy",
        path,
        hook if usual else _with_pid_file(hook, lines),
        f"{home}/tls",
        f"haproxy -c -f {path} && systemctl reload haproxy",
        tuple(use for line in lines if line.is_tls for use in _uses(line, crt_base(lines))),
        unique(_values(lines, "ssl-dh-param-file")),
    )


def _with_pid_file(hook: Hook, lines: list[Line]) -> Hook:
    """An instance of one's own is not the system's service: its master is found by its pid file."""
    files = _values(lines, "pidfile")
    return hook._replace(command=(*hook.command, "--pid-file", files[0])) if files else hook


def _values(lines: list[Line], name: str) -> list[str]:
    return [line.words[1] for line in lines if line.words[0] == name and len(line.words) > 1]


def _uses(line: Line, base: str) -> Iterator[Use]:
    probes = unique(_probes(line))
    to_write = (f"# in {line.path}, line {line.number}: ssl crt {{bundle}}",)
    groups: dict[str, list[str]] = {}
    for path in bundles(line, base):
        stem, dot_kind = os.path.splitext(path)
        beside = [f"{path}.key"] if os.path.exists(f"{path}.key") else []
        groups.setdefault(stem if dot_kind in _KINDS else path, []).extend([*beside, path])
    if not groups:
        yield Use(line.subject, (), (), probes, to_write)
    # Which of several is served depends on the name that is asked for: its own names tell.
    for files in groups.values():
        yield Use(line.subject, unique(files), (), probes, to_write)


def _probes(line: Line) -> Iterator[str]:
    for text in line.words[1].split(",") if len(line.words) > 1 else ():
        place = endpoint(text.removeprefix("ipv4@").removeprefix("ipv6@"))
        if place is not None and place[1].isdigit():
            yield url(direct_scheme(int(place[1])), place[0], int(place[1]))
