"""The JSON files of the state directory: read strictly, and put together again from the disk if damaged."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from certctl.errors import CertctlError, StateError
from certctl.planning.spec import CertificateSpec
from certctl.planning.state import (
    CertificateRecord,
    CertificateState,
    DhparamState,
    Generation,
    HookState,
    KeyRecord,
)
from certctl.store import atomic, codec, generations, keyfiles, outputs
from certctl.store.layout import Layout
from certctl.system import files
from certctl.x509 import ALGORITHMS

UTC = timezone.utc


def encode(state: CertificateState) -> bytes:
    return json.dumps(codec.encode_certificate(state), indent=1, ensure_ascii=False).encode() + b"\n"


Known = dict[str, tuple[bytes, CertificateState]]
"""By name, what a state file held, and what that says."""


def load(layout: Layout, name: str, known: Known | None = None) -> CertificateState | None:
    """The state of *name*; None where there is none. What is *known* is not taken apart another time.

    Raises StateError for a file that is damaged, UnreadableError for one that cannot be read,
    or that a newer certctl wrote: it may hold what this one would forget.
    """
    path = layout.state(name)
    data = files.read_file(path, follow=True)
    if data is None:
        return None
    if known is not None and (before := known.get(name)) is not None and before[0] == data:
        return before[1]
    try:
        document = json.loads(data)
        files.refuse_newer(document, path)
        state = codec.decode_certificate(document, name)
    except (ValueError, RecursionError, OverflowError) as error:
        what = "it is empty" if not data.strip() else str(error)
        raise StateError(f"{path} is damaged: {what}") from error
    if known is not None:
        known[name] = data, state
    return state


def set_aside(layout: Layout, name: str, now: datetime) -> str | None:
    """Move a damaged state file out of the way, never over another one; where it went, if there was one."""
    path = layout.state(name)
    if outputs.lstat(path) is None:
        return None
    target = f"{path}.damaged-{now.strftime('%Y%m%dT%H%M%SZ')}"
    count = 0
    while outputs.lstat(target + (f"-{count}" if count else "")) is not None:
        count += 1
    target += f"-{count}" if count else ""
    atomic.move(path, target)
    return target


def is_kept(layout: Layout, state: CertificateState) -> bool:
    """Whether the state file says just that."""
    try:
        return load(layout, state.name) == state
    except StateError:
        return False


def rebuild(layout: Layout, cert: CertificateSpec, now: datetime) -> CertificateState | None:
    """What the disk says of *cert*; None where it says nothing.

    live/NAME tells which generation is current; without it the configured files do,
    and at last, which was issued for most recently. The highest number above that is
    next; of the others, the highest that was issued for is previous. When something
    was announced is not on disk, so a next key is taken for as new as *now*: its
    hold-down begins again.
    """
    name = cert.name
    numbers = keyfiles.numbers(layout, name)
    served = _served(layout, name)
    if served[0] not in numbers:
        served = _held_by(layout, cert, numbers) or (0, None)
    found = [_read_generation(layout, name, n, served if served[0] == n else (n, None)) for n in numbers]
    readable = [generation for generation in found if generation is not None]
    issued = [generation for generation in readable if generation.issuance]
    if not readable:
        return None
    current = next((g for g in issued if g.number == served[0]), issued[-1] if issued else None)
    above = [g for g in readable if g.number > (current.number if current else 0)]
    following = above[-1] if above else None
    others = [g for g in issued if g is not current and g is not following]
    if following is not None:
        following = following._replace(made_at=now, promoted_at=None, rotates_from=None)
    return CertificateState(
        name,
        current=current,
        next=following,
        previous=others[-1] if others else None,
        last_number=max(numbers),
    )


def _served(layout: Layout, name: str) -> tuple[int, int | None]:
    """Generation and issuance that live/NAME points at; (0, None) where it points nowhere."""
    parts = (files.link_target(layout.live(name)) or "").split(os.sep)
    try:
        return int(parts[-2]), int(parts[-1].removeprefix("issued-"))
    except (ValueError, IndexError):
        return 0, None


def is_served(layout: Layout, name: str) -> bool:
    """Whether live/NAME points at an issuance that is there."""
    number, issuance = _served(layout, name)
    return issuance is not None and files.is_directory(layout.issuance(name, number, issuance))


def _held_by(layout: Layout, cert: CertificateSpec, numbers: Sequence[int]) -> tuple[int, int] | None:
    """Generation and issuance whose certificate the first configured file holds."""
    from certctl.x509.pem import certificates

    for file in cert.files:
        data = outputs.read(file.path) or b""
        try:
            held = certificates(data)
        except CertctlError:
            continue
        for number in reversed(numbers):
            for issuance in _issuances(layout.generation(cert.name, number)):
                leaf = outputs.read(f"{layout.issuance(cert.name, number, issuance)}/cert.pem")
                if leaf is not None and held[:1] == [leaf]:
                    return number, issuance
    return None


def _issuances(directory: str) -> list[int]:
    """The issuances of a generation that are on disk, the last one first."""
    words = [
        entry.removeprefix("issued-") for entry in files.entries(directory) if entry.startswith("issued-")
    ]
    return sorted((int(word) for word in words if keyfiles.is_number(word)), reverse=True)


def _read_generation(
    layout: Layout, name: str, number: int, served: tuple[int, int | None]
) -> Generation | None:
    from certctl.x509.keys import key_facts

    directory = layout.generation(name, number)
    info = files.info(directory, follow=True)
    if info is None:
        return None
    made_at = datetime.fromtimestamp(int(info.st_mtime), UTC)
    keys: list[KeyRecord] = []
    for entry in files.entries(directory):
        data = outputs.read(os.path.join(directory, entry)) if entry.endswith(".key") else None
        if data is not None:
            try:
                facts = key_facts(data)
            except CertctlError:
                return None
            if facts.algorithm in ALGORITHMS:
                keys.append(KeyRecord(facts.algorithm, *facts.key))
    issuances = _issuances(directory)
    if not keys:
        return None
    generation = Generation(number, made_at, tuple(keys), highest=max(issuances, default=0))
    for issuance in [served[1]] if served[1] else issuances:
        issued = _read_issuance(layout, name, generation, issuance)
        if issued is not None:
            return issued
    return generation


def _read_issuance(layout: Layout, name: str, generation: Generation, issuance: int) -> Generation | None:
    from certctl.x509.certificate import certificate_facts

    request = generations.read_request(layout, name, generation.number, issuance)
    if request is None:
        return None
    records: list[KeyRecord] = []
    for key in _in_issued_order(layout, name, generation, issuance):
        inner = key.algorithm if len(generation.keys) > 1 else ""
        path = os.path.join(layout.issuance(name, generation.number, issuance), inner, "cert.pem")
        data = outputs.read(path) or b""
        try:
            found = certificate_facts(data)
        except CertctlError:
            return None
        if found.key.sha256 != key.sha256:
            return None
        record = CertificateRecord(*found.certificate, found.serial, found.not_before, found.not_after)
        records.append(key._replace(certificate=record))
    return generation._replace(
        keys=tuple(records),
        issuance=issuance,
        issued_at=request.issued_at,
        issued_by=request.issuer,
        names=request.names,
        promoted_at=request.issued_at,
        rotates_from=request.issued_at,
    )


def _in_issued_order(
    layout: Layout, name: str, generation: Generation, issuance: int
) -> tuple[KeyRecord, ...]:
    """The keys in the order of the bundle: the first algorithm's key.pem stands at the top."""
    from certctl.x509.keys import key_facts

    top = outputs.read(os.path.join(layout.issuance(name, generation.number, issuance), "key.pem"))
    try:
        first = key_facts(top or b"").key.sha256
    except CertctlError:
        return generation.keys
    return tuple(sorted(generation.keys, key=lambda key: key.sha256 != first))


