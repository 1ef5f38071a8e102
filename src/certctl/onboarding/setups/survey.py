"""A look at the servers of this host, or at those that are named; one that is broken keeps no other back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from certctl.errors import CertctlError
from certctl.onboarding.setups.dovecot import dovecot_setup
from certctl.onboarding.setups.exim import exim_setup
from certctl.onboarding.setups.haproxy import haproxy_setup
from certctl.onboarding.setups.nginx import nginx_setup
from certctl.onboarding.setups.postfix import postfix_setup
from certctl.onboarding.setups.setup import Hook, Setup
from certctl.servers.detect import Found
from certctl.servers.postfix import enabled_instances

KINDS = ("postfix", "dovecot", "nginx", "haproxy", "exim")
_TITLES = {"postfix": "Postfix", "dovecot": "Dovecot", "nginx": "nginx", "haproxy": "HAProxy", "exim": "Exim"}
_OPTIONS = {"postfix": "--config-dir"}
_SETUPS = {"dovecot": dovecot_setup, "nginx": nginx_setup, "haproxy": haproxy_setup}


class Broken(NamedTuple):
    """A server that was passed over."""

    subject: str
    message: str
    hint: str | None


class _Target(NamedTuple):
    kind: str
    path: str
    hook: Hook
    program: str = "exim4"
    group: str | None = None


def survey(found: Sequence[Found], named: Sequence[tuple[str, str]]) -> tuple[list[Setup], list[Broken]]:
    """Look at the servers *named* (kind, path), or else at those that were *found* on this host."""
    setups: list[Setup] = []
    broken: list[Broken] = []
    targets = list(_named(named, found)) if named else [one for each in found for one in _installed(each)]
    for target in targets:
        try:
            setups.append(_setup(target))
        except CertctlError as error:
            subject = f"{_TITLES[target.kind]} ({target.path})"
            broken.append(Broken(subject, error.message, error.hint))
    return setups, broken


def _installed(found: Found) -> Iterator[_Target]:
    """A server in its usual place, whose hook needs no arguments; of Postfix each enabled instance."""
    path, hook = found.config, Hook(found.hook)
    if found.hook != "postfix":
        yield _Target(found.hook, path, hook, found.program, found.group)
        return
    for directory in enabled_instances() or [os.path.dirname(path)]:
        yield _Target("postfix", directory, hook)


def _named(named: Sequence[tuple[str, str]], found: Sequence[Found]) -> Iterator[_Target]:
    exim = next((one for one in found if one.hook == "exim"), None)
    usual = [one.config for one in found if one.hook != "postfix"]
    counts: dict[str, int] = {}
    for kind, given in named:
        path = os.path.abspath(given)
        if kind == "postfix" and os.path.basename(path) == "main.cf":
            path = os.path.dirname(path)
        counts[kind] = counts.get(kind, 0) + 1
        name = kind if counts[kind] == 1 else f"{kind}-{counts[kind]}"
        command = () if path in usual else (f"hook:{kind}", _OPTIONS.get(kind, "--config"), path)
        program, group = (exim.program, exim.group) if exim else ("exim4", None)
        yield _Target(kind, path, Hook(name, command), program, group)


def _setup(target: _Target) -> Setup:
    if target.kind == "postfix":
        return postfix_setup(target.path, target.hook)
    if target.kind == "exim":
        return exim_setup(target.path, target.hook, target.program, target.group)
    return _SETUPS[target.kind](target.path, target.hook)
