"""Durations ("90d", "1d12h") to seconds and back, and file modes ("0600")."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from certctl.config.problems import BadValueError

_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_ALLOWED = "digits with a unit: w, d, h, m or s"
LONGEST = 36500 * 86400
"""A hundred years: beyond it, sums with dates leave what datetime can hold."""

KEY_MODES = (0o600, 0o400, 0o640, 0o440)


def duration(*, zero: bool = False, word: str = "") -> Callable[[object], float | None]:
    """Take a duration; *zero*: none at all is one too; *word*: stands for None."""

    def parse(value: object) -> float | None:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            raise BadValueError(
                f'a duration needs a unit, such as "{show_number(value)}d" or "{show_number(value)}h"'
            )
        if not isinstance(value, str):
            raise BadValueError
        if word and value == word:
            return None
        seconds = _seconds(value)
        if seconds is None:
            or_word = f', or "{word}"' if word else ""
            raise BadValueError(
                f'not a duration: {_ALLOWED}, such as "90d" or "1d12h"{or_word}{_meant(value, word)}'
            )
        if seconds > LONGEST:
            raise BadValueError("longer than a hundred years")
        if seconds == 0 and not zero:
            raise BadValueError("must be more than nothing")
        return seconds

    return parse


def show_number(value: float) -> str:
    """Write the number that lacks its unit, shortened."""
    return format(value, "g") if abs(value) < 1e9 else "90"


@lru_cache(maxsize=256)
def _seconds(text: str) -> float | None:
    """Add up the parts of "1d12h"; None where it is no duration."""
    total = 0
    digits = ""
    smallest = LONGEST
    for char in text:
        if "0" <= char <= "9":
            digits += char
            continue
        unit = _UNITS.get(char)
        if unit is None or not digits or len(digits) > 12 or unit >= smallest:
            return None
        total += int(digits) * unit
        digits, smallest = "", unit
    return float(total) if text and not digits else None


def _meant(text: str, word: str) -> str:
    """Guess what "90 days", "90D" or "90" was meant to be."""
    import re

    if word and text.strip().lower() == word:
        return f'; did you mean "{word}"?'
    if len(text) < 40 and text.isascii() and text.isdigit():
        return f'; did you mean "{text}d"?'
    plain = re.sub(r"(?<=[wdhms])[a-z]+", "", text[:40].lower().replace(" ", ""))
    return f'; did you mean "{plain}"?' if _seconds(plain) is not None else ""


def written(seconds: float) -> str:
    """Write seconds as a duration, in its largest unit that fits evenly."""
    whole = int(seconds)
    for unit in ("d", "h", "m"):
        if whole and whole % _UNITS[unit] == 0:
            return f"{whole // _UNITS[unit]}{unit}"
    return f"{whole}s"


def mode(value: object) -> int:
    """Take a file's mode: a string of octal digits, or TOML's 0o600."""
    if isinstance(value, str):
        if not 3 <= len(value.removeprefix("0o")) <= 4 or value.removeprefix("0o").strip("01234567"):
            raise BadValueError('not a mode: octal digits, such as "0600" or "0644"')
        found = int(value, 8)
    elif isinstance(value, int) and not isinstance(value, bool):
        found = value
    else:
        raise BadValueError
    if not 0 <= found <= 0o777:
        raise BadValueError('not a mode of a plain file: write it in octal digits, such as "0600" or "0644"')
    if found & 0o111:
        raise BadValueError(
            f"would make the file executable (it is {found:04o}): such as 0600 or 0644 is expected"
        )
    if not found & 0o400:
        raise BadValueError(f"would keep its owner from reading the file (it is {found:04o})")
    if found & 0o002 or found & 0o060 == 0o020:
        raise BadValueError(f"would let others write the file (it is {found:04o})")
    return found
