"""Certificates that fit what servers read now: which of their uses are one certificate, with which names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from certctl.config.issuers import BUILT_IN
from certctl.config.names import server_name
from certctl.config.problems import BadValueError
from certctl.onboarding import fragment, matching, present
from certctl.onboarding.fit import Fit, FittedCertificate, FittedDh, FittedHook, Skipped
from certctl.onboarding.fitted_files import Place, fitted_files, serves_all, serves_already
from certctl.onboarding.names import certificate_name, default_name, free
from certctl.onboarding.setups.setup import Setup, unique
from certctl.onboarding.tools.common import Lineage, Tree
from certctl.planning.spec import Spec

NEW_KEYS: tuple[str, ...] = ("ecdsa-p256",)


class Fitting(NamedTuple):
    """What to write, and what to take over before."""

    fit: Fit
    matches: tuple[matching.Match, ...]
    trees: tuple[Tree, ...]
    """Of the other tools that renewed some of it until now."""


class _Draft(NamedTuple):
    """A certificate to be: the places that show it, and what it is called."""

    lineage: Lineage | None
    names: list[str]
    places: list[Place]

    @property
    def pins(self) -> frozenset[str]:
        return frozenset(pair.record.sha256 for pair in self.lineage.pairs) if self.lineage else frozenset()

    def covers(self, names: Iterable[str]) -> bool:
        return all(_covers(self.names, name) for name in names)


def _covers(names: Sequence[str], name: str) -> bool:
    return name in names or f"*.{name.partition('.')[2]}" in names


def fit(setups: Sequence[Setup], wanted: Sequence[str], now: datetime, environ: Mapping[str, str]) -> Fitting:
    """Fit what is configured in *setups*; *wanted* are the names for the host's own certificate, if any."""
    places = [Place(setup, use, present.look(use, now, environ)) for setup in setups for use in setup.uses]
    skipped = [_closed(place) for place in places if place.present.kind == present.CLOSED]
    keyed = [place for place in places if place.present.kind == present.KEY]
    bare = [place for place in places if place.present.kind not in (present.KEY, present.CLOSED)]
    drafts = _in_order(_with_keys(keyed, skipped), places)
    _rename(drafts, wanted)
    _without_keys([place for place in bare if not place.use.optional], drafts, wanted)
    drafts = _in_order(drafts, places)
    plan = _matched(drafts)
    skipped += [Skipped(one.source, one.message, one.hint) for one in plan.refused]
    named = _named(drafts, plan)
    taken: set[str] = set()
    certificates = [_certificate(draft, match, name, taken) for draft, match, name in named]
    used = [place for draft, _, _ in named for place in draft.places]
    trees = tuple(dict.fromkeys(place.present.tree for place in used if place.present.tree))
    whole = Fit(
        tuple(setup.subject for setup in setups if any(place.setup is setup for place in used)),
        tuple(certificates),
        tuple(_dhparams(setups)),
        tuple(_hooks(used)),
        fragment.render(_tool(used), "", plan.issuers, ()).partition("\n\n")[2] if plan.issuers else "",
        tuple(skipped),
        tuple(_lines(setups, certificates)),
        unique(digest for setup in setups for digest in setup.digests),
    )
    return Fitting(whole, tuple(match for _, match, _ in named if match is not None), trees)


def _closed(place: Place) -> Skipped:
    return Skipped(place.use.subject, place.present.message, place.present.hint)


def _with_keys(places: Sequence[Place], skipped: list[Skipped]) -> Iterator[_Draft]:
    """One certificate for each set of keys; who shows some of another's keys shows that one."""
    drafts: list[_Draft] = []
    for place in sorted(places, key=lambda one: -len(one.present.pins)):
        lineage = place.present.lineage
        assert lineage is not None
        home = next((draft for draft in drafts if place.present.pins <= draft.pins), None)
        if home is not None:
            home.places.append(place)
        elif any(place.present.pins & draft.pins for draft in drafts):
            message = f"{place.use.files[0]} has one key of another certificate, and one that it has not"
            skipped.append(Skipped(place.use.subject, message, "give both servers the same files"))
        else:
            drafts.append(_Draft(lineage, list(lineage.names), [place]))
    yield from drafts


