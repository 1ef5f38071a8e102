"""The files of a certificate: those that servers read already, or new ones and what to type for them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from certctl.errors import CertctlError
from certctl.onboarding import present
from certctl.onboarding.fit import FittedFile
from certctl.onboarding.present import Content, Present, content
from certctl.onboarding.setups.setup import Setup, Use, unique
from certctl.store import outputs

_KEY_MODES = (0o600, 0o400, 0o640, 0o440)


class Place(NamedTuple):
    """One use of a certificate by one server, with what is there now."""

    setup: Setup
    use: Use
    present: Present


def fitted_files(
    places: Sequence[Place], name: str, keys: Sequence[str], taken: set[str]
) -> list[FittedFile]:
    """The files that *places* need; paths in *taken* are other certificates', and these are added to it."""
    found: dict[str, FittedFile] = {}
    for place in places:
        kept = _kept(place, keys)
        if kept is None or any(file.path in taken for file in kept):
            kept = [_new(place, name, keys, taken)] if not place.use.optional else []
        for file in kept:
            hooks = [hook.name for hook in (*place.use.hooks, place.setup.hook)]
            to_type = [(place.setup.subject, line) for line in _lines(place, file)]
            before = _for_both(found.get(file.path, file), file)
            found[file.path] = before._replace(
                hooks=unique([*before.hooks, *hooks]),
                readers=unique([*before.readers, place.setup.subject]),
                lines=tuple(dict.fromkeys([*before.lines, *to_type])),
            )
    taken.update(found)
    return list(found.values())


def misplaced(path: str, *, secret: bool) -> str | None:
    """Why certctl should not write there; None where it may. A directory that is missing will be made."""
    if path.startswith("/usr/") and not path.startswith("/usr/local/"):
        return f"{path} belongs to a package"
    if not os.path.exists(os.path.dirname(path)):
        return None
    try:
        outputs.check_directory(outputs.Target(path, 0o600, secret=secret))
    except CertctlError as error:
        return error.message
    return None


def _kept(place: Place, keys: Sequence[str]) -> list[FittedFile] | None:
    """The files that are read already, in the form in which they are; None where others are needed."""
    files = place.use.files
    if place.present.kind == present.MISSING and len(files) <= 2:
        forms = [("key", "cert", "chain")] if len(files) == 1 else [("key",), ("cert", "chain")]
        new = [_of_form(place, path, parts) for path, parts in zip(files, forms, strict=True)]
        return None if any(misplaced(one.path, secret="key" in one.parts) for one in new) else new
    if place.present.kind != present.KEY or place.present.tool:
        return None
    assert place.present.lineage is not None
    try:
        contents = [content(path, place.present.lineage) for path in files]
    except CertctlError:
        return None  # it holds something besides that certctl cannot write, such as a DSA key
    apart = any(one.has_chain and not one.has_leaf and not one.has_key for one in contents)
    kept = [_as_it_is(path, one, keys, apart=apart) for path, one in zip(files, contents, strict=True)]
    return [_still_readable(one, place) for one in kept if one is not None] if None not in kept else None


def _still_readable(file: FittedFile, place: Place) -> FittedFile:
    """With the group of a server that does not read its key as root, if everybody might read it so far."""
    group = place.setup.group
    if group is None or "key" not in file.parts or not os.stat(file.path).st_mode & 0o004:
        return file
    return file._replace(mode=place.setup.mode, group=group)


def _for_both(one: FittedFile, other: FittedFile) -> FittedFile:
    """Of two servers that read one file, a group that one of them needs is for both."""
    if one.group is not None or other.group is None:
        return one
    return other._replace(hooks=one.hooks, readers=one.readers, lines=one.lines)


def _of_form(place: Place, path: str, parts: tuple[str, ...]) -> FittedFile:
    secret = "key" in parts
    return FittedFile(
        path, parts, mode=place.setup.mode if secret else 0o644, group=place.setup.group if secret else None
    )


def _as_it_is(path: str, found: Content, keys: Sequence[str], *, apart: bool) -> FittedFile | None:
    """One file with its parts, mode and owner; None where it cannot be said so, or should not be written."""
    real = os.path.realpath(path) if os.path.islink(path) else path
    parts = [part for part, has in (("key", found.has_key), ("cert", found.has_leaf)) if has]
    if (found.has_leaf and not apart) or (not parts and found.has_chain):
        parts.append("chain")
    algorithm = None
    if len(keys) > 1 and set(found.algorithms) != set(keys):
        if len(found.algorithms) != 1:
            return None
        algorithm = found.algorithms[0]
    info = os.stat(real)
    others = info.st_uid not in (0, os.geteuid())
    if not parts or misplaced(real, secret=found.has_key) or (others and os.geteuid() != 0):
        return None
    mode = _mode(info, secret=found.has_key)
    owner = outputs.user_name(info.st_uid) if others else None
    group = None if info.st_gid in (0, os.getegid()) else outputs.group_name(info.st_gid)
    return FittedFile(real, tuple(parts), algorithm, mode, owner, group)


def _mode(info: os.stat_result, *, secret: bool) -> int:
    mode = stat.S_IMODE(info.st_mode)
    if not secret:
        return mode if mode & 0o400 and not mode & 0o133 else 0o644
    if mode in _KEY_MODES:
        return mode
    return 0o640 if mode & 0o047 == 0o040 else 0o600


def serves_all(place: Place, keys: Sequence[str]) -> bool:
    """Whether the server will serve every one of *keys*: only Postfix takes several out of one bundle."""
    if place.present.kind == present.KEY and not place.present.tool and place.present.lineage is not None:
        return len(place.present.lineage.pairs) == len(keys)
    return len(keys) == 1 or place.setup.kind == "postfix"


def serves_already(place: Place, files: Sequence[FittedFile]) -> bool:
    """Whether the server will serve *files* without a change of its configuration."""
    paths = {file.path for file in files}
    named = [path in paths or os.path.realpath(path) in paths for path in place.use.files]
    return bool(named) and all(named) and not place.use.switch_on


def _new(place: Place, name: str, keys: Sequence[str], taken: set[str]) -> FittedFile:
    """A bundle of its own for the server, under a name that nothing has."""
    algorithm = None if serves_all(place, keys) else keys[0]
    path, count = f"{place.setup.directory}/{name}.pem", 1
    while path in taken or os.path.lexists(path):
        count += 1
        path = f"{place.setup.directory}/{name}-{count}.pem"
    return FittedFile(path, algorithm=algorithm, mode=place.setup.mode, group=place.setup.group)


def _lines(place: Place, file: FittedFile) -> tuple[str, ...]:
    """What makes the server use *file*, and TLS."""
    lines = () if _reads(place, file) else place.use.lines
    return tuple(line.replace("{bundle}", file.path) for line in (*lines, *place.use.switch_on))


def _reads(place: Place, file: FittedFile) -> bool:
    return any(file.path in (path, os.path.realpath(path)) for path in place.use.files)
