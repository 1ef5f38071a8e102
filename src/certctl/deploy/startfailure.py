"""Why a program could not be started, in words, and what to type."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from certctl.errors import CertctlError


def why_not_started(program: str, env: Mapping[str, str], error: OSError) -> CertctlError:
    """Return what to raise after execve(2) of *program* with environment *env* failed with *error*."""
    path = program if "/" in program else _which(program, env)
    if path is None:
        return CertctlError(
            f"hook program {program!r} is not in PATH ({env.get('PATH', os.defpath)})",
            hint="install it, or write its full path in the hook's command",
        )
    what, hint = _fault(path, error)
    return CertctlError(f"hook program {path} {what}", hint)


def _fault(path: str, error: OSError) -> tuple[str, str | None]:
    if error.errno == errno.ENOENT and os.path.exists(path):
        return _interpreter(path)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "does not exist", "put it there, or correct the hook's command"
    if os.path.isdir(path):
        return "is a directory", "name the program in it"
    if error.errno == errno.EACCES and not os.access(path, os.X_OK):
        return "is not executable", f"chmod 755 {path}"
    if error.errno == errno.ENOEXEC:
        return (
            "does not say in its first line what runs it",
            f"if it is a shell script: sed -i '1i #!/bin/sh' {path}",
        )
    return f"cannot be started: {error.strerror}", None


def _interpreter(path: str) -> tuple[str, str]:
    """The file is there and still the kernel says ENOENT: it means the file's interpreter."""
    with open(path, "rb") as file:
        line = file.readline(256)
    if line.startswith(b"#!") and line.endswith(b"\r\n"):
        return "has DOS line ends, so its interpreter is not found", f"sed -i 's/\\r$//' {path}"
    named = line[2:].decode("utf-8", "replace").split()[:1] if line.startswith(b"#!") else []
    return (
        f"cannot be started: its interpreter {''.join(named)} does not exist",
        f"correct the first line of {path}, or install the interpreter",
    )


def _which(program: str, env: Mapping[str, str]) -> str | None:
    """The first file named *program* in the PATH of *env*, executable or not."""
    paths = (os.path.join(directory, program) for directory in os.get_exec_path(dict(env)))
    return next((path for path in paths if os.path.isfile(path)), None)
