"""Keeps the keys, certificates and accounts of another tool as the store and the issuers keep their own.

Whoever calls holds the lock of the state directory.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from certctl.errors import CertctlError
from certctl.onboarding.matching import Match
from certctl.onboarding.tools.common import Account
from certctl.planning import transitions
from certctl.planning.gate import kept_until
from certctl.planning.spec import CertificateSpec
from certctl.planning.state import CertificateState, Generation, KeyRecord, Request
from certctl.planning.times import minute_text
from certctl.store import atomic, generations, outputs, records
from certctl.store.disk import DiskStore
from certctl.store.layout import LIVE_FILES, Layout
from certctl.system import person
from certctl.x509.bundle import issuance_files

TAKEN, ALREADY = "imported", "already imported"


class Adopted(NamedTuple):
    """How one certificate or account fared."""

    state: str
    text: str


def adopt(store: DiskStore, match: Match, tool: str, now: datetime, *, served: bool = False) -> Adopted:
    """Make the lineage a generation of its certificate, current, in one durable step with its state.

    Done before, it is not done again. Raises CertctlError where the certificate has other keys, unless
    it is *served*: then the state is wrong, and what it had as current becomes previous.
    """
    layout, name = store.layout, match.name
    seen = store.observe_certificate(CertificateSpec(name, match.names), now)
    if seen.unreadable is not None:
        raise CertctlError(seen.unreadable)
    state = seen.state
    if seen.recovered is not None and _half_done(layout, state, match):
        # A crash between keeping the generation and recording it. The other tool still has all of it.
        atomic.remove_tree(layout.generation(name, 1))
        state = CertificateState(name)
    slots = [generation for generation in (state.current, state.next, state.previous) if generation]
    same = next((generation for generation in slots if _keys(generation.keys) == _wanted(match)), None)
    if same is not None:
        _keep_standby(store, state, match, now)
        return Adopted(ALREADY, f"generation {same.number} has this key")
    if (slots or state.last_number) and not served:
        raise _taken(layout, state, match)
    if seen.recovered is not None and slots:
        store.repair_state(seen, now)
    state = _keep(store, match, state, now, served=served)
    current = state.current
    assert current is not None
    assert current.not_after is not None
    store.journal(
        now,
        "import",
        name,
        reason=f"taken over from {tool}",
        generation=current.number,
        issuer=current.issued_by,
        not_after=current.not_after.isoformat(),
        path=match.lineage.source,
        by=person.name(),
        pins=[f"{key.algorithm} {key.sha256}" for key in current.keys],
    )
    _keep_standby(store, state, match, now)
    verb = "expired" if current.not_after <= now else "expires"
    return Adopted(TAKEN, f"{' and '.join(current.algorithms)} key, {verb} {minute_text(current.not_after)}")


def _keys(records_: Sequence[KeyRecord]) -> set[str]:
    return {record.sha256 for record in records_}


def _wanted(match: Match) -> set[str]:
    return {pair.record.sha256 for pair in match.lineage.pairs}


def _half_done(layout: Layout, state: CertificateState, match: Match) -> bool:
    """Whether nothing is there but what an earlier import had not finished."""
    return (
        outputs.lstat(layout.state(state.name)) is None
        and outputs.lstat(layout.live(state.name)) is None
        and state.current is None
        and state.previous is None
        and state.last_number == 1
        and state.next is not None
        and _keys(state.next.keys) == _wanted(match)
    )


def _taken(layout: Layout, state: CertificateState, match: Match) -> CertctlError:
    name = match.name
    slot = next((word for word in ("current", "next", "previous") if state.slot(word)), "")
    there = state.slot(slot).number if slot and state.slot(slot) else state.last_number  # type: ignore[union-attr]
    rest = f"{layout.lineage(name)} {layout.live(name)} {layout.state(name)}"
    return CertctlError(
        f"certificate {name} has generation {there} already, with another key: nothing of it was overwritten",
        f"see certctl status {name}; if that key was never served: rm -r {rest}, then import again",
        transient=False,
    )


def _keep(
    store: DiskStore, match: Match, state: CertificateState, now: datetime, *, served: bool
) -> CertificateState:
    """One batch: the generation with its keys and certificates, and the state that names it."""
    pairs, name, layout = match.lineage.pairs, match.name, store.layout
    names = match.lineage.names
    # Peers have known a key that is served for longer than the keys that were made without knowing it.
    known = [pair.record.certificate.not_before for pair in pairs if served and pair.record.certificate]
    number = store.free_number(state)
    generation = Generation(
        number,
        made_at=min([now, *known]),
        keys=tuple(pair.record for pair in pairs),
        promoted_at=now,
        rotates_from=now,
        issuance=1,
        # Not now: one that is due is to be renewed at once, by whoever issues from now on.
        issued_at=min([now, *(r.not_before for p in pairs if (r := p.record.certificate))]),
        issued_by=match.issuer,
        names=names,
    )
    state = _with_current(state, generation, now)
    materials = [pair.material for pair in pairs]
    files = [(f"{material.algorithm}.key", material.key, 0o600) for material in materials]
    issuance = os.path.basename(layout.issuance(name, number, 1))
    files += [
        (f"{issuance}/{path}", data, mode) for path, data, mode in issuance_files(LIVE_FILES, materials)
    ]
    request = generations.request_file(Request(names, match.issuer, now))
    files.append((f"{issuance}/{generations.REQUEST}", request, 0o600))
    atomic.make_directory(layout.lineage(name))
    batch = atomic.Batch().tree(layout.generation(name, number), files)
    atomic.commit(batch.file(layout.state(name), records.encode(state), 0o600))
    return state


def _with_current(state: CertificateState, generation: Generation, now: datetime) -> CertificateState:
    """*generation* is what is served; the standby stays, as it may have been announced.

    Where another key was current, the state is older than what is served, and nobody
    knows who knows the standby now: its hold-down begins anew.
    """
    standby = state.next
    if standby is not None and state.current is not None:
        issued_at = now if standby.issued_at else None
        standby = standby._replace(made_at=now, issued_at=issued_at, seen={}, acks={})
    keep = kept_until(CertificateSpec(state.name, ()), state, now) is not None
    state = transitions.promoted(state._replace(next=generation), now, keep_previous=keep)
    return state._replace(next=standby, last_number=max(state.last_number, generation.number))


def _keep_standby(store: DiskStore, state: CertificateState, match: Match, now: datetime) -> None:
    """A key that the other tool made ahead becomes the next generation, if its kind is the current's."""
    from certctl.x509.keys import key_facts

    current, keys = state.current, match.lineage.standby
    if current is None or state.next is not None or state.last_number != 1 or not keys:
        return
    facts = [key_facts(key) for key in keys]
    if [fact.algorithm for fact in facts] != list(current.algorithms):
        return
    found = tuple(KeyRecord(fact.algorithm, *fact.key) for fact in facts)
    number = store.free_number(state, keys)
    state = transitions.with_next(state, number, found, now)
    named = [(key.algorithm, data) for key, data in zip(found, keys, strict=True)]
    atomic.commit(store.new_keys(number, named, state).batch)
    store.journal(
        now,
        "make-key",
        state.name,
        reason="the key that was made ahead is taken over, too",
        generation=number,
        pins=[f"{key.algorithm} {key.sha256}" for key in found],
    )


def adopt_account(store: DiskStore, issuer: str, account: Account, now: datetime) -> Adopted:
    """Keep an ACME account as the issuer's, unless it has one. Raises CertctlError for a key of no use."""
    from certctl.issuers.acme import accountfile
    from certctl.issuers.acme.signing import load_key

    home = f"{store.layout.issuers}/{issuer}"
    path = accountfile.key_path(home)
    wanted = load_key(account.key, account.source)
    there = accountfile.read_key(path)
    if there is not None and there.thumbprint() != wanted.thumbprint():
        raise CertctlError(f"issuer {issuer} has an account of its own already: it was left as it is")
    # The key first: an account without a registration is looked up by its key, a crash in between is no loss.
    if there is None:
        accountfile.write_key(path, account.key)
    if account.url and accountfile.read_registration(home) is None:
        registration = accountfile.Registration(account.directory, account.url, account.contact)
        accountfile.write_registration(home, registration)
    if there is not None:
        return Adopted(ALREADY, f"issuer {issuer} has this account")
    reason = f"taken over from {account.source}"
    store.journal(now, "import-account", issuer, reason=reason, by=person.name())
    return Adopted(TAKEN, account.url or account.directory)
