"""The entry point: parse, dispatch, and turn what goes wrong into words and an exit status."""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from collections.abc import Sequence

from certctl.cli import ending
from certctl.cli import parser as command_line
from certctl.cli.commands import COMMANDS
from certctl.cli.console import Console, LostOutputError
from certctl.errors import EXIT_OK, CertctlError, EndedError, InternalError
from certctl.system import surprise

EXIT_INTERRUPTED = 130
# What a start makes stays to its end: to search it for garbage is a tenth of a quick command's time.
COLLECT_AFTER = 20_000


def entry() -> None:
    """The console script. SIGTERM and SIGHUP end a command as Ctrl-C does, its hooks with it."""
    gc.set_threshold(COLLECT_AFTER)
    _open_standard_streams()
    ending.on(signal.SIGTERM, signal.SIGHUP)
    code = main(sys.argv[1:])
    if not {"threading", "logging", "tempfile"} & sys.modules.keys():
        # All is written, and nothing is left to tidy up: the kernel frees memory faster than the interpreter.
        os._exit(code)
    sys.exit(code)


def _open_standard_streams() -> None:
    """Point those that the caller has closed at nothing, before a key file gets their number."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            import io

            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, io.StringIO())


def main(argv: Sequence[str]) -> int:
    """Run one command; returns the exit status: 0, 1, 2, 3, 75, or 130 after Ctrl-C."""
    console = Console(as_json="--json" in argv, quiet="-q" in argv or "--quiet" in argv)
    try:
        code = _answer(argv, console)
        console.flush()
    except LostOutputError as lost:
        # The interpreter's own flush, at its end, is not to complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if lost.nobody_listens:
            return EXIT_OK
        console.error(lost)
        return lost.exit_code
    return code


def _answer(argv: Sequence[str], console: Console) -> int:
    try:
        code = _run(argv, console)
        ending.check()
        return code
    except LostOutputError:
        raise
    except CertctlError as error:
        console.failure(error)
        return error.exit_code
    except EndedError as ended:
        console.done_progress()
        console.failure(CertctlError("ended by a signal", "the next pass goes on from here"))
        return 128 + ended.number
    except KeyboardInterrupt:
        console.done_progress()
        console.failure(CertctlError("interrupted", "the next pass goes on from here"))
        return EXIT_INTERRUPTED
    except Exception as bug:  # noqa: BLE001  # what nobody foresaw is told as all else is
        failed = surprise.told(bug)
        if isinstance(failed, InternalError):
            for line in failed.trace.splitlines():
                console.insist(f"  {line}")
            failed = CertctlError(f"internal error: {bug!r}", "please report it, with the lines above")
        console.failure(failed)
        return failed.exit_code


def _run(argv: Sequence[str], console: Console) -> int:
    # What libraries deprecate is for developers; a tired admin can do nothing about it.
    warnings.simplefilter("ignore")
    wanted = next((word for word in _words(argv) if word in COMMANDS), None)
    parser = command_line.build(wanted)
    try:
        arguments = parser.parse_args(list(argv))
    except SystemExit:  # the help that was asked for is printed
        return EXIT_OK
    if arguments.version:
        from certctl import __version__

        console.either(f"certctl {__version__}", {"version": 1, "certctl": __version__})
        return EXIT_OK
    if arguments.command is None:
        text = command_line.build().format_help().rstrip()
        console.either(text, {"version": 1, "commands": list(COMMANDS)})
        return EXIT_OK
    console = Console(as_json=arguments.json, verbose=arguments.verbose, quiet=arguments.quiet)
    if arguments.keys:
        from certctl.system import cores

        cores.switch_off()
    code: int = arguments.call(arguments, console)
    return code


def _words(argv: Sequence[str]) -> list[str]:
    """The arguments that are neither options nor the value of --config."""
    pairs = zip(["", *argv], argv, strict=False)
    return [word for before, word in pairs if not word.startswith("-") and before != "--config"]


if __name__ == "__main__":
    entry()
