"""Announcements as lines of a file: policy tables, zone files. What is shown is read off the file itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from certctl.announce import files
from certctl.announce.tools import Shown, Tools
from certctl.errors import CertctlError
from certctl.planning.observed import AnnouncerSeen
from certctl.planning.pins import Announced, cache_time, policy_line, tlsa_line, tlsa_names
from certctl.planning.spec import AnnouncerSpec
from certctl.planning.state import Observation


class Line(NamedTuple):
    """One line of an announcer's file."""

    key: str
    """What it is about: a next-hop, or an owner name in the DNS."""
    text: str
    certificates: tuple[str, ...]


Render = Callable[[AnnouncerSpec, Mapping[str, Announced]], list[Line]]
Parse = Callable[[str], tuple[str, frozenset[str]]]
"""Gives the key of a line, and the values that it tells."""


class Form(NamedTuple):
    """How lines are made and understood."""

    render: Render
    parse: Parse
    lacking: str
    """Why a certificate may have no line at all."""


def policy(spec: AnnouncerSpec, wanted: Mapping[str, Announced]) -> list[Line]:
    """One line for each next-hop, with the pins of all certificates that are served there."""
    served: dict[str, list[Announced]] = {}
    for entry in wanted.values():
        for hop in spec.nexthops or entry.nexthops:
            served.setdefault(hop, []).append(entry)
    return [
        Line(
            hop,
            policy_line(hop, (pin.sha256 for entry in entries for pin in entry.pins)),
            tuple(entry.certificate for entry in entries),
        )
        for hop, entries in served.items()
    ]


def tlsa(spec: AnnouncerSpec, wanted: Mapping[str, Announced]) -> list[Line]:
    """A record for each name, port and pin, in the order in which `certctl fingerprints` prints them."""
    texts: dict[str, tuple[str, list[str]]] = {}
    for entry in wanted.values():
        for name in tlsa_names(entry.names):
            for port in spec.ports:
                for pin in entry.pins:
                    text = tlsa_line(name, port, pin.sha256, spec.ttl)
                    users = texts.setdefault(text, (text.split(" ", 1)[0], []))[1]
                    if entry.certificate not in users:
                        users.append(entry.certificate)
    return [Line(key, text, tuple(users)) for text, (key, users) in texts.items()]


def parse_policy(line: str) -> tuple[str, frozenset[str]]:
    words = line.split()
    values = [word.removeprefix("match=") for word in words[1:] if word.startswith("match=")]
    return (words[0] if words else ""), frozenset(values)


def parse_tlsa(line: str) -> tuple[str, frozenset[str]]:
    words = line.split()
    return (words[0] if words else ""), frozenset(words[-1:])


POLICY = Form(policy, parse_policy, "it has no name that could be a next-hop: set nexthops")
TLSA = Form(tlsa, parse_tlsa, "it has no name that can have TLSA records, only addresses or wildcards")


class LinesAnnouncer:
    """Keeps one file of lines."""

    def __init__(self, spec: AnnouncerSpec, form: Form, tools: Tools) -> None:
        self.spec = spec
        self._form = form
        self._tools = tools

    def observe(self, wanted: Mapping[str, Announced]) -> AnnouncerSeen:
        """Compares line by line."""
        lines = self._form.render(self.spec, wanted)
        found = files.look(self.spec)
        there = dict.fromkeys((found.data or b"").decode("utf-8", "replace").splitlines())
        shown_values = _by_key(map(self._form.parse, there))
        want: dict[str, str] = {}
        shown: dict[str, str] = {}
        fewer = set()
        lines_of: dict[str, list[Line]] = {name: [] for name in wanted}
        for line in lines:
            for name in dict.fromkeys(line.certificates):
                lines_of[name].append(line)
        for name, mine in lines_of.items():
            want[name] = _digest([line.text for line in mine])
            shown[name] = _digest([line.text for line in mine if line.text in there])
            values = _by_key(self._form.parse(line.text) for line in mine)
            keys_there = {key: shown_values.get(key, frozenset()) for key in values}
            if all(keys_there[key] >= values[key] for key in values) and keys_there != values:
                fewer.add(name)
                shown[name] = _digest(sorted(f"{key} {sorted(v)}" for key, v in keys_there.items()))
        known = {line.key for line in lines}
        shown |= {key: "" for key in shown_values if key not in known}
        problem = found.problem if found.data is not None or wanted else None
        right = shown == want and found.data is not None and found.data != _text(lines)
        if problem is None and right:
            problem = "does not hold what is announced"
        return AnnouncerSeen(
            want,
            shown,
            f"{self.spec.path} {problem}" if problem else None,
            (found.seen,),
            frozenset(fewer),
            absent=_absent(wanted, shown_values) if found.data is not None else frozenset(),
        )

    def show(self, wanted: Mapping[str, Announced], now: datetime) -> Shown:
        """Write the file if it is not as it should be; then look whether it can be read at the URL."""
        lines = self._form.render(self.spec, wanted)
        for name in wanted:
            if not any(name in line.certificates for line in lines):
                raise CertctlError(f"{name} cannot be announced: {self._form.lacking}", transient=False)
        watch = files.Stopwatch(now)
        found, data = files.look(self.spec), _text(lines)
        if found.problem or found.data != data:
            files.put(self.spec, data)
            if self.spec.hooks:
                return Shown({})
        why = files.unreadable(self._tools, self.spec, data)
        if why is not None:
            return Shown({}, dict.fromkeys(wanted, why))
        observation = Observation(watch.now(), cache_time(self.spec))
        return Shown(dict.fromkeys(wanted, observation))


def _by_key(pairs: Iterable[tuple[str, frozenset[str]]]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for key, values in pairs:
        found[key] = found.get(key, frozenset()) | values
    return found


def _absent(wanted: Mapping[str, Announced], shown: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The pins that are in no line, whosever it is."""
    there = {value.replace(":", "").lower() for values in shown.values() for value in values}
    every = {pin.sha256 for entry in wanted.values() for pin in entry.pins}
    return frozenset(pin for pin in every if pin.replace(":", "").lower() not in there)


def _text(lines: list[Line]) -> bytes:
    return "".join(f"{line.text}\n" for line in lines).encode()


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
