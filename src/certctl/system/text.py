"""Text that others wrote, before a person sees it: on one line, bounded, and nothing a terminal obeys.

Whatever `str.isprintable` refuses is written out: control characters (C0, DEL,
C1), marks that turn the direction of writing (Unicode UAX #9) or cannot be
seen, separators of lines and paragraphs, halves of surrogate pairs. So it is
done where text is printed, and nobody who makes text need think of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MOST = 4096
"""Bytes: no message is longer."""
_KEPT = MOST - 512
"""What is left of a longer one; so there is room for what is put before it later."""
STRUCK = "[secret]"
_WORDS = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def line(text: str) -> str:
    """*text* on one line: what cannot be printed is written out, as ``\\x1b``, ``\\u202e`` or ``\\n``.

    Doing it twice changes nothing more.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _written_out(char) for char in text)


def lines(text: str) -> str:
    """As `line`, for text of several lines that are our own: line feeds and tabs stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else _written_out(char) for char in text)


def _written_out(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return _WORDS.get(char) or f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def to_json(value: Any, indent: int | None = None) -> str:
    """*value* as JSON that can be shown: what cannot be printed is escaped, and parses back to itself."""
    import json

    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if text.isprintable():
        return text
    # Outside of strings there is nothing but ASCII, and of that only line feeds are not printable.
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)


def without_passwords(text: str) -> str:
    """*text*, the passwords of URLs in it (``http://user:password@proxy``) struck out."""
    if "://" not in text or "@" not in text:
        return text
    import re

    return re.sub(r"(://[^\s/:@]*):[^\s/]+@", rf"\1:{STRUCK}@", text)


def bounded(text: str) -> str:
    """*text*, cut where it is longer than any message need be; then its whole length is named."""
    if len(text) * 4 <= MOST:
        return text
    data = text.encode(errors="surrogatepass")
    if len(data) <= MOST:
        return text
    return f"{data[:_KEPT].decode(errors='ignore')}… ({len(data)} bytes in all)"


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Find the known word that *word* was probably meant to be."""
    from difflib import get_close_matches

    by_fold = {name.casefold(): name for name in known}
    folded = word[:64].casefold()
    if folded in by_fold:
        return by_fold[folded]
    begun = [name for name in by_fold if name.startswith(folded)]
    if folded and len(begun) == 1:
        return by_fold[begun[0]]
    close = get_close_matches(folded, by_fold, n=1, cutoff=cutoff)
    return by_fold[close[0]] if close else None
