"""Where programs are found that certctl runs: hooks, and those of issuers, announcers and DNS methods."""

from __future__ import annotations

import os

from certctl.errors import CertctlError
from certctl.system.safety import check_safe_executable

_SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def search_path() -> str:
    """Return certctl's own PATH, and the system's directories that it lacks.

    cron's has no sbin, where mail servers have their programs.
    """
    # An empty part means the current directory, where anybody may have put anything.
    ours = [directory for directory in os.environ.get("PATH", "").split(":") if directory.startswith("/")]
    return ":".join(dict.fromkeys([*ours, *_SYSTEM_PATH]))


def in_path(program: str, path: str) -> str | None:
    """Return the first executable file of that name in *path*; None if there is none."""
    candidates = (os.path.join(directory, program) for directory in path.split(":"))
    return next((name for name in candidates if os.path.isfile(name) and os.access(name, os.X_OK)), None)


def find(program: str, path: str) -> str:
    """Return the file that *program* names: a full path, or a name in *path*.

    Raises CertctlError if there is none, or if others than root and ourselves may change it.
    """
    if "/" not in program:
        found = in_path(program, path)
        if found is None:
            raise CertctlError(
                f"the program {program} does not exist in {path}", "check the command in certctl.toml"
            )
        check_safe_executable(found)
        return found
    if not program.startswith("/"):
        raise CertctlError(f"the program {program} is named by a relative path", "write its full path")
    if not os.path.isfile(program):
        raise CertctlError(f"the program {program} does not exist", "check the command in certctl.toml")
    if not os.access(program, os.X_OK):
        raise CertctlError(f"the program {program} is not executable", f"chmod 755 {program}")
    check_safe_executable(program)
    return program
