"""docs/commands.md cannot drift from the command line."""

from __future__ import annotations

from tests.transcript.commands_page import PAGE, page, words


def test_page_says_what_help_says() -> None:
    """Every command, option and help text; else: python -m tests.transcript.commands_page."""
    assert words(PAGE.read_text(encoding="utf-8")) == words(page())
