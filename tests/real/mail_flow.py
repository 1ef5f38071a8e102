"""Mail that flows all the time while something else happens, and what became of each message."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from types import TracebackType

from tests.real.servers.postfix import Postfix
from tests.real.servers.process import until

PACE = 0.25
"""Seconds between two messages: so that there is always one under way, and something is left for others."""
_TRIED = re.compile(r"(\w+): to=<[^\n]*?(dsn=\S+, status=[^\n]*)")
_VERIFIED = "Verified TLS connection established"


class Flow:
    """One message after the other to *recipient* at *receiver*, handed to *server*, while it is entered."""

    def __init__(self, server: Postfix, receiver: Postfix, recipient: str) -> None:
        self._server = server
        self._receiver = receiver
        self._recipient = recipient
        self._over = threading.Event()
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._failure: Exception | None = None
        self.sent: list[str] = []

    def __enter__(self) -> Flow:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._wanted.set()
        self._thread.join()

    def _send(self) -> None:
        try:
            while not self._over.is_set():
                self._wanted.wait(PACE)
                self._wanted.clear()
                self.sent.append(self._server.send(recipient=self._recipient))
        except Exception as error:  # noqa: BLE001  # told by whoever checks
            self._failure = error

    def moves(self) -> None:
        """Wait until a message has been delivered that was sent after now."""
        under_way = len(self.sent)  # may have been begun before

        def sent() -> bool:
            self._wanted.set()
            return len(self.sent) > under_way + 1 or self._failure is not None

        until(sent, "a message is sent", seconds=30)
        assert self._failure is None, self._failure
        self._server.outcome(self.sent[under_way + 1])

    def check(self) -> int:
        """Every message was delivered at its first try, to a server whose key was verified; their number."""
        assert self._failure is None, self._failure
        assert self.sent
        passed_on = _delivered(self._server, self.sent)
        queued_as = [outcome.rsplit("queued as ")[1].rstrip(")") for outcome in passed_on]
        _delivered(self._receiver, queued_as)
        log = self._server.log()
        assert "status=deferred" not in log
        assert "Untrusted TLS" not in log
        assert "Anonymous TLS connection established to" not in log
        assert log.count(_VERIFIED) >= len(self.sent)
        return len(self.sent)


def _delivered(server: Postfix, mails: Sequence[str]) -> list[str]:
    """What became of each of *mails* at its first try, which was its only one, and a success."""

    def tried() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {mail: [] for mail in mails}
        for mail, outcome in _TRIED.findall(server.log()):
            if mail in found:
                found[mail].append(outcome)
        return found if all(found.values()) else {}

    outcomes = until(tried, "every message is tried", seconds=30, log=server.log_file)
    assert {mail: seen for mail, seen in outcomes.items() if len(seen) != 1 or "dsn=2." not in seen[0]} == {}
    return [seen[0] for seen in outcomes.values()]
