"""Where hooks come from: hooks_dir, the shipped ones, or a command of one's own."""

import os
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from certctl.errors import CertctlError, UnreadableError
from certctl.system.files import read_file
from certctl.system.programs import in_path, search_path
from certctl.system.safety import check_safe_executable
from certctl.system.text import nearest

HOOK_PREFIX = "hook:"
HOOK = "hook program"
_LEFT_BY_EDITORS = (
    "~",
    ".bak",
    ".orig",
    ".rej",
    ".swp",
    ".dpkg-old",
    ".dpkg-new",
    ".dpkg-dist",
    ".rpmnew",
    ".rpmsave",
)

__all__ = [
    "HOOK_PREFIX",
    "HookSource",
    "find_hook",
    "hook_path",
    "list_hooks",
    "resolve_command",
    "shipped_dir",
]


class HookSource(NamedTuple):
    """A hook that can be named without a table of its own."""

    name: str
    path: str
    origin: Literal["hooks_dir", "shipped"]
    description: str
    """The script's second line, if it is a comment."""


def find_hook(name: str, hooks_dir: str) -> list[str]:
    """Return the argument vector of the hook *name*: HOOKS_DIR/NAME, HOOKS_DIR/NAME.sh, or the shipped one.

    Raises CertctlError if there is none, or if it is not safe to run.
    """
    path = _find(name, hooks_dir)
    if path is None:
        raise _unknown(name, hooks_dir)
    check_safe_executable(path, HOOK)
    # A wheel's installer may drop the x bit of what it does not know as a program.
    if os.path.dirname(path) == shipped_dir("hooks") and not os.access(path, os.X_OK):
        return ["/bin/sh", path]
    return [path]


def resolve_command(
    argv: Sequence[str], hooks_dir: str, *, base: str = "/", path: str | None = None
) -> list[str]:
    """Return *argv* with its program as an absolute path, which is safe to run.

    The first word is one of:
    - `hook:NAME`: the hook NAME as `find_hook` finds it, so that a table can give arguments to a shipped one;
    - with a slash: a file, relative to *base* (the directory of certctl.toml);
    - any other: a program in *path* (default: `hook_path()`).

    Raises CertctlError if there is no such program, or if it is not safe to run.
    """
    program = argv[0]
    if program.startswith(HOOK_PREFIX):
        return [*find_hook(program[len(HOOK_PREFIX) :], hooks_dir), *argv[1:]]
    found = os.path.join(base, program) if "/" in program else _in_path(program, path or hook_path())
    check_safe_executable(found, HOOK)
    return [found, *argv[1:]]


def hook_path() -> str:
    """Return the PATH that hooks get."""
    return search_path()


def shipped_dir(kind: Literal["hooks", "systemd"]) -> str:
    """Return the directory of what certctl ships: in an installed wheel, else in the source checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    checkout = os.path.dirname(os.path.dirname(package))
    for directory in (os.path.join(package, "_shipped", kind), os.path.join(checkout, kind)):
        if os.path.isdir(directory):
            return directory
    raise CertctlError(f"the directory of the shipped {kind} is missing", hint="reinstall certctl")


def list_hooks(hooks_dir: str) -> list[HookSource]:
    """Return every hook that `find_hook` would find, by name."""
    found: dict[str, HookSource] = {}
    directories: tuple[tuple[str, Literal["hooks_dir", "shipped"]], ...] = (
        (hooks_dir, "hooks_dir"),
        (shipped_dir("hooks"), "shipped"),
    )
    for directory, origin in directories:
        for name, path in _hooks_in(directory):
            found.setdefault(name, HookSource(name, path, origin, _description(path)))
    return sorted(found.values())


def _find(name: str, hooks_dir: str) -> str | None:
    if not _is_name(name):
        return None
    places = (os.path.join(hooks_dir, name), os.path.join(hooks_dir, f"{name}.sh"))
    return next(filter(os.path.isfile, (*places, os.path.join(shipped_dir("hooks"), name))), None)


def _is_name(name: str) -> bool:
    return bool(name) and "/" not in name and not name.startswith(".") and not name.endswith(_LEFT_BY_EDITORS)


def _hooks_in(directory: str) -> Iterator[tuple[str, str]]:
    """Yield name and path of the hooks in *directory*, NAME before NAME.sh."""
    try:
        entries = sorted(os.listdir(directory))
    except FileNotFoundError:
        return
    except OSError as error:
        raise CertctlError(
            f"hooks_dir {directory} cannot be read: {error.strerror}", hint=f"ls -ld {directory}"
        ) from error
    for entry in entries:
        path = os.path.join(directory, entry)
        if _is_name(entry) and os.path.isfile(path):
            yield entry.removesuffix(".sh"), path


def _description(path: str) -> str:
    try:
        data = read_file(path, follow=True) or b""
    except UnreadableError:
        return ""
    text = b"".join(data[:1024].splitlines()[1:2]).decode("utf-8", "replace").strip()
    return text.lstrip("# ") if text.startswith("#") else ""


def _in_path(program: str, path: str) -> str:
    found = in_path(program, path)
    if found is None:
        raise CertctlError(
            f"hook program {program!r} is not in PATH ({path})",
            hint="install it, write its full path, "
            f"or {HOOK_PREFIX}{program} if the hook of that name is meant",
        )
    return found


def _unknown(name: str, hooks_dir: str) -> CertctlError:
    known = [hook.name for hook in list_hooks(hooks_dir)]
    near = nearest(name, known, cutoff=0.5)
    return CertctlError(
        f"there is no hook {name!r}, neither in {hooks_dir} nor among the shipped ones",
        hint=f"did you mean {near}?" if near else f"known: {', '.join(known)}; or add [hook.{name}]",
    )
