"""[certificate.NAME] and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from certctl.config.context import Context
from certctl.config.durations import KEY_MODES, written
from certctl.config.problems import Where, not_one_of, quoted
from certctl.config.schema import CERTIFICATE, FILE
from certctl.planning.spec import DAY, CertificateSpec, FileSpec
from certctl.system.text import nearest

ANNOUNCED_HOLD_DOWN = 7 * DAY

_DEFAULT = CertificateSpec("", ())
_DEFAULT_PARTS = FileSpec("").parts


def read(context: Context, document: Mapping[str, object]) -> dict[str, CertificateSpec]:
    """Read every certificate's table."""
    found = {}
    for name, table in context.tables(document, "certificate"):
        certificate = _certificate(context, name, table)
        if certificate is not None:
            found[name] = certificate
    return found


def _certificate(context: Context, name: str, table: Mapping[str, object]) -> CertificateSpec | None:
    where = ("certificate", name)
    values = context.read(where, table, CERTIFICATE)
    _references(context, where, values)
    keys = values.get("keys", () if "keys" in table else _DEFAULT.keys)
    tables: Sequence[dict[str, object]] = values.get("files", ())
    files = [_file(context, (*where, "file", n), file, keys) for n, file in enumerate(tables, 1)]
    values["files"] = tuple(file for file in files if file is not None)
    if "hold_down" not in values and values.get("announce"):
        values["hold_down"] = ANNOUNCED_HOLD_DOWN
    if "renew_before" in values or "pin" in values:
        _durations(context, where, table, values)
    return CertificateSpec(name=name, **values) if "names" in values else None


def _references(context: Context, where: Where, values: Mapping[str, Any]) -> None:
    """Check that issuers and announcers are defined."""
    for key, field, known in (
        ("issuer", "issuers", context.issuers),
        ("announce", "announce", context.announcers),
    ):
        named = values.get(field)
        if named and not known.issuperset(named):
            for name in named:
                if name not in known:
                    words = not_one_of(name, sorted(known)) if known else "not defined"
                    if nearest(name, sorted(known)) is None:
                        words += f"; it needs a table [{key}.{quoted(name)}]"
                    context.problems.value(where, key, name, words)


def _durations(
    context: Context, where: Where, table: Mapping[str, object], values: Mapping[str, Any]
) -> None:
    """Check what must be shorter than the certificate's life."""
    if "validity" in table and "validity" not in values:
        return
    validity = values.get("validity", _DEFAULT.validity)
    life = f'validity = "{written(validity)}"'
    before = values.get("renew_before")
    if before is not None and before >= validity:
        context.problems.value(
            where,
            "renew_before",
            table["renew_before"],
            f"must be shorter than {life} (set validity to what the issuer gives)",
        )
    hold_down = values.get("hold_down", 0)
    # A certificate waits for its own announcement, is served, and waits for that of the one after it.
    if values.get("pin") == "certificate" and 2 * hold_down > validity:
        context.problems.value(
            where,
            "hold_down",
            written(hold_down),
            f'with pin = "certificate" it may be half of {life} at most, {written(validity / 2)}: '
            "each certificate waits that long to be served, and as long again for the next one",
        )


def _file(
    context: Context, where: Where, table: Mapping[str, object], keys: Sequence[str]
) -> FileSpec | None:
    values = context.read(where, table, FILE)
    algorithm = values.get("algorithm")
    if algorithm is not None and keys and algorithm not in keys:
        words = f"the certificate's keys are {', '.join(keys)}"
        context.problems.value(where, "algorithm", algorithm, words)
    if "parts" in values or "parts" not in table:
        _mode(context, where, table, values)
    if "path" not in values:
        return None
    context.output(where, "path", values["path"])
    return FileSpec(**values)


def _mode(context: Context, where: Where, table: Mapping[str, object], values: dict[str, Any]) -> None:
    """Default the mode by whether a key is in the file, and refuse a key that others could read."""
    with_key = "key" in values.get("parts", _DEFAULT_PARTS)
    mode = values.get("mode")
    if mode is None:
        values["mode"] = 0o600 if with_key else 0o644
    elif with_key and mode not in KEY_MODES:
        allowed = ", ".join(f"{one:04o}" for one in KEY_MODES)
        context.problems.value(where, "mode", table["mode"], f"a file with a key in it has one of {allowed}")
