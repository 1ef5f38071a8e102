"""What a pass did, as it happens and at its end."""

from collections.abc import Callable
from typing import NamedTuple

from certctl.errors import CertctlError
from certctl.planning.steps import Step


class Event(NamedTuple):
    """Something that a person who watches wants to read."""

    subject: str
    text: str
    level: str = "info"
    """info | detail | warning"""


class Failed(NamedTuple):
    """A step that could not be done; the rest of the pass went on."""

    step: Step
    error: CertctlError


class Outcome(NamedTuple):
    """A whole pass."""

    done: list[Step]
    failed: list[Failed]
    deferred: list[Step]
    """DH parameters to be made: the caller does it without holding the lock."""


Report = Callable[[Event], None]
