"""Following peers: their feeds are looked at in a pass; the maps are written like any other file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from certctl.engine.ledger import Ledger
from certctl.errors import CertctlError
from certctl.planning.steps import Step
from certctl.ports import Following

SHARE = 0.5
"""Of the time for others: dead peers must leave some for CAs."""


def follow(ledger: Ledger) -> None:
    """Look at the feeds of peers; their maps and the hooks of these come right after."""
    following = ledger.adapters.following
    if following is not None:
        ledger.guard(
            Step("write", "peers", "their pins are followed", scope="peer"), partial(_ask, ledger, following)
        )
        ledger.look_at_followers()


def _ask(ledger: Ledger, following: Following) -> None:
    with ledger.share(SHARE), ledger.outside():
        asked = following.ask(ledger.now)
    fail(ledger, following.keep(asked, ledger.now))


def fail(ledger: Ledger, outcomes: Mapping[str, CertctlError | None]) -> None:
    """Tell of the peers whose feeds were not to be had, or not believed."""
    for peer, error in outcomes.items():
        if error is not None:
            ledger.failed(Step("write", peer, "its pins are followed", scope="peer"), error)