def _without_keys(places: Sequence[Place], drafts: list[_Draft], wanted: Sequence[str]) -> None:
    """Give every other place a certificate: the one that has its names, or a new one."""
    for place in sorted(places, key=lambda one: not _names(one, wanted)):
        names = _names(place, wanted)
        shared = next((one for one in drafts if _reads_the_same(one, place)), None)
        home = shared or next((one for one in drafts if one.covers(names)), None)
        if home is None:
            home = _Draft(None, names or [default_name()], [])
            drafts.append(home)
        elif home.lineage is None:
            home.names.extend(name for name in names if not _covers(home.names, name))
        home.places.append(place)


def _names(place: Place, wanted: Sequence[str]) -> list[str]:
    """What a place has to be called: by the configuration; what is the host's, as was asked for."""
    if place.use.of_host and wanted:
        return list(wanted)
    found = []
    for name in place.use.names:
        try:
            found.append(server_name(name))
        except BadValueError:
            continue  # "_" and its like stand where any name will do
    return list(unique(found))


def _reads_the_same(draft: _Draft, place: Place) -> bool:
    """Whether both wait for the same files, which are not there yet."""
    files = [one.use.files for one in draft.places if one.present.kind == present.MISSING]
    return place.present.kind == present.MISSING and place.use.files in files


def _in_order(drafts: Iterable[_Draft], places: Sequence[Place]) -> list[_Draft]:
    """By the first place of each, so that mail servers stay first."""
    return sorted(drafts, key=lambda draft: min(places.index(place) for place in draft.places))


def _rename(drafts: Sequence[_Draft], wanted: Sequence[str]) -> None:
    """Give the names that were asked for to the host's own certificate, if there is one already."""
    having = [draft for draft in drafts if wanted and wanted[0] in draft.names]
    own = [draft for draft in drafts if wanted and any(place.use.of_host for place in draft.places)]
    for draft in (having or own)[:1]:
        draft.names[:] = wanted


def _matched(drafts: Sequence[_Draft]) -> matching.Plan:
    lineages = []
    for draft in drafts:
        if draft.lineage is not None:
            renamed = tuple(draft.names) != draft.lineage.names
            lineages.append(draft.lineage._replace(name=draft.names[0]) if renamed else draft.lineage)
    plan = matching.match(Spec("", issuers=BUILT_IN), Tree("pem", "", tuple(lineages)))
    known = {place.present.pins: place.present.issuer for draft in drafts for place in draft.places}
    matches = [_by(match, known) for match in plan.matches]
    used = {match.issuer for match in matches}
    return plan._replace(matches=matches, issuers=[one for one in plan.issuers if one.name in used])


def _by(match: matching.Match, known: Mapping[frozenset[str], str]) -> matching.Match:
    """With the issuer that is known to have signed it, if it is one that needs no table."""
    issuer = known.get(frozenset(pair.record.sha256 for pair in match.lineage.pairs), "")
    return match._replace(issuer=issuer) if issuer in BUILT_IN else match


def _named(drafts: Sequence[_Draft], plan: matching.Plan) -> list[tuple[_Draft, matching.Match | None, str]]:
    """Each certificate with its table's name; what has names that cannot be configured is left out."""
    found: list[tuple[_Draft, matching.Match | None, str]] = []
    taken = {match.name for match in plan.matches}
    for draft in drafts:
        if draft.lineage is None:
            name = free(certificate_name(draft.names[0]), taken)
            taken.add(name)
            found.append((draft, None, name))
            continue
        for match in plan.matches:
            if frozenset(pair.record.sha256 for pair in match.lineage.pairs) == draft.pins:
                found.append((draft, match, match.name))
    return found


def _certificate(
    draft: _Draft, match: matching.Match | None, name: str, taken: set[str]
) -> FittedCertificate:
    keys, names = NEW_KEYS, tuple(draft.names)
    if match is not None:
        keys = tuple(pair.algorithm for pair in match.lineage.pairs)
        renamed = draft.lineage is not None and names != draft.lineage.names
        names = names if renamed else match.names
    files = fitted_files(draft.places, name, keys, taken)
    # A probe wants every key to be served, and takes a change back otherwise.
    whole = [place for place in draft.places if serves_all(place, keys)]
    ready = [place for place in whole if serves_already(place, files)]
    probes = unique(url for place in ready for url in _probes(place, names))
    later = unique(url for place in whole for url in _probes(place, names) if url not in probes)
    issuer = match.issuer if match else "private-ca"
    notes = (*_notes(draft, names), *_unproved(draft, keys))
    pairs = draft.lineage.pairs if draft.lineage else ()
    return FittedCertificate(
        name,
        names,
        issuer,
        keys,
        tuple(files),
        probes,
        later,
        notes,
        pin=_pinned(draft) if match else "",
        taken_over=tuple((pair.algorithm, pair.record.sha256) for pair in pairs),
    )


