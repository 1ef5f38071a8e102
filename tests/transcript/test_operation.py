"""docs/operation.md: what it says to type in trouble works, and shows what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

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
