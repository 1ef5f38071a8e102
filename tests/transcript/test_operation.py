"""docs/operation.md: what it says to type in trouble works, and shows what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from certctl.announce import remembering
from certctl.engine import dhparams, hooking, issuing, proving
from certctl.peers import follow
from certctl.planning import holds
from certctl.planning.times import duration_text
from tests.transcript import session
from tests.transcript.blocks import commands
from tests.unit.config_files import problems

PAGE = Path(__file__).parents[2] / "docs/operation.md"


def test_operation_as_written(tmp_path: Path) -> None:
    """Losses and damage are brought about, and mended as the page says."""
    env = session.environment(tmp_path)
    below = ["/var/lib/certctl", "/etc/certctl", "/etc/postfix"]
    wrong = session.complaints(session.run(commands(PAGE), tmp_path, env, below))
    assert not wrong, "\n\n".join(wrong)


def test_configuration_is_valid(tmp_path: Path) -> None:
    """What is to be pasted into certctl.toml is taken by certctl."""
    for example in re.findall(
        r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        assert problems(tmp_path, example) == []


@pytest.mark.parametrize(
    ("what", "waits"),
    [
        ("a hook", (hooking.FIRST_RETRY, hooking.LONGEST_RETRY)),
        ("an ACME CA", issuing._BACK_OFF["acme"]),
        ("an issuer of type `command`", issuing._BACK_OFF["command"]),
        ("an announcement", remembering.RETRY),
        ("a peer's feed", follow.RETRY),
        ("a search for DH parameters", dhparams.RETRY),
        ("a renewal that a probe took back", (proving.RENEWED_AGAIN,)),
        ("anything local", (holds.RETRY_UNPLANNED,)),
    ],
)
def test_table_of_retries(what: str, waits: tuple[float, ...]) -> None:
    """The times in the table are those of the code."""
    table = PAGE.read_text(encoding="utf-8").partition("## When it is tried again")[2]
    row = next(line for line in table.splitlines() if line.startswith(f"| {what}"))
    cells = row.strip("| ").split(" | ")[1:]
    for cell, wait in zip(cells, waits, strict=False):
        assert re.search(rf"\b{duration_text(wait)}\b", cell), row
