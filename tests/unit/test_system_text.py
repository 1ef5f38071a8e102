"""Text of others, before a person sees it: one line, bounded, and nothing in it that a terminal obeys."""

from __future__ import annotations

import json

import pytest

from certctl.errors import CertctlError, ConfigError
from certctl.system import text

COUNTED = "hostile inputs"

HOSTILE = [
    ("\x1b[2J", "\\x1b[2J"),
    ("\x07", "\\x07"),
    ("a\r\nb\tc", "a\\r\\nb\\tc"),
    ("\x9b31m", "\\x9b31m"),
    ("\x7f\x00", "\\x7f\\x00"),
    ("\u202egpj\u2066.\u2069", "\\u202egpj\\u2066.\\u2069"),
    ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
    ("\u200b\ufeff", "\\u200b\\ufeff"),
    ("\U000e0041", "\\U000e0041"),
    ("\udc80", "\\udc80"),
]


@pytest.mark.parametrize(("given", "shown"), HOSTILE)
def test_written_out(given: str, shown: str) -> None:
    """What a terminal would obey, or nobody could see, is there to be read."""
    assert text.line(given) == shown
    assert text.line(shown) == shown


def test_plain_text_stays() -> None:
    """Letters of any script, and the lines of a page of our own, are as they were."""
    assert text.line("Müller 株式会社 → мир\\") == "Müller 株式会社 → мир\\"
    assert text.lines("a\n\tb\x1b\r") == "a\n\tb\\x1b\\r"


@pytest.mark.parametrize("indent", [None, 2])
def test_json(indent: int | None) -> None:
    """JSON is printable, says ü as ü, and gives back exactly what was put in."""
    value = {given: [given, "ü", 1] for given, _ in HOSTILE}
    told = text.to_json(value, indent)
    assert told.replace("\n", "").isprintable()
    assert "ü" in told
    assert json.loads(told) == value


def test_bound() -> None:
    """A long message is cut, its length is named, and what is put before it does not cut it again."""
    assert text.bounded("x" * 4096) == "x" * 4096
    cut = text.bounded("ü" * 500_000)
    assert len(cut.encode()) <= text.MOST
    assert cut.endswith("ü… (1000000 bytes in all)")
    assert text.bounded(f"issuer {'le' * 100}: {cut}") == f"issuer {'le' * 100}: {cut}"


def test_errors_are_bounded() -> None:
    """No error keeps more of what a stranger said than a message may have."""
    error = CertctlError("x" * 900_000, "y" * 900_000)
    assert max(map(len, (error.message, str(error), error.hint or ""))) <= text.MOST
    problems = ConfigError([f"problem {number}" for number in range(1000)] + ["z" * 10_000]).problems
    assert len(problems) == 1001
    assert len(problems[-1]) <= text.MOST
