"""Commands that only look: they ask the app, and change nothing."""

from __future__ import annotations

import argparse

from certctl.app import passes
from certctl.cli.console import Console
from certctl.cli.loading import load_spec
from certctl.errors import EXIT_FAILED, EXIT_OK, EXIT_WORK, CertctlError, UsageError
from certctl.planning.spec import Spec

Arguments = argparse.Namespace


def plan(arguments: Arguments, console: Console) -> int:
    from certctl.app.status import plan_document
    from certctl.cli.show import plan

    made = passes.plan(load_spec(arguments), arguments.names, verify=arguments.verify)
    if console.as_json:
        console.document(plan_document(made))
    else:
        plan.show(console, made)
    return EXIT_WORK if arguments.check and made.steps else EXIT_OK


def status(arguments: Arguments, console: Console) -> int:
    from certctl.app.status import status
    from certctl.cli.show import status as shown

    document = status(load_spec(arguments), arguments.names)
    if console.as_json:
        console.document(document)
    else:
        shown.show(console, document)
    return EXIT_OK


def fingerprints(arguments: Arguments, console: Console) -> int:
    from certctl.app import fingerprints
    from certctl.cli.show import fingerprints as shown

    query = fingerprints.Query(
        slot=arguments.slot,
        of=arguments.of,
        digest=arguments.digest,
        form="json" if console.as_json else arguments.form,
        nexthops=tuple(arguments.nexthop),
        ports=tuple(arguments.port),
    )
    if arguments.file:
        if arguments.names or arguments.slot:
            raise UsageError("--file stands for itself: no NAME and no --slot go with it")
        found = [fingerprints.of_file(arguments.file, query)]
    else:
        found = fingerprints.find(load_spec(arguments), arguments.names, query)
    return shown.show(console, found, query)


def _spec_if_any(arguments: Arguments) -> Spec | None:
    """A host without certctl.toml can be looked at too; one that was named must be good."""
    import os

    from certctl import config

    try:
        return config.load(config.find(arguments.config, os.environ))
    except CertctlError:
        if arguments.config:
            raise
        return None


def doctor(arguments: Arguments, console: Console) -> int:
    from certctl.app import diagnosing
    from certctl.app.wiring import clock
    from certctl.cli import servers
    from certctl.cli.show import doctor

    targets = [*servers.named(arguments), *(("pem", path) for path in arguments.pem)]
    spec = _spec_if_any(arguments)
    looked, findings = diagnosing.diagnose(spec, targets)
    if console.as_json:
        console.document(diagnosing.document(looked, findings, clock()))
    else:
        doctor.show(console, looked, findings)
    return EXIT_FAILED if diagnosing.serious(findings) else EXIT_OK


def probe(arguments: Arguments, console: Console) -> int:
    import os

    from certctl import config
    from certctl.app import probing
    from certctl.app.wiring import clock
    from certctl.cli.show import probe

    urls = [word for word in arguments.what if "://" in word]
    names = [word for word in arguments.what if "://" not in word]
    if len(names) > 1:
        raise UsageError(f"one certificate at a time: {' '.join(names)}", "certctl probe NAME URL…")
    spec = None
    if names or not urls:
        spec = config.load(config.find(arguments.config, os.environ))
    if arguments.dane:
        return _dane(console, spec or _spec_if_any(arguments), names, urls, arguments.resolver)
    if arguments.resolver:
        raise UsageError("--resolver goes with --dane", "certctl probe --dane --resolver HOST")
    found = probing.probe(spec, names[0] if names else None, urls)
    if console.as_json:
        console.document(probing.document(found, clock()))
        wrong = any(one.severity == "error" for item in found for one in item.differences)
        return EXIT_FAILED if wrong else EXIT_OK
    return probe.show(console, found)


def _dane(console: Console, spec: Spec | None, names: list[str], urls: list[str], resolver: str) -> int:
    from certctl.app import daneprobing
    from certctl.app.wiring import clock
    from certctl.cli.show import dane

    found = daneprobing.check(spec, names[0] if names else None, urls, resolver)
    if console.as_json:
        console.document(daneprobing.document(found, clock()))
        return EXIT_FAILED if daneprobing.failed(found) else EXIT_OK
    return dane.show(console, found)


def log(arguments: Arguments, console: Console) -> int:
    from certctl.cli.show import log

    return log.show(console, load_spec(arguments), arguments.names, arguments.lines)
