"""What adapters log reaches the person who watches, as events."""

from __future__ import annotations

import logging

from certctl.engine.outcome import Event, Report


class _Handler(logging.Handler):
    def __init__(self, subject: str, report: Report) -> None:
        super().__init__()
        self._subject = subject
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        level = "warning" if record.levelno >= logging.WARNING else "detail"
        self._report(Event(self._subject, record.getMessage(), level))


def follow(logger: str, subject: str, report: Report) -> None:
    """Report what *logger* says from now on: warnings always, the rest to those who want details."""
    log = logging.getLogger(logger)
    log.handlers = [handler for handler in log.handlers if not isinstance(handler, _Handler)]
    log.addHandler(_Handler(subject, report))
    log.setLevel(logging.INFO)
    log.propagate = False
