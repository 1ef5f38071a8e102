"""What `peers` does: follow those that are configured, or add one at first contact."""

from __future__ import annotations

import argparse

from certctl.app.passes import Options
from certctl.cli.console import Console
from certctl.cli.loading import load_spec
from certctl.errors import EXIT_FAILED, EXIT_OK, CertctlError, UsageError

Arguments = argparse.Namespace


def sync(arguments: Arguments, console: Console, options: Options) -> int:
    """Follow the peers that are configured, or tell what that would change."""
    from certctl.app import peering
    from certctl.app.wiring import clock
    from certctl.cli.show import peers as shown
    from certctl.planning.times import rfc3339

    spec = load_spec(arguments)
    if arguments.dry_run:
        synced = peering.dry_run(spec, arguments.what, force=arguments.force, accept=arguments.accept_serial)
    else:
        synced = peering.sync(
            spec, options, names=arguments.what, force=arguments.force, accept=arguments.accept_serial
        )
    return shown.show(console, synced, rfc3339(clock()))


def add(arguments: Arguments, console: Console, options: Options) -> int:
    """First contact: show the key, ask, add the peer to the configuration, follow it."""
    from certctl.app import peering
    from certctl.cli.show import peers as shown

    if len(arguments.what) != 1:
        raise UsageError(
            "one feed is expected", "certctl peers add https://HOST/.well-known/certctl-pins.jws"
        )
    spec = load_spec(arguments)
    offer = peering.first_contact(arguments.what[0])
    shown.offer(console, offer, asked=arguments.key is None and not arguments.yes)
    if arguments.key is not None and arguments.key != offer.key:
        raise CertctlError("the feed has another key than --key says", "ask the peer for its key again")
    if arguments.key is None and not arguments.yes:
        agreed = shown.agreed()
        if agreed is None:
            raise UsageError(
                "nobody is there to compare the fingerprint", "--key KEY, or --yes if you have compared it"
            )
        if not agreed:
            console.insist("nothing was added")
            return EXIT_FAILED
    wanted = peering.Wanted(arguments.name, tuple(arguments.nexthop), arguments.map, tuple(arguments.hook))
    added = peering.add(spec, offer, wanted)
    for nexthop, why in added.refused:
        console.insist(f"refused {nexthop}: it {why}")
    # Whoever adds a peer says that its feed is to be believed, whatever a map still holds of it.
    synced = peering.sync(load_spec(arguments), options, names=[added.name], accept=True)
    failed = synced.ran is not None and bool(synced.ran.failed)
    for item in synced.ran.failed if synced.ran else ():
        console.error(item.error, item.step.subject)
    refused = [{"nexthop": nexthop, "reason": why} for nexthop, why in added.refused]
    to_type = peering.unused(added.map)
    document = {"peers": synced.peers, "refused": refused, "to_type": to_type}
    if to_type is not None:
        console.insist(f"Postfix does not use {added.map} yet; add it to what it has:")
        console.insist(f"  {to_type}")
    shown.added(console, added.name, added.text, spec.path, document)
    return EXIT_FAILED if failed else EXIT_OK