def _pinned(draft: _Draft) -> str:
    """What peers may hold of a certificate that is there: all of it, if nobody ever renewed it.

    What a tool renews every few weeks nobody can have pinned but by its key.
    """
    return "key" if any(place.present.tool for place in draft.places) else "certificate"


def _unproved(draft: _Draft, keys: Sequence[str]) -> Iterator[str]:
    for place in draft.places:
        if place.use.probes and not serves_all(place, keys):
            yield f"{place.use.subject} serves only one of these keys, so its ports are not in probe."


def _probes(place: Place, names: Sequence[str]) -> Iterator[str]:
    """Where to look; by the name that the place is for where it is not the certificate's first."""
    asked = [] if place.use.of_host else [one for one in _names(place, ()) if "*" not in one]
    fits = next((one for one in asked if _covers(names, one)), "")
    # A server with another name than the certificate's would fail each time that it is looked at.
    for url in place.use.probes if fits or not asked else ():
        yield f"{url}?sni={fits}" if fits and fits != names[0] else url


def _notes(draft: _Draft, names: Sequence[str]) -> Iterator[str]:
    if draft.lineage is None and names[0] == "localhost":
        yield "Nothing here says what this host is called: put its names where localhost stands."
    for place in draft.places:
        found = place.present
        if found.tool == present.OURS:
            yield f"{place.use.subject} reads the state of certctl; a file of its own is better."
        elif found.tool:
            stop = f": {' or '.join(found.tree.switch_off)}" if found.tree else "."
            yield f"{place.use.subject} has it from {found.tool}, which must not renew it any more{stop}"
        if found.kind in (present.PLACEHOLDER, present.UNFIT):
            yield f"{place.use.subject}: {found.message}; not taken over: who pins it needs the new pins."
        missing = [name for name in _names(place, ()) if not _covers(names, name)]
        if missing:
            yield f"{place.use.subject} is called {', '.join(missing)}, which is none of these names."


def _tool(places: Sequence[Place]) -> str:
    return next((place.present.tool for place in places if place.present.tool), "pem")


def _hooks(places: Sequence[Place]) -> Iterator[FittedHook]:
    hooks = [hook for place in places for hook in (place.setup.hook, *place.use.hooks)]
    yield from (FittedHook(hook.name, hook.command) for hook in dict.fromkeys(hooks) if hook.command)


def _dhparams(setups: Sequence[Setup]) -> Iterator[FittedDh]:
    from certctl.dhparam import ffdhe
    from certctl.doctor.dh import read_prime
    from certctl.onboarding.fitted_files import misplaced
    from certctl.servers.files import Content, read

    readers: dict[str, list[str]] = {}
    for setup in setups:
        for path in setup.dh:
            readers.setdefault(path, []).append(setup.hook.name)
    for at, (path, hooks) in enumerate((p, h) for p, h in readers.items() if not misplaced(p, secret=False)):
        content = read(path)
        prime = read_prime(content.data) if isinstance(content, Content) else None
        known = prime is not None and ffdhe.is_group(prime)
        bits = prime.bit_length() if known and prime is not None else 2048
        name = f"dh{bits}" if at == 0 else f"dh{bits}-{at + 1}"
        yield FittedDh(name, path, bits, "ffdhe" if known else "generate", unique(hooks))


def _lines(setups: Sequence[Setup], certificates: Sequence[FittedCertificate]) -> Iterator[str]:
    """What to type, server by server, each with its reload."""
    for setup in setups:
        mine = unique(
            line
            for certificate in certificates
            for file in certificate.files
            for reader, line in file.lines
            if reader == setup.subject
        )
        # What is to be written into files comes before the commands that read them.
        yield from sorted(mine, key=lambda line: not line.startswith("#"))
        if mine:
            yield setup.reload
