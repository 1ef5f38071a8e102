"""init: write a configuration that fits the host, and with --run a first look at what a pass made."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from certctl.cli.arguments import Arguments, Parser, add_servers, progress, servers
from certctl.cli.console import Console, ask, choose, somebody
from certctl.errors import EXIT_OK, CertctlError, UsageError

if TYPE_CHECKING:
    from certctl.app.passes import Ran
    from certctl.onboarding.ca import Ca
    from certctl.onboarding.init import Fingerprint, Started
    from certctl.planning.spec import Spec


_PINNED = {
    "certificate": 'pin = "certificate": a renewal changes what is pinned, so it is announced and held',
    "key": 'pin = "key": a renewal keeps what is pinned, and breaks who pins the certificate',
}


def init_arguments(parser: Parser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="names of the certificate; default: this host's"
    )
    parser.add_argument(
        "--dir", metavar="DIR", help="where to write it (default: /etc/certctl for root, else here)"
    )
    parser.add_argument("--run", action="store_true", help="run a pass at once, and show what there is then")
    parser.add_argument("--yes", action="store_true", help="for scripts: ask nothing")
    parser.add_argument(
        "--pin",
        choices=("key", "certificate"),
        help="which fingerprint peers hold of a certificate that is taken over; default: asked, else "
        "certificate, unless another tool renewed it",
    )
    _add_acme(parser)
    add_servers(parser, "to fit: ")
    parser.set_defaults(call=init)


def _add_acme(parser: Parser) -> None:
    """Options that name a CA which speaks ACME."""
    parser.add_argument(
        "--acme",
        metavar="CA",
        help="who signs: letsencrypt, letsencrypt-staging, or the URL of a CA's ACME directory",
    )
    parser.add_argument(
        "--agree-tos", action="store_true", help="with --acme: you agree to the CA's terms of service"
    )
    parser.add_argument(
        "--email", action="append", default=[], metavar="ADDRESS", help="with --acme: for the CA's messages"
    )
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="with --acme: where the CA's questions arrive (default: port 80 of all addresses)",
    )
    parser.add_argument(
        "--ca-file", metavar="FILE", help="with --acme: the root of a CA's own server, if it is private"
    )


def init(arguments: Arguments, console: Console) -> int:
    from certctl.app import passes
    from certctl.onboarding import init as onboarding

    ca = _ca(arguments, console)
    quiet = arguments.yes or console.as_json
    result = onboarding.init(
        arguments.names,
        arguments.dir,
        servers(arguments),
        ca,
        pin=arguments.pin,
        choose=lambda found: None if quiet else _choose(console, found),
    )
    if not arguments.run:
        if console.as_json:
            console.document(onboarding.document(result))
        else:
            _show(console, result)
        return EXIT_OK
    console.say(f"wrote {result.path}")
    from certctl import config

    spec = config.load(result.path)
    ran = passes.run(spec, (), passes.Options(report=console.event, progress=progress(console)))
    return _tour(console, spec, ran, result)


def _ca(arguments: Arguments, console: Console) -> Ca | None:
    """Return the CA that was named, its terms agreed to; None without --acme.

    Raises UsageError where nobody can be asked, and CertctlError where the answer is no.
    """
    if arguments.acme is None:
        for option in ("agree_tos", "email", "listen", "ca_file"):
            if getattr(arguments, option):
                word = option.replace("_", "-")
                raise UsageError(f"--{word} goes with --acme only", "add --acme letsencrypt")
        return None
    from certctl.onboarding import ca as cas
    from certctl.onboarding.init import possible

    ca = cas.choose(arguments.acme, arguments.email, arguments.listen, arguments.ca_file)
    possible(arguments.names, arguments.dir)
    if arguments.agree_tos:
        return ca
    if arguments.yes or not somebody():
        raise UsageError(
            f"nobody is there to agree to the terms of service of {arguments.acme}",
            "read them, then add --agree-tos",
        )
    ca = cas.shown(ca)
    console.insist(f"{ca.url} gives certificates under its terms of service only:")
    console.insist(f"  {ca.terms or '(it names none)'}")
    if not ask("do you agree?"):
        raise CertctlError("the terms of service are not agreed to: nothing was written", transient=False)
    return ca


def _show(console: Console, started: Started) -> None:
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
        for line in _fingerprints(taken.fingerprints):
            console.answer(f"  {line}")
        if taken.pin:
            console.answer(f"  {_PINNED[taken.pin]}")
    for skipped in started.skipped:
        console.answer(f"left out: {skipped.subject}: {skipped.message}")
        if skipped.hint:
            console.answer(f"  {skipped.hint}")
    for note in started.notes:
        console.answer(f"note: {note}")


def _fingerprints(found: Sequence[Fingerprint]) -> list[str]:
    """Of each key and certificate, in columns."""
    return [f"{one.of:<11}  {one.algorithm:<10}  {one.digest:<6}  {one.fingerprint}" for one in found]


def _choose(console: Console, found: Sequence[Fingerprint]) -> str | None:
    """Ask which of *found* peers hold; None: nobody is there to be asked."""
    if not somebody():
        return None
    console.insist("peers that pin this host hold one of these fingerprints of each certificate:")
    for one, line in zip(found, _fingerprints(found), strict=True):
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


def _tour(console: Console, spec: Spec, ran: Ran, started: Started) -> int:
    """Show a newcomer what there is after the first pass."""
    from certctl.app import fingerprints, status
    from certctl.cli import outcome
    from certctl.cli.commands import plan
    from certctl.cli.commands import status as table

    if console.as_json:
        return outcome.show(console, ran)
    result = outcome.show(console, ran)
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