def load_hooks(layout: Layout) -> dict[str, HookState]:
    """What hooks were delivered. A damaged file counts as none: every hook runs once more, none is lost.

    Raises UnreadableError: what cannot be read must not be replaced.
    """
    found = {}
    for name, data in _load_map(layout.hooks).items():
        try:
            found[name] = codec.decode_hook(data, name)
        except codec.MalformedError:
            continue
    return found


def save_hooks(layout: Layout, states: Mapping[str, HookState]) -> None:
    data = {name: codec.encode_hook(state) for name, state in states.items()}
    atomic.write(layout.hooks, json.dumps(data, indent=1, ensure_ascii=False).encode() + b"\n", 0o600)


def load_dhparams(layout: Layout) -> dict[str, DhparamState]:
    """What DH parameters are kept; a damaged file counts as none. Raises UnreadableError."""
    found = {}
    for name, data in _load_map(layout.dhparams).items():
        try:
            found[name] = codec.decode_dhparam(data, name)
        except codec.MalformedError:
            continue
    return found


def save_dhparams(layout: Layout, states: Mapping[str, DhparamState]) -> None:
    data = {name: codec.encode_dhparam(state) for name, state in states.items()}
    atomic.write(layout.dhparams, json.dumps(data, indent=1, ensure_ascii=False).encode() + b"\n", 0o600)


def _load_map(path: str) -> Mapping[str, Any]:
    try:
        data = json.loads(files.read_file(path, follow=True) or b"")
    except (ValueError, RecursionError):
        return {}
    files.refuse_newer(data, path)
    return data if isinstance(data, dict) else {}
