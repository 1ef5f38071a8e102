"""A pass that has nothing to do, as most have: its answer, without planning, where nothing changed."""

from __future__ import annotations

import argparse

from certctl.app import settled
from certctl.cli.console import Console
from certctl.cli.show import plan


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Answer as a pass would that finds nothing to do; False: a pass has to look."""
    asked = arguments.names or arguments.verify or arguments.dry_run or arguments.json
    made = None if asked else settled.still(arguments.config)
    if made is None:
        return False
    console.say("nothing to do")
    console.say(plan.next_pass(made))
    return True
