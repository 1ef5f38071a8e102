"""The doctor's round: every target looked at, nothing changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from certctl.doctor.chain import Scene
from certctl.doctor.dovecot import check_dovecot
from certctl.doctor.exim import check_exim
from certctl.doctor.finding import ERROR, INFO, WARNING, Finding, Place, Used
from certctl.doctor.followed import FollowedLine, check_followed
from certctl.doctor.haproxy import check_haproxy
from certctl.doctor.managed import ManagedFile, check_managed
from certctl.doctor.nginx import check_nginx
from certctl.doctor.pem_files import Findings, check_chain_files
from certctl.doctor.postfix_keys import check_keys
from certctl.doctor.postfix_maps import check_maps
from certctl.doctor.postfix_services import check_services
from certctl.doctor.postfix_tls import check_settings
from certctl.errors import CertctlError, UsageError
from certctl.servers.detect import detect
from certctl.servers.dovecot import read_dovecot
from certctl.servers.postfix import Postfix, enabled_instances, read_postfix

KINDS = ("postfix", "dovecot", "nginx", "haproxy", "exim", "pem")
_RANK = {ERROR: 0, WARNING: 1, INFO: 2}


class Target(NamedTuple):
    """What is to be looked at."""

    kind: str
    """One of KINDS; pem is a bundle by itself."""
    path: str
    """The configuration file; for postfix the directory of main.cf."""
    ask: bool = True
    """Whether the server's own tool (postconf, doveconf) is asked, where it is installed."""


def installed_targets(root: str = "/") -> list[Target]:
    """Return what is set up on this host: of Postfix every instance that postmulti(1) lists as enabled."""
    targets = []
    for found in detect(root):
        path = os.path.join(root, found.config.lstrip("/"))
        if found.hook == "postfix":
            instances = enabled_instances() if root == "/" else []
            targets += [Target("postfix", directory) for directory in instances or [os.path.dirname(path)]]
        else:
            targets.append(Target(found.hook, path))
    return targets


def doctor(
    targets: Sequence[Target],
    now: datetime,
    *,
    lineages: Mapping[str, str] | None = None,
    managed: Sequence[ManagedFile] = (),
    followed: Sequence[FollowedLine] = (),
) -> list[Finding]:
    """Look at *targets* and return what is wrong, the worst first; nothing is changed.

    *lineages* has the certificates that are written into files, by real path, so that advice names them.
    *managed* are the files that certctl writes: a certificate among them that no target uses is a finding.
    *followed* are the lines that it keeps in policy maps: one that no Postfix goes by is a finding.
    A target that cannot be read at all is a finding too, and the others are looked at all the same.
    Raises UsageError for a target of an unknown kind.
    """
    findings: list[Finding] = []
    used: list[Used] = []
    servers: list[Postfix] = []
    for target in targets:
        place = Place(f"{target.kind} {target.path}", target.kind)
        try:
            for one in _look_at(target, now, servers):
                if isinstance(one, Used):
                    used.append(one)
                else:
                    findings.append(one)
        except UsageError:
            raise
        except CertctlError as error:
            findings.append(
                place.error("unreadable", error.message, error.hint or "run certctl doctor as root")
            )
    if targets:
        findings += check_managed(managed, used)
    findings += check_followed(servers, followed)
    return worst_first([_named(finding, lineages or {}) for finding in findings])


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Errors before warnings, each finding once."""
    return sorted(dict.fromkeys(findings), key=lambda finding: _RANK[finding.severity])


def _named(finding: Finding, lineages: Mapping[str, str]) -> Finding:
    name = lineages.get(os.path.realpath(finding.path)) if finding.path else None
    return finding._replace(fix=finding.fix.replace("NAME", name)) if name else finding


def _look_at(target: Target, now: datetime, servers: list[Postfix]) -> Findings:
    if target.kind == "postfix":
        yield from _look_at_postfix(target, now, servers)
    elif target.kind == "dovecot":
        yield from check_dovecot(read_dovecot(target.path, ask_doveconf=target.ask), now)
    elif target.kind == "nginx":
        yield from check_nginx(target.path, now)
    elif target.kind == "haproxy":
        yield from check_haproxy(target.path, now)
    elif target.kind == "exim":
        yield from check_exim(target.path, now)
    elif target.kind == "pem":
        scene = Scene(Place(f"pem {target.path}", "pem"), now, reload="reload the server")
        yield from check_chain_files(scene, [target.path])
    else:
        raise UsageError(f"the doctor knows no {target.kind}", hint=f"one of {', '.join(KINDS)}")


def _look_at_postfix(target: Target, now: datetime, servers: list[Postfix]) -> Iterator[Finding | Used]:
    postfix = read_postfix(target.path, ask_postconf=target.ask)
    servers.append(postfix)
    scene = Scene(Place(postfix.subject, "postfix"), now, reload=postfix.reload)
    yield from check_keys(postfix, scene)
    yield from check_settings(postfix)
    yield from check_services(postfix)
    yield from check_maps(postfix, scene)
