"""What strace(1) saw: every file that was made, with its mode and owner at every instant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

CALLS = (
    "openat,open,creat,write,pwrite64,writev,chmod,fchmod,fchmodat,fchmodat2,chown,fchown,lchown,fchownat,"
    "rename,renameat,renameat2,mkdir,mkdirat,link,linkat,umask,unlink,unlinkat,rmdir"
)
_AT = ("openat", "fchmodat", "fchmodat2", "fchownat", "renameat", "renameat2", "mkdirat", "unlinkat")
_LINE = re.compile(r"^(?:\d+ +)?(?P<call>\w+)\((?P<rest>.*)\) += (?P<result>-?\d+)")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_DESCRIPTOR = re.compile(r"^\d+<([^>]*)>")
_RELATIVE = re.compile(r'\d+<([^>]*)>, "([^/"][^"]*)"')


class Call(NamedTuple):
    """One system call that succeeded."""

    name: str
    arguments: str
    paths: tuple[str, ...]
    """The quoted texts: file names, or what was written."""
    descriptor: str
    """The file behind its first argument, where that is a descriptor."""


class Instant(NamedTuple):
    """A file as it was after one call."""

    path: str
    mode: int
    uid: int
    gid: int
    directory: bool
    call: Call


def command(strace: str, log: Path) -> list[str]:
    """What runs a program so that *log* can be read by `instants`."""
    return [strace, "-f", "-y", "-s", "64", "-o", str(log), "-e", f"trace={_optional(CALLS)}"]


def _optional(names: str) -> str:
    """Calls that an architecture or a strace does not have are no error."""
    return ",".join(f"?{name}" for name in names.split(","))


def calls(log: Path) -> Iterator[Call]:
    for line in log.read_text(errors="replace").splitlines():
        found = _LINE.match(line)
        if found and int(found["result"]) >= 0:
            rest = found["rest"]
            behind = _DESCRIPTOR.match(rest)
            if found["call"] in _AT:
                # A name in a directory that a descriptor is open on.
                rest, behind = _RELATIVE.sub(r'"\1/\2"', rest), None
            texts = tuple(_TEXT.findall(rest))
            yield Call(found["call"], rest, texts, behind[1] if behind else "")


def instants(log: Path, umask: int, below: str) -> Iterator[Instant]:
    """Every state that a file or directory below *below* was in, under each of its names."""
    known: dict[str, Instant] = {}
    mask = umask
    for call in calls(log):
        touched: str | None = None
        if call.name == "umask":
            mask = int(call.arguments, 8)
        elif call.name in ("unlink", "unlinkat", "rmdir"):
            known.pop(call.paths[0], None)
        elif call.name.startswith("rename"):
            touched = call.paths[1]
            _rename(known, call)
        elif "chmod" in call.name or "chown" in call.name:
            touched = call.descriptor or call.paths[0]
            if touched in known:
                known[touched] = _changed(known[touched], call)
        elif call.name.startswith("mkdir") or "O_CREAT" in call.arguments or call.name == "creat":
            touched = call.paths[0]
            if touched not in known:
                mode = int(call.arguments.rsplit(", ", 1)[1], 8) & ~mask
                directory = call.name.startswith("mkdir")
                known[touched] = Instant(touched, mode, os.geteuid(), os.getegid(), directory, call)
        if touched in known and touched.startswith(below):
            yield known[touched]


def _changed(before: Instant, call: Call) -> Instant:
    numbers = [word.strip() for word in call.arguments.split(",")]
    if "chmod" in call.name:
        octal = next(word for word in numbers if re.fullmatch(r"0\d+|0", word))
        return before._replace(mode=int(octal, 8), call=call)
    owner, group = (int(word) for word in numbers if re.fullmatch(r"-?\d+", word))
    uid = before.uid if owner == -1 else owner
    return before._replace(uid=uid, gid=before.gid if group == -1 else group, call=call)


def _rename(known: dict[str, Instant], call: Call) -> None:
    old, new = call.paths[0], call.paths[1]
    for path in [path for path in known if path == old or path.startswith(f"{old}/")]:
        moved = new + path[len(old) :]
        known[moved] = known.pop(path)._replace(path=moved, call=call)


def keys_written(log: Path) -> set[str]:
    """The files into which private keys were written, by the name that they had then."""
    return {
        call.descriptor for call in calls(log) if "write" in call.name and "PRIVATE KEY" in call.arguments
    }


def too_open(instant: Instant, final: Mapping[str, tuple[int, int]]) -> bool:
    """Whether somebody could read a file then who may not in the end; *final*: mode and group by path."""
    path = instant.path.replace("/.", "/").removesuffix(".certctl-tmp")
    mode, group = final.get(path, (0o600, os.getegid()))
    if instant.mode & 0o070 and instant.gid != group:
        return True
    return bool(instant.mode & 0o077 & ~mode)
