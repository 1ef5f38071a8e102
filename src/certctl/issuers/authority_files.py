"""The files of a private CA, as they are found: read, and compared with each other.

    root.key          0600  may be taken off line while nothing has to be signed with it
    root.pem          0644  to hand to peers
    intermediate.key  0600
    intermediate.pem  0644
    new-ca            made by a person who wants a new CA in the place of one that is lost

What is there and does not fit is an error, and never written over.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from certctl.errors import CertctlError, IssuerError
from certctl.system.files import read_file
from certctl.system.secret import check_closed
from certctl.x509.certificate import Certificate, load
from certctl.x509.chain import issued, issued_itself
from certctl.x509.keys import key_facts

FILES = ("root.key", "root.pem", "intermediate.key", "intermediate.pem")
WISH = "new-ca"


class Held(NamedTuple):
    """What is on disk; what is there fits together."""

    root_key: bytes | None = None
    root: Certificate | None = None
    key: bytes | None = None
    intermediate: Certificate | None = None


def read(home: str) -> Held:
    """Read what there is of a CA; raises CertctlError unless it fits together."""
    root_key, root, key, intermediate = (_content(os.path.join(home, name)) for name in FILES)
    held = Held(
        root_key,
        _parsed(home, "root.pem", root),
        key,
        _parsed(home, "intermediate.pem", intermediate),
    )
    _check_key(home, "root", held.root_key, held.root)
    _check_key(home, "intermediate", held.key, held.intermediate)
    if held.root and not (held.root.is_ca and issued_itself(held.root)):
        raise _refused(home, "root.pem", "it is no root: a CA's certificate that signed itself")
    if held.intermediate and not held.root:
        raise _refused(home, "root.pem", "it is missing, though intermediate.pem is there")
    if held.intermediate and not held.key:
        raise _refused(home, "intermediate.key", "it is missing, though intermediate.pem is there")
    if held.intermediate and held.root and not issued(held.root, held.intermediate):
        raise _refused(home, "intermediate.pem", "root.pem did not sign it")
    if held.intermediate and not (held.intermediate.is_ca and held.intermediate.may_sign):
        raise _refused(home, "intermediate.pem", "it is not a CA's certificate")
    return held


def fingerprint(home: str) -> tuple[tuple[int, int, int] | None, ...]:
    """Return what changes whenever a file of the CA does."""
    found: list[tuple[int, int, int] | None] = []
    for name in FILES:
        try:
            info = os.stat(os.path.join(home, name))
        except OSError:
            found.append(None)
        else:
            found.append((info.st_ino, info.st_size, info.st_mtime_ns))
    return tuple(found)


def check_not_lost(home: str, kept: Sequence[str]) -> None:
    """Refuse to make a root where certificates of the CA are *kept* already, unless a person wants it.

    Their peers trust the root.pem that is gone: nothing may replace it behind their backs.
    """
    if not kept or os.path.lexists(os.path.join(home, WISH)):
        return
    words = ", ".join(kept[:3]) + (f" and {len(kept) - 3} more" if len(kept) > 3 else "")
    raise IssuerError(
        f"private CA: {os.path.join(home, 'root.pem')} is gone, but certificates below it are kept: {words}",
        f"restore {home} from a backup; or {new_ca(home)}",
        transient=False,
    )


def new_ca(home: str) -> str:
    """What to type for a new CA in *home*."""
    place, steps = shlex.quote(home), []
    if os.path.lexists(home):
        steps.append(f"mv {place} {shlex.quote(home + '.old')}")
    steps.append(f"mkdir -p {place} && touch {shlex.quote(os.path.join(home, WISH))}")
    return f"for a new CA, whose root.pem peers then need: {' && '.join(steps)}"


def _content(path: str) -> bytes | None:
    """Read a file of the CA; None if there is none."""
    if path.endswith(".key"):
        check_closed(path)
    return read_file(path, follow=True)


def _parsed(home: str, name: str, data: bytes | None) -> Certificate | None:
    try:
        return None if data is None else load(data)
    except CertctlError as error:
        raise _refused(home, name, error.message) from error


def _check_key(home: str, name: str, key: bytes | None, held: Certificate | None) -> None:
    if key is None:
        return
    try:
        found = key_facts(key).key.sha256
    except CertctlError as error:
        raise _refused(home, f"{name}.key", error.message) from error
    if held is not None and held.key_sha256 != found:
        raise _refused(home, f"{name}.key", f"it is not the key of {name}.pem")


def _refused(home: str, name: str, why: str) -> IssuerError:
    return IssuerError(
        f"private CA: {os.path.join(home, name)}: {why}",
        f"restore it from a backup; or {new_ca(home)}",
        transient=False,
    )
