"""Files of settings: the shell's NAME=value, and certbot's sections. Nothing in them is ever run."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping

MOST_VALUE = 65_536
"""Characters that variables may put into one value."""
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*) *=(.*)$")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_ACME_SH_BASE64 = re.compile(r"^__ACME_BASE64__START_(.*)__ACME_BASE64__END_$")


def shell(data: bytes, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """The plain assignments of a shell file, with ${NAME} of *known* and of earlier lines put in.

    What only a shell could work out ($(…), `…`, conditions) is left out: nothing is run.
    """
    found = dict(known or {})
    for line in data.decode("utf-8", "replace").splitlines():
        match = _ASSIGNMENT.match(line)
        if match is None:
            continue
        value = _value(match[2].strip(), found)
        if value is not None:
            found[match[1]] = value
    return found


def _value(text: str, known: Mapping[str, str]) -> str | None:
    """One word of the shell, its quotes taken away; None for what would have to be run."""
    if text.startswith("'"):
        inner, closed, _ = text[1:].partition("'")
        return inner if closed else None
    if text.startswith('"'):
        inner, closed, _ = text[1:].partition('"')
        text = inner if closed else ""
    else:
        text = (text.split("#", 1)[0] if text.startswith("#") else text).split(" ", 1)[0].rstrip(";")
    if "$(" in text or "`" in text:
        return None
    return _filled(text, known)


def _filled(text: str, known: Mapping[str, str]) -> str | None:
    """*text* with its variables put in; None where they make it longer than any setting is."""
    left = MOST_VALUE

    def put(match: re.Match[str]) -> str:
        nonlocal left
        value = known.get(match[1] or match[2], "")
        left -= len(value)
        return value if left >= 0 else ""

    filled = _VARIABLE.sub(put, text)
    return filled if left >= 0 else None


def acme_sh_text(value: str) -> str:
    """A value of acme.sh, which writes in base64 whatever may hold quotes."""
    match = _ACME_SH_BASE64.match(value)
    if match is None:
        return value
    try:
        return base64.b64decode(match[1]).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def sections(data: bytes) -> dict[str, dict[str, str]]:
    """The sections of an ini file as ConfigObj writes it: "", "renewalparams", "webroot_map", …

    Names of inner sections stand alone; quotes around values are taken away.
    """
    found: dict[str, dict[str, str]] = {"": {}}
    section = ""
    for line in data.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            section = text.strip("[]").strip()
            found.setdefault(section, {})
        elif text and not text.startswith("#") and "=" in text:
            name, _, value = text.partition("=")
            found[section][name.strip()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def words(value: str) -> Iterator[str]:
    """The parts of a list with commas, empty ones left out, quotes taken away."""
    for part in value.split(","):
        word = _unquoted(part.strip())
        if word and word != "None":
            yield word
