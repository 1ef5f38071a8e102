"""init: a first configuration, after looking at what runs here.

In /etc/certctl it fits the servers of the host, and in any directory those that are named; the keys that they
serve are taken over before it is written. Anywhere else it is self-contained, and only tells of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from certctl.app import passes, wiring
from certctl.config import file, loading
from certctl.errors import CertctlError
from certctl.onboarding import adopting, fit_text, importing, starter
from certctl.onboarding.ca import Ca, beside
from certctl.onboarding.fit import Skipped
from certctl.onboarding.fitting import Fitting, fit
from certctl.onboarding.names import canonical
from certctl.planning.pins import DIGESTS
from certctl.planning.spec import Spec
from certctl.servers.detect import Found
from certctl.store import atomic
from certctl.store.disk import DiskStore


class Fingerprint(NamedTuple):
    """One of those that peers may hold of what is served now."""

    name: str
    """The certificate's."""
    of: str
    """key | certificate"""
    algorithm: str
    digest: str
    fingerprint: str


Choose = Callable[[Sequence[Fingerprint]], str | None]
"""Asks which of them peers hold: key | certificate; None: nobody is there who knows."""


class Taken(NamedTuple):
    """A certificate whose keys were taken over, or an account at a CA."""

    name: str
    source: str
    text: str
    pins: tuple[str, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    pin: str = ""
    """What peers are taken to hold: key | certificate."""


class Started(NamedTuple):
    """What init wrote and found."""

    path: str
    directories: tuple[str, ...]
    found: tuple[str, ...]
    """The servers that were seen on this host, or named."""
    taken: tuple[Taken, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    lines: tuple[str, ...] = ()
    """What makes the servers use the files, to be typed after the first pass."""
    notes: tuple[str, ...] = ()
    later: bool = False
    """Whether probes wait for the lines."""
    switch_off: tuple[str, ...] = ()
    """What keeps other tools from renewing what is certctl's from now on."""


def possible(names: Sequence[str], directory: str | None) -> None:
    """Raise what init would for these arguments, so that nobody is asked in vain."""
    starter.target(directory)
    canonical(names)


def init(
    names: Sequence[str],
    directory: str | None,
    servers: Sequence[tuple[str, str]] = (),
    ca: Ca | None = None,
    wait: float = 30.0,
    *,
    pin: str | None = None,
    choose: Choose | None = None,
) -> Started:
    """Write DIRECTORY/certctl.toml and make the directories it names; *servers*: kind and path of each.

    *ca*, whose terms are agreed to, signs what private-ca would sign without it. *pin*: what peers hold of
    the certificates that are taken over; without it *choose* is asked, and if nobody knows, it is the
    certificate itself wherever it may be. Raises UsageError if the file is there, CertctlError if none of
    *servers* can be used.
    """
    from certctl.servers.detect import detect

    path = starter.target(directory)
    home = os.path.dirname(path)
    wanted = canonical(names)
    found = detect()
    if not servers and home != file.SYSTEM_DIRECTORY:
        return _write_starter(path, wanted, found, (), ca)
    fitting = _fitting(wanted, found, servers)
    if fitting.fit.certificates:
        return _write_fit(path, _pinned(fitting, pin, choose), ca, wait)
    if servers:
        raise _useless(fitting)
    return _write_starter(path, wanted, found, fitting.fit.skipped, ca)


def _fitting(names: Sequence[str], found: Sequence[Found], servers: Sequence[tuple[str, str]]) -> Fitting:
    from certctl.onboarding.setups.survey import survey

    setups, broken = survey(found, servers)
    fitting = fit(setups, names, wiring.clock(), os.environ)
    skipped = (*(Skipped(*one) for one in broken), *fitting.fit.skipped)
    return fitting._replace(fit=fitting.fit._replace(skipped=skipped))


def _pinned(fitting: Fitting, pin: str | None, choose: Choose | None) -> Fitting:
    """With what peers hold of each certificate that is taken over."""
    careful = {one.name for one in fitting.fit.certificates if one.pin == "certificate"}
    if pin is None and careful and choose is not None:
        pin = choose([one for one in _fingerprints(fitting) if one.name in careful])
    elif pin is not None:
        careful = {one.name for one in fitting.fit.certificates if one.pin}
    certificates = tuple(
        one._replace(pin=pin) if pin and one.name in careful else one for one in fitting.fit.certificates
    )
    return fitting._replace(fit=fitting.fit._replace(certificates=certificates))


def _fingerprints(fitting: Fitting) -> list[Fingerprint]:
    """Of all that is taken over, under the digests that are in use here; SHA-256 in any case."""
    digests = [one for one in dict.fromkeys([*fitting.fit.digests, "sha256"]) if one in DIGESTS]
    return [
        Fingerprint(match.name, of, pair.algorithm, digest, getattr(record, digest))
        for match in fitting.matches
        for pair in match.lineage.pairs
        for of, record in (("key", pair.record), ("certificate", pair.record.certificate))
        for digest in digests
        if record is not None
    ]


def _useless(fitting: Fitting) -> CertctlError:
    """Why there is nothing to write for the servers that were named."""
    if not fitting.fit.skipped:
        return CertctlError(
            "none of these servers speaks TLS, or takes mail",
            "without options init writes a starter: certctl init --dir DIR",
        )
    first = fitting.fit.skipped[0]
    return CertctlError(f"{first.subject}: {first.message}", first.hint)


def _write_starter(
    path: str, names: Sequence[str], found: Sequence[Found], skipped: Sequence[Skipped], ca: Ca | None
) -> Started:
    home = os.path.dirname(path)
    text = starter.starter(names, found, home, ca)
    directories = starter.directories(home)
    for place, mode in directories:
        atomic.make_directory(place, mode)
    atomic.write(path, text.encode(), 0o644)
    made = tuple(place for place, _ in directories)
    return Started(path, made, tuple(server.title for server in found), skipped=tuple(skipped))


def _write_fit(path: str, fitting: Fitting, ca: Ca | None, wait: float) -> Started:
    """Take the keys over, then write: a pass that met the files before would put other keys there."""
    home = os.path.dirname(path)
    if ca is not None:
        ca = beside(ca, {one.issuer for one in fitting.fit.certificates})
        fitting = _signed_by(ca, fitting)
    text = fit_text.render(fitting.fit, home, ca)
    spec = loading.build(path, file.parse(path, text))
    directories = fit_text.directories(fitting.fit, home)
    new = tuple(place for place, _ in directories if not os.path.isdir(place))
    for place, mode in directories:
        atomic.make_directory(place, mode)
    taken = _take_over(spec, fitting, wait)
    atomic.write(path, text.encode(), 0o644)
    certificates = fitting.fit.certificates
    return Started(
        path,
        new,
        fitting.fit.servers,
        taken,
        fitting.fit.skipped,
        fitting.fit.lines,
        tuple(note for one in certificates for note in one.notes),
        any(one.later for one in certificates),
        tuple(dict.fromkeys(line for tree in fitting.trees for line in tree.switch_off)),
    )


def _signed_by(ca: Ca, fitting: Fitting) -> Fitting:
    """With *ca* for everything that private-ca would sign."""
    certificates = tuple(
        one._replace(issuer=ca.name) if one.issuer == "private-ca" else one
        for one in fitting.fit.certificates
    )
    return fitting._replace(fit=fitting.fit._replace(certificates=certificates))


def _take_over(spec: Spec, fitting: Fitting, wait: float) -> tuple[Taken, ...]:
    if not fitting.matches:
        return ()
    now = wiring.clock()
    with passes.locked(spec, wait):
        store = DiskStore(spec.state_dir, configuration=spec.path)
        store.prepare()
        taken = []
        pinned = {one.name: one.pin for one in fitting.fit.certificates}
        for match in fitting.matches:
            source = match.lineage.source
            done = adopting.adopt(store, match, source, now)
            pins = tuple(pair.record.sha256 for pair in match.lineage.pairs)
            shown = tuple(one for one in _fingerprints(fitting) if one.name == match.name)
            taken.append(Taken(match.name, source, done.text, pins, shown, pinned[match.name]))
        for row in (row for tree in fitting.trees for row in importing.take_accounts(store, spec, tree, now)):
            taken.append(Taken(f"the account of {row.name}", row.source, row.text))
    return tuple(taken)


def document(started: Started) -> dict[str, Any]:
    """The document of ``init --json``."""
    return {
        "version": 1,
        **started._asdict(),
        "taken": [
            {**one._asdict(), "fingerprints": [each._asdict() for each in one.fingerprints]}
            for one in started.taken
        ],
        "skipped": [one._asdict() for one in started.skipped],
    }
