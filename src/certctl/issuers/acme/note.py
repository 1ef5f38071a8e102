"""What must survive a crash of one order: where it is at the CA, and what it was for.

The note is durable before anything is asked of the CA that could lead to a certificate.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from certctl.ports import IssueRequest
from certctl.store import atomic


class Note(NamedTuple):
    """One order under way."""

    order: str
    """Its URL."""
    directory: str
    account: str
    names: tuple[str, ...]
    key_sha256: str
    """Of the key's SubjectPublicKeyInfo: the request for the certificate is made from the key again."""
    profile: str
    refusals: int = 0
    """How often what the CA gave for it was not what was ordered."""


def note_path(request: IssueRequest) -> str:
    """Return where the note of *request* is: each algorithm of a generation has an order of its own."""
    return os.path.join(request.work_dir, f"acme-order-{request.algorithm}.json")


def read_note(request: IssueRequest) -> Note | None:
    """Return the note; None if there is none that can be read: then there is no order to go on with."""
    try:
        with open(note_path(request), "rb") as file:
            found = json.load(file)
        return Note(**{**found, "names": tuple(found["names"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_note(request: IssueRequest, note: Note) -> None:
    """Durably write the note, 0600."""
    atomic.make_directory(request.work_dir)
    atomic.write(note_path(request), (json.dumps(note._asdict(), indent=2) + "\n").encode(), 0o600)


def drop_note(request: IssueRequest) -> None:
    """Forget the order."""
    atomic.remove(note_path(request))
