"""What a plan is made of: steps, each with its reason, and holds, each with its end."""

from datetime import datetime
from typing import NamedTuple

# The order of work in a pass: local work, hooks, announcements, and only then
# what may hang on somebody else; primes are searched for when all else is done.
# The numbers are compared, never shown.
(
    PHASE_FILES,
    PHASE_LOCAL_ISSUE,
    PHASE_HOOKS,
    PHASE_ANNOUNCE,
    PHASE_KEYS,
    PHASE_ISSUE,
    PHASE_RETIRE,
    PHASE_DHPARAM,
) = range(8)


class Step(NamedTuple):
    """One thing to do."""

    kind: str
    """promote, rollback, write, hook, announce, retract, make-key, issue, retire or dhparam."""
    subject: str
    """A certificate, DH parameter file, hook or announcer, by name; a policy map by its path."""
    reason: str
    scope: str = "certificate"
    """Which of those *subject* is: certificate, dhparam, hook, announcer, map."""
    slot: str | None = None
    """make-key, issue, promote, rollback: the slot that it is for."""
    path: str | None = None
    """write: the file."""
    generation: int | None = None
    """retire: the number of the one that goes."""
    reuse: bool = False
    """make-key: take the current keys (a renewal where certificates are pinned)."""

    @property
    def key(self) -> tuple[str, str, str, str | None, str | None]:
        """What tells this step from others, whatever its reason."""
        return (self.scope, self.subject, self.kind, self.slot, self.part)

    @property
    def part(self) -> str | None:
        """What of its subject it is about, where that is not the whole: a file, a generation."""
        return self.path if self.generation is None else str(self.generation)


WAITS, STANDBY, FAILED, WRONG = "waits", "standby", "failed", "wrong"
"""States of a hold. WAITS: something is wanted, and is done later. STANDBY: nothing is wanted yet, it says
from when the next key could be served, or when a renewal will come. FAILED: it was tried, and is tried again.
WRONG: it does not go by itself, somebody has to mend the configuration or the host."""


class Hold(NamedTuple):
    """One thing that waits."""

    kind: str
    subject: str
    reason: str
    until: datetime | None
    """None: until somebody does what the reason says."""
    state: str = WAITS

    @property
    def bad(self) -> bool:
        """Whether a pass that leaves it has not gone well."""
        return self.state in (FAILED, WRONG)


class Plan(NamedTuple):
    """What a pass would do, what waits, and when the next pass has something to do."""

    now: datetime
    steps: tuple[Step, ...]
    holds: tuple[Hold, ...]
    next_pass_at: datetime | None
