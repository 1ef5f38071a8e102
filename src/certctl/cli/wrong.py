"""What is wrong with a command line, in words: with the nearest thing that would be right."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator

from certctl.errors import UsageError
from certctl.system.text import nearest

UNRECOGNIZED = "unrecognized arguments: "
"""How argparse begins to say what it cannot place."""


def command(word: str, known: Iterable[str]) -> UsageError:
    """*word* stands where a command should."""
    near = nearest(word, known)
    return UsageError(
        f"no command called {word}", f"did you mean certctl {near}?" if near else "certctl --help lists them"
    )


def choice(parser: argparse.ArgumentParser, action: argparse.Action, value: object) -> UsageError:
    """*value* is none of those that an option or an argument takes."""
    known = [str(one) for one in action.choices or ()]
    name = action.option_strings[-1] if action.option_strings else action.metavar or action.dest
    near = nearest(str(value), known)
    return UsageError(
        f"{name}: {value} is not one of {', '.join(known)}",
        f"did you mean {near}?" if near else f"{parser.prog} --help",
    )


def usage(parser: argparse.ArgumentParser, message: str) -> UsageError:
    """Anything else that argparse refuses; an option that is not known may have a neighbour."""
    if message.startswith(UNRECOGNIZED):
        words = message.removeprefix(UNRECOGNIZED).split()
        option = next((word.partition("=")[0] for word in words if word.startswith("--")), None)
        near = nearest(option, _options(parser)) if option else None
        if near:
            return UsageError(f"no option called {option}", f"did you mean {near}?")
    return UsageError(message, f"{parser.prog} --help")


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The long options of *parser* and of the command that was given."""
    for action in parser._actions:
        yield from (option for option in action.option_strings if option.startswith("--"))
        for below in (action.choices or {}).values() if isinstance(action.choices, dict) else ():
            yield from _options(below)
