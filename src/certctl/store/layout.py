"""Where things are in the state directory (docs/state.md)."""

from typing import NamedTuple

LIVE_FILES: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("bundle.pem", ("key", "cert", "chain"), 0o600),
    ("key.pem", ("key",), 0o600),
    ("cert.pem", ("cert",), 0o644),
    ("chain.pem", ("chain",), 0o644),
    ("fullchain.pem", ("cert", "chain"), 0o644),
    ("root.pem", ("root",), 0o644),
)
"""What an issuance holds: file, parts, mode."""


class Layout(NamedTuple):
    """Paths below one state directory."""

    root: str

    @property
    def lock(self) -> str:
        return f"{self.root}/lock"

    @property
    def dhparam_lock(self) -> str:
        return f"{self.root}/dhparam/.lock"

    @property
    def in_hand(self) -> str:
        return f"{self.root}/lock.in-hand"

    @property
    def journal(self) -> str:
        return f"{self.root}/journal.jsonl"

    @property
    def hooks(self) -> str:
        return f"{self.root}/hooks.json"

    @property
    def owner(self) -> str:
        return f"{self.root}/owner.json"

    @property
    def dhparams(self) -> str:
        return f"{self.root}/dhparams.json"

    @property
    def stamps(self) -> str:
        return f"{self.root}/stamps.json"

    @property
    def clock(self) -> str:
        return f"{self.root}/clock.json"

    @property
    def at_rest(self) -> str:
        return f"{self.root}/cache/settled.json"

    @property
    def issuers(self) -> str:
        return f"{self.root}/issuers"

    @property
    def states(self) -> str:
        return f"{self.root}/state"

    def state(self, name: str) -> str:
        return f"{self.root}/state/{name}.json"

    def live(self, name: str) -> str:
        return f"{self.root}/live/{name}"

    def dhparam(self, name: str) -> str:
        return f"{self.root}/dhparam/{name}.pem"

    def lineage(self, name: str) -> str:
        return f"{self.root}/certificates/{name}"

    def generation(self, name: str, number: int) -> str:
        return f"{self.root}/certificates/{name}/{number}"

    def key(self, name: str, number: int, algorithm: str) -> str:
        return f"{self.root}/certificates/{name}/{number}/{algorithm}.key"

    def work(self, name: str, number: int) -> str:
        """Where an issuer keeps what it must not forget across a crash."""
        return f"{self.root}/certificates/{name}/{number}/order"

    def issuance(self, name: str, number: int, issuance: int) -> str:
        """An immutable directory: what live/NAME points at."""
        return f"{self.root}/certificates/{name}/{number}/issued-{issuance}"

    def live_target(self, name: str, number: int, issuance: int) -> str:
        """The text of the symlink live/NAME."""
        return f"../certificates/{name}/{number}/issued-{issuance}"

    def directories(self) -> tuple[str, ...]:
        below = ("state", "certificates", "live", "dhparam", "issuers", "cache")
        return (self.root, *(f"{self.root}/{name}" for name in below))
