"""The entry point: parse, dispatch, and turn what goes wrong into words and an exit status."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from certctl.cli import parser as command_line
from certctl.cli.console import Console
from certctl.errors import EXIT_OK, CertctlError, UsageError

EXIT_INTERRUPTED = 130


def entry() -> None:
    """The console script."""
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run one command; returns the exit status: 0, 1, 2, 3, 75, or 130 after Ctrl-C."""
    console = Console(as_json="--json" in argv, quiet="-q" in argv or "--quiet" in argv)
    try:
        return _run(argv, console)
    except CertctlError as error:
        console.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        console.done_progress()
        console.say("certctl: interrupted; the next pass goes on from here")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has left: point stdout elsewhere, so that the
        # interpreter's own flush does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def _run(argv: Sequence[str], console: Console) -> int:
    # What libraries deprecate is for developers; a tired admin can do nothing about it.
    warnings.simplefilter("ignore")
    wanted = next((word for word in argv if word in command_line.COMMANDS), None)
    asked = any(word in ("-h", "--help") for word in argv)
    parser = command_line.build(None if asked and not wanted else wanted)
    arguments = parser.parse_args(list(argv))
    if arguments.version:
        from certctl import __version__

        console.answer(f"certctl {__version__}")
        return EXIT_OK
    if arguments.command is None:
        unknown = next((word for word in argv if not word.startswith("-")), None)
        if unknown is None:
            console.answer(command_line.build().format_help().rstrip())
            return EXIT_OK
        raise UsageError(f"no command called {unknown}", _near(unknown))
    console = Console(as_json=arguments.json, verbose=arguments.verbose, quiet=arguments.quiet)
    from certctl.cli.commands import dispatch

    return dispatch(arguments, console)


def _near(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, command_line.COMMANDS, 1)
    return f"did you mean certctl {near[0]}?" if near else "certctl --help lists them"


if __name__ == "__main__":
    entry()
