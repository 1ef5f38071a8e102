"""What each command does: asks the app, shows the answer, gives the exit status."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from certctl.app import passes
from certctl.cli import ending, looking
from certctl.cli.console import Console
from certctl.cli.loading import load_spec
from certctl.errors import EXIT_FAILED, EXIT_OK, CertctlError, UsageError
from certctl.planning.spec import Spec
from certctl.system import clocks

Arguments = argparse.Namespace
_WITHOUT_KEYS = ("plan", "status", "log", "fingerprints")


def dispatch(arguments: Arguments, console: Console) -> int:
    """Run the command that was asked for."""
    if arguments.command not in _WITHOUT_KEYS:
        from certctl.system import cores

        cores.switch_off()
    return _COMMANDS[arguments.command](arguments, console)


def _options(arguments: Arguments, console: Console, *, dhparam: bool = True) -> passes.Options:
    return passes.Options(
        wait=arguments.wait,
        verify=getattr(arguments, "verify", False),
        accept_clock=getattr(arguments, "accept_clock", False),
        report=console.event,
        progress=_progress(console),
        stop=ending.asked,
        dhparam=dhparam,
        replace_unknown=tuple(getattr(arguments, "replace_unknown_keys", ())),
    )


def _progress(console: Console) -> Callable[[object], None] | None:
    if not console.on_terminal:
        return None

    def show(value: object) -> None:
        from certctl.dhparam.progress import Progress, format_progress

        if isinstance(value, Progress):
            console.progress(format_progress(value))

    return show


def _init(arguments: Arguments, console: Console) -> int:
    from certctl.cli import acme, servers
    from certctl.cli.show import started
    from certctl.onboarding import init

    ca = acme.chosen(arguments, console)
    quiet = arguments.yes or console.as_json
    result = init.init(
        arguments.names,
        arguments.dir,
        servers.named(arguments),
        ca,
        pin=arguments.pin,
        choose=lambda found: None if quiet else started.choose(console, found),
    )
    if not arguments.run:
        if console.as_json:
            console.document(init.document(result))
        else:
            started.show(console, result)
        return EXIT_OK
    console.say(f"wrote {result.path}")
    from certctl import config

    spec = config.load(result.path)
    ran = passes.run(spec, (), passes.Options(report=console.event, progress=_progress(console)))
    return started.tour(console, spec, ran, result)


def _run(arguments: Arguments, console: Console) -> int:
    from certctl.cli import at_rest
    from certctl.cli.show import ran

    if arguments.dry_run:
        return _rehearse(arguments, console)
    began = clocks.nanoseconds()
    spec = load_spec(arguments)
    result = passes.run(spec, arguments.names, _options(arguments, console))
    code = ran.show(console, result)
    if code == EXIT_OK and at_rest.is_plain(arguments):
        _keep_at_rest(spec, result, began, console)
    return code


def _keep_at_rest(spec: Spec, result: passes.Ran, began: int, console: Console) -> None:
    from certctl.app import at_rest

    try:
        at_rest.keep(spec, result, began)
    except CertctlError as error:
        # The pass has done its work; the next one only takes longer.
        if console.verbose:
            console.say(f"certctl: what was found is not kept: {error.message}")


def _rehearse(arguments: Arguments, console: Console) -> int:
    from certctl.app import rehearsal

    results = rehearsal.rehearse(load_spec(arguments), arguments.names, console.event)
    for item in results:
        if item.error is not None:
            console.error(item.error, item.certificate)
    if console.as_json:
        rows = [
            {"certificate": r.certificate, "issuer": r.issuer, "error": r.error and r.error.message}
            for r in results
        ]
        console.document({"version": 1, "rehearsed": rows})
    return EXIT_FAILED if any(item.error for item in results) else EXIT_OK


def _rotate(arguments: Arguments, console: Console) -> int:
    from certctl.cli.show import ran

    spec = load_spec(arguments)
    options = _options(arguments, console)
    force = arguments.force or arguments.compromised
    if arguments.abort and arguments.compromised:
        raise UsageError(
            "--abort replaces the next key, --compromised the one that is served", "certctl rotate --help"
        )
    told = {}
    if force:
        names, stolen = arguments.names, arguments.compromised
        told = {
            "breaks": passes.breaks(spec, names, compromised=stolen),
            "knows": passes.knows(spec, names, compromised=stolen),
        }
        for warning in told["breaks"]:
            console.insist(f"certctl: warning: {warning}")
        for line in told["knows"]:
            console.say(line)
    again = arguments.yes or (
        force and not arguments.compromised and _agreed_to_lose(spec, arguments, console)
    )
    result = passes.rotate(
        spec,
        arguments.names,
        force=force,
        abort=arguments.abort,
        compromised=arguments.compromised,
        again=again,
        options=options,
    )
    return ran.show(console, result, asked=arguments.names, more=told)


def _agreed_to_lose(spec: Spec, arguments: Arguments, console: Console) -> bool:
    """Whether somebody at a terminal agrees to what a forced rotation takes away; asks only where it does."""
    from certctl.cli.asking import ask, somebody

    lost = passes.loses(spec, arguments.names)
    if not lost or not somebody():
        return False
    for line in lost:
        console.insist(f"certctl: warning: {line}")
    return bool(ask("rotate all the same?"))


def _renew(arguments: Arguments, console: Console) -> int:
    from certctl.cli.show import ran

    if arguments.dry_run:
        return _rehearse(arguments, console)
    spec = load_spec(arguments)
    result = passes.renew(spec, arguments.names, _options(arguments, console))
    code = ran.show(console, result, asked=arguments.names)
    for step in result.done:
        if step.kind == "issue" and step.slot == "current" and spec.certificates[step.subject].pin == "key":
            console.say(
                f"{step.subject}: the key is the same; who pins the certificate itself needs the new one "
                f"(certctl fingerprints {step.subject} --of certificate), "
                f"or the old one back (certctl rollback {step.subject} --certificate)"
            )
    return code


def _rollback(arguments: Arguments, console: Console) -> int:
    from certctl.app import rolling_back
    from certctl.cli.show import ran

    back = rolling_back.certificate if arguments.certificate else rolling_back.generation
    result = back(load_spec(arguments), arguments.name, _options(arguments, console))
    return ran.show(console, result, asked=[arguments.name])


def _ack(arguments: Arguments, console: Console) -> int:
    from certctl.cli.show import ran

    result = passes.ack(load_spec(arguments), arguments.name, arguments.peer, _options(arguments, console))
    return ran.show(console, result, asked=[arguments.name])


def _accept(arguments: Arguments, console: Console) -> int:
    from certctl.app import accepting
    from certctl.cli.show import ran

    options = _options(arguments, console)
    result = accepting.accept(load_spec(arguments), arguments.name, arguments.pem, options)
    return ran.show(console, result, asked=[arguments.name])


def _account(arguments: Arguments, console: Console) -> int:
    from certctl.app import accounts
    from certctl.cli.show import account

    options = _options(arguments, console)
    document = accounts.account(load_spec(arguments), arguments.action, arguments.issuer, options)
    if console.as_json:
        console.document(document)
    else:
        account.show(console, document)
    return EXIT_OK


def _revoke(arguments: Arguments, console: Console) -> int:
    from certctl.app import accounts
    from certctl.cli.show import ran

    name, slot, reason = arguments.name, arguments.slot, arguments.reason
    result = accounts.revoke(load_spec(arguments), name, slot, reason, _options(arguments, console))
    if console.as_json:
        console.document(accounts.revoked_document(name, slot, reason))
    else:
        console.answer(f"{name}: the {slot} certificate is revoked ({reason})")
    if result is None or console.as_json:
        return EXIT_FAILED if result and result.failed else EXIT_OK
    return ran.show(console, result, asked=[name])


def _hooks(arguments: Arguments, console: Console) -> int:
    from certctl.app import hooks
    from certctl.cli.show import hooks as shown

    spec = load_spec(arguments)
    if arguments.action == "list":
        if arguments.name:
            raise UsageError(
                f"hooks list takes no name, but there is {arguments.name}", "certctl hooks run NAME"
            )
        document = hooks.listing(spec)
        if console.as_json:
            console.document(document)
        else:
            shown.show(console, document)
        return EXIT_OK
    if not arguments.name:
        raise UsageError("which hook is to run?", "certctl hooks run NAME")
    outcome = hooks.run(spec, arguments.name, _options(arguments, console))
    return shown.ran(console, arguments.name, outcome)


def _dhparam(arguments: Arguments, console: Console) -> int:
    from certctl.app import dhparams
    from certctl.cli.show import dhparam

    document = dhparams.check(load_spec(arguments), arguments.names, _options(arguments, console))
    if console.as_json:
        console.document(document)
    else:
        dhparam.show(console, document)
    return EXIT_FAILED if any(row["error"] for row in document["dhparams"]) else EXIT_OK


def _import(arguments: Arguments, console: Console) -> int:
    import os

    from certctl.cli.show import imported
    from certctl.onboarding import importing

    wanted = importing.Wanted(
        arguments.tool, arguments.path, arguments.output, arguments.dry_run, arguments.name
    )
    config = importing.in_use(arguments.config, os.environ, arguments.output)
    done = importing.run(wanted, config, passes.Options(wait=arguments.wait, report=console.event))
    return imported.show(console, done, dry_run=arguments.dry_run)


def _report(arguments: Arguments, console: Console) -> int:
    from certctl.app import report

    spec = load_spec(arguments)
    if arguments.output:
        path = report.write(spec, arguments.output)
        if console.as_json:
            console.document({"version": 1, "output": path})
        else:
            console.say(f"wrote {path}")
    elif console.as_json:
        raise UsageError("the page is HTML, not JSON", "certctl status --json tells the same")
    else:
        console.page(report.make(spec).rstrip("\n"))
    return EXIT_OK


def _daemon(arguments: Arguments, console: Console) -> int:
    import os

    from certctl import config
    from certctl.daemon import Daemon

    path = config.find(arguments.config, os.environ)
    return Daemon(path, wait=arguments.wait, report=console.event).run()


def _systemd(arguments: Arguments, console: Console) -> int:
    from certctl.cli import systemd

    return systemd.run(arguments, console)


def _announce(arguments: Arguments, console: Console) -> int:
    from certctl.app import announcing
    from certctl.cli.show import announce as shown
    from certctl.cli.show import ran

    spec, options = load_spec(arguments), _options(arguments, console)
    if arguments.show:
        return shown.show(console, announcing.shown(spec, arguments.names))
    if arguments.key:
        return shown.keys(console, announcing.keys(spec, arguments.names, options))
    if arguments.new_key:
        document = announcing.keys(spec, arguments.names, options, new=True)
        result = announcing.announce(spec, arguments.names, options)
        return max(ran.show(console, result) if result.failed else EXIT_OK, shown.keys(console, document))
    return ran.show(console, announcing.announce(spec, arguments.names, options))


def _peers(arguments: Arguments, console: Console) -> int:
    from certctl.cli import following

    if arguments.action == "add":
        return following.add(arguments, console, _options(arguments, console))
    return following.sync(arguments, console, _options(arguments, console))


_COMMANDS: dict[str, Callable[[Arguments, Console], int]] = {
    "init": _init,
    "plan": looking.plan,
    "run": _run,
    "daemon": _daemon,
    "status": looking.status,
    "rotate": _rotate,
    "renew": _renew,
    "rollback": _rollback,
    "fingerprints": looking.fingerprints,
    "announce": _announce,
    "ack": _ack,
    "peers": _peers,
    "accept": _accept,
    "doctor": looking.doctor,
    "probe": looking.probe,
    "account": _account,
    "revoke": _revoke,
    "hooks": _hooks,
    "dhparam": _dhparam,
    "log": looking.log,
    "import": _import,
    "report": _report,
    "systemd": _systemd,
}
