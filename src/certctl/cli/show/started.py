"""init: what was written, and a first look at what a pass made."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from certctl.app.passes import Ran
from certctl.cli.console import Console
from certctl.errors import EXIT_OK
from certctl.onboarding.init import Fingerprint, Started
from certctl.planning.spec import Spec

_PINNED = {
    "certificate": 'pin = "certificate": a renewal changes what is pinned, so it is announced and held',
    "key": 'pin = "key": a renewal keeps what is pinned, and breaks who pins the certificate',
}


def show(console: Console, started: Started) -> None:
    """What to type next."""
    console.answer(f"wrote {started.path}")
    for place in started.directories:
        console.answer(f"made  {place}")
    if started.found:
        console.answer(f"found on this host: {', '.join(started.found)}")
    _taken(console, started)
    told = _config(started.path)
    console.answer("")
    console.answer("now read it, then:")
    console.answer(f"  certctl{told} plan     what a pass would do")
    console.answer(f"  certctl{told} run      do it")
    console.answer(f"  certctl{told} status   what there is")
    _to_type(console, started)


def _taken(console: Console, started: Started) -> None:
    """What is kept of what was there, and what was passed over."""
    for taken in started.taken:
        console.answer(f"taken over as {taken.name}: {taken.source}: {taken.text}")
        for line in fingerprints(taken.fingerprints):
            console.answer(f"  {line}")
        if taken.pin:
            console.answer(f"  {_PINNED[taken.pin]}")
    for skipped in started.skipped:
        console.answer(f"left out: {skipped.subject}: {skipped.message}")
        if skipped.hint:
            console.answer(f"  {skipped.hint}")
    for note in started.notes:
        console.answer(f"note: {note}")


def fingerprints(found: Sequence[Fingerprint]) -> list[str]:
    """Of each key and certificate, in columns."""
    return [f"{one.of:<11}  {one.algorithm:<10}  {one.digest:<6}  {one.fingerprint}" for one in found]


def choose(console: Console, found: Sequence[Fingerprint]) -> str | None:
    """Ask which of *found* peers hold; None: nobody is there to be asked."""
    from certctl.cli.asking import choose, somebody

    if not somebody():
        return None
    console.insist("peers that pin this host hold one of these fingerprints of each certificate:")
    for one, line in zip(found, fingerprints(found), strict=True):
        console.insist(f"  {one.name}  {line}")
    return choose(
        "which is it? a renewal keeps the key's, and changes the certificate's", ("certificate", "key")
    )


def _to_type(console: Console, started: Started) -> None:
    """What is for people to change, in the servers' own configuration and elsewhere."""
    if started.lines:
        console.answer("")
        console.answer("the servers' configuration was not touched; after the pass, make them use the files:")
        for line in started.lines:
            console.answer(f"  {line}")
    if started.later:
        console.answer("")
        console.answer("then let each pass look at what they serve, and look now:")
        console.answer(f"  sed -i 's/^  #\"/  \"/' {shlex.quote(started.path)}")
        console.answer(f"  certctl{_config(started.path)} probe")
    if started.switch_off:
        console.answer("")
        console.answer("so that no other tool renews them any more, whichever of these fits:")
        for line in started.switch_off:
            console.answer(f"  {line}")


def tour(console: Console, spec: Spec, ran: Ran, started: Started) -> int:
    """Show a newcomer what there is after the first pass."""
    from certctl.app import fingerprints, status
    from certctl.cli.show import plan
    from certctl.cli.show import ran as ended
    from certctl.cli.show import status as table

    if console.as_json:
        return ended.show(console, ran)
    result = ended.show(console, ran)
    if result != EXIT_OK:
        return result
    _taken(console, started)
    console.answer("")
    table.show(console, status.describe(spec, ran.world, ran.plan))
    query = fingerprints.Query(form="policy")
    console.answer("")
    console.answer("for the TLS policy table of your peers (the key that is served, and the next one):")
    for line in fingerprints.lines(fingerprints.find(spec, (), query), query):
        console.answer(f"  {line}")
    waiting = plan.holds(ran.plan.holds, ran.plan)
    if waiting:
        console.answer("")
        for line in waiting:
            console.answer(line)
    told = _config(spec.path)
    console.answer("")
    console.answer("what was made:")
    for cert in spec.certificates.values():
        for file in cert.files:
            console.answer(f"  {file.path}  ({', '.join(file.parts)}; mode {file.mode:04o})")
    for dhparam in spec.dhparams.values():
        console.answer(f"  {dhparam.path}  ({dhparam.bits}-bit DH parameters)")
    console.answer("")
    console.answer("what to type next:")
    name = next(iter(spec.certificates), "NAME")
    told_of = (
        (f"rotate {name}", "ask for the next key: it says until when that is held"),
        ("log", "what happened so far"),
        ("plan", "what is due, and when"),
        ("run", "one pass: start it from cron or a timer"),
    )
    width = max(len(command) for command, _ in told_of)
    for command, what in told_of:
        console.answer(f"  certctl{told} {command.ljust(width)}  {what}")
    _to_type(console, started)
    return EXIT_OK


def _config(path: str) -> str:
    """The option that the commands need here."""
    if path in (os.path.abspath("certctl.toml"), "/etc/certctl/certctl.toml"):
        return ""
    near = os.path.relpath(path)
    return f" --config {shlex.quote(path if near.startswith('..') else near)}"
