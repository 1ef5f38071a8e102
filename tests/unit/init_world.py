"""Hosts for `certctl init`: configurations of servers, and what the servers' own tools printed of them.

A directory of init_corpus holds the files of one server, in which @DIR@ stands for where they are put, and
beside them what the real tools printed: postconf-x, postconf-xn, postconf-M, doveconf-n, exim-bP. Where one
failed, there is what it printed on standard error, with .err after the name. Of `postconf -x` only the
parameters that have to do with TLS and addresses were kept.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.import_trees import write

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "init_corpus")

_SAY = """\
say() {
  [ ! -e "$1.err" ] || { cat "$1.err" >&2; exit 1; }
  cat "$1"
}
"""
_TOOLS = {
    "postconf": """[ "$1" != -m ] || { echo btree cdb hash lmdb texthash; exit; }; say "$2/postconf$3" """,
    "doveconf": """case $1 in -h) echo imap;; *) for file; do :; done; say "${file%/*}/doveconf-n";; esac""",
    "exim4": """say "${2%/*}/exim-bP" """,
}


def install(directory: Path, monkeypatch: pytest.MonkeyPatch, tools: Mapping[str, str] = _TOOLS) -> None:
    """Put programs first in PATH that print what was recorded."""
    for name, text in tools.items():
        write(directory / name, f"#!/bin/sh\nset -eu\n{_SAY}{text}\n", 0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


def put_up(name: str, directory: Path) -> Path:
    """Copy the configuration *name* of the corpus into *directory*, which must not be there."""
    shutil.copytree(os.path.join(CORPUS, name), directory)
    for path in directory.rglob("*"):
        if path.is_file():
            path.write_text(path.read_text().replace("@DIR@", str(directory)))
    return directory
