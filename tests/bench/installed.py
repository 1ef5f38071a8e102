"""certctl as users have it: installed into a virtual environment of its own, byte code compiled."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(ROOT, "tests/.cache/bench")


class Installed(NamedTuple):
    """Programs of the environment."""

    python: str
    certctl: str


def here() -> Installed:
    """certctl as it is in the environment of this interpreter."""
    return Installed(sys.executable, os.path.join(os.path.dirname(sys.executable), "certctl"))


def install() -> Installed:
    """Install the checkout, not editable, if the one that is there is of another source."""
    venv = os.path.join(CACHE, "venv")
    found = Installed(f"{venv}/bin/python", f"{venv}/bin/certctl")
    stamp, wanted = os.path.join(CACHE, "installed"), _digest()
    if _read(stamp) == wanted and os.path.exists(found.certctl):
        return found
    os.makedirs(CACHE, exist_ok=True)
    pip = [found.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    if not os.path.exists(found.certctl):
        _call([sys.executable, "-m", "venv", "--clear", venv])
        _call([*pip, "--compile", ROOT])
    else:
        _call([*pip, "--compile", "--no-deps", "--force-reinstall", ROOT])
    with open(stamp, "w", encoding="ascii") as file:
        file.write(wanted)
    return found


def _call(argv: list[str]) -> None:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)} failed:\n{done.stdout}{done.stderr}")


def _digest() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(_sources()):
        with open(path, "rb") as file:
            digest.update(path.encode() + b"\0" + file.read())
    return digest.hexdigest()


def _sources() -> Iterator[str]:
    yield os.path.join(ROOT, "pyproject.toml")
    for part in ("src", "hooks", "systemd"):
        for top, _, files in os.walk(os.path.join(ROOT, part)):
            yield from (os.path.join(top, name) for name in files if not name.endswith(".pyc"))


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""
