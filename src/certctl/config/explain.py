"""The words for what is wrong; imported only when something is."""

from __future__ import annotations

from collections.abc import Mapping

from certctl.config.key import Key, Section
from certctl.config.problems import WHOLE, BadValueError, Problems, Where, dotted, quoted, show, suggestion
from certctl.config.values import name_fault

KINDS = ("certificate", "issuer", "dhparam", "watch", "hook", "announce", "peer")

# What other tools call it, where the spelling alone would not lead there.
_SYNONYMS = {
    "domains": "names",
    "domain": "names",
    "hostnames": "names",
    "san": "names",
    "key_type": "keys",
    "algorithm": "keys",
    "algorithms": "keys",
    "days": "validity",
    "lifetime": "validity",
    "user": "owner",
    "permissions": "mode",
    "reload": "hooks",
    "deploy_hook": "hooks",
    "url": "directory",
    "server": "directory",
    "contact": "email",
    "size": "bits",
}


def fault(problems: Problems, where: Where, name: str, value: object, key: Key, bad: BadValueError) -> None:
    """Record what *key* did not take."""
    for message, element in bad.faults:
        shown = value if element is WHOLE else element
        words = message or f"expected {key.want}, for example {name} = {key.example}"
        problems.value(where, name, shown, words)


def unknown(problems: Problems, where: Where, name: str, value: object, section: Section) -> None:
    """Record a key that the table does not have, with the one that was probably meant."""
    if isinstance(value, dict) and (path := _dots(where, name, value)):
        problems.add(where, f"table {quoted(name)} is unknown; a name with dots needs quotes: {path}")
        return
    known = section.keys
    meant = suggestion(name, known)
    synonym = _SYNONYMS.get(name.casefold())
    if home := _home(where, name):
        meant = f"; {home}"
    elif synonym in known:
        meant = f'; did you mean "{synonym}"?'
    elif not meant:
        meant = f"; known are {', '.join(known)}" if known else "; no keys are known there"
    noun = "table" if isinstance(value, dict) else "key"
    problems.add(where, f"{noun} {show(name)} is unknown{meant}")


def top(problems: Problems, name: str, value: object, section: Section) -> None:
    """Record a key or table that is unknown at the top of the file."""
    if isinstance(value, (dict, list)):
        words = (
            suggestion(name, KINDS, "[{}.NAME]") or f"; known are {', '.join(f'[{k}.NAME]' for k in KINDS)}"
        )
        problems.add((), f"table [{quoted(name)}] is unknown{words}")
        return
    words = suggestion(name, section.keys) or f"; known are {', '.join(section.keys)}, and tables"
    problems.add((), f"key {show(name)} is unknown{words}")


def not_tables(problems: Problems, kind: str, group: object) -> None:
    """Record a section that is a value or a list."""
    if isinstance(group, list) and group and isinstance(group[0], dict):
        problems.add(
            (kind,), f"{kind} has a name and one pair of brackets: write [{kind}.NAME], not [[{kind}]]"
        )
        return
    problems.value((), kind, group, f"expected tables, [{kind}.NAME]")


def bad_table(problems: Problems, kind: str, name: str, table: object) -> None:
    """Record what stands in a section without being a well-named table."""
    if not isinstance(table, dict):
        if isinstance(table, list) and table and isinstance(table[0], dict):
            words = f"is one table: write [{dotted((kind, name))}] with one pair of brackets"
            problems.add((kind, name), words)
            return
        problems.value((kind,), name, table, f"expected a table with a name: write [{kind}.NAME] above it")
        return
    problems.add((kind, name), f"{show(name)} cannot be a name here: {name_fault(name)}")


def _dots(where: Where, name: str, value: Mapping[str, object]) -> str:
    """Give the header that was meant by [certificate.mx1.example.org], whose dots made three tables."""
    if len(where) != 2 or where[0] not in KINDS:
        return ""
    parts = [str(where[1]), name]
    inner: object = value
    while isinstance(inner, dict) and len(inner) == 1 and len(parts) < 12:
        part, below = next(iter(inner.items()))
        if not isinstance(below, dict):
            break
        parts.append(part)
        inner = below
    whole = ".".join(parts)
    # [certificate.mx1.files] is a misspelled table rather than a host's name.
    looks_like_host = len(parts) > 2 or len(name) < 4
    return f"[{where[0]}.{show(whole)}]" if looks_like_host and name_fault(whole) is None else ""


def _home(where: Where, name: str) -> str:
    """Say in which other table a key would be known."""
    from certctl.config.announcer_schema import ANNOUNCERS
    from certctl.config.issuer_schema import ISSUERS
    from certctl.config.schema import CERTIFICATE, FILE, TOP

    if name in TOP.keys:
        return "it belongs at the top of the file, before the first table"
    if where[:1] == ("certificate",) and name in FILE.keys and len(where) == 2:
        return f"it belongs in [[{dotted(where)}.file]]"
    if where[:1] == ("certificate",) and name in CERTIFICATE.keys and len(where) > 2:
        return f"it belongs in [{dotted(where[:2])}]"
    families = {"issuer": ISSUERS, "announce": ANNOUNCERS}
    types = [
        kind
        for kind, section in families.get(str(where[:1] and where[0]), {}).items()
        if name in section.keys
    ]
    return f"only the type {' or '.join(types)} has it" if types else ""
