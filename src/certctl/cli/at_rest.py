"""A pass that has nothing to do, as most have: its answer, without planning, where nothing changed."""

from __future__ import annotations

import argparse

from certctl.app import at_rest
from certctl.cli.console import Console
from certctl.cli.show import plan


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Answer as a pass would that finds nothing to do; False: a pass has to look."""
    made = at_rest.known(arguments.config) if is_plain(arguments) else None
    if made is None:
        return False
    console.say("nothing to do")
    console.say(plan.next_pass(made))
    return True


def is_plain(arguments: argparse.Namespace) -> bool:
    """Whether nothing more is asked of a pass than to do what is due."""
    more = arguments.verify or arguments.dry_run or arguments.json or arguments.replace_unknown_keys
    return not (arguments.names or arguments.accept_clock or more)
