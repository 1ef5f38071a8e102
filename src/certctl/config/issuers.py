"""[issuer.NAME], and the tables for dns-01 inside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from certctl.config.context import Context
from certctl.config.issuer_schema import ACME, COMMON_DEFAULTS, DNS_COMMON, DNS_DEFAULTS, DNS_TABLES, ISSUERS
from certctl.config.key import Section
from certctl.config.problems import Where, dotted, quoted
from certctl.config.typed import section_of
from certctl.config.values import at
from certctl.planning.spec import AcmeOptions, CommandOptions, IssuerSpec, PrivateCaOptions

BUILT_IN = {
    "self-signed": IssuerSpec("self-signed", "self-signed"),
    "private-ca": IssuerSpec("private-ca", "private-ca", private_ca=PrivateCaOptions()),
}


def read(context: Context, document: Mapping[str, object]) -> dict[str, IssuerSpec]:
    """Read every issuer's table; the built-in ones are there besides, unless a table takes their name."""
    found = dict(BUILT_IN)
    for name, table in context.tables(document, "issuer"):
        issuer = _issuer(context, name, table)
        if issuer is not None:
            found[name] = issuer
    return found


def _issuer(context: Context, name: str, table: Mapping[str, object]) -> IssuerSpec | None:
    where = ("issuer", name)
    kind = section_of(context, where, table, ISSUERS, default=name if name in BUILT_IN else None)
    if kind is None:
        return None
    if kind == "acme":
        return IssuerSpec(name, kind, acme=_acme(context, where, table))
    section = ISSUERS[kind]
    values = context.read(where, table, section)
    values.pop("type", None)
    if kind == "private-ca":
        return IssuerSpec(name, kind, private_ca=PrivateCaOptions(**values))
    if kind == "command":
        return IssuerSpec(name, kind, command=CommandOptions(**values)) if "command" in values else None
    return IssuerSpec(name, kind)


def _acme(context: Context, where: Where, table: Mapping[str, object]) -> AcmeOptions | None:
    """Read the options of a CA that speaks ACME; None where they are too faulty to be made."""
    dns = table.get("dns")
    own = table.get(dns) if isinstance(dns, str) and dns not in ACME.keys else None
    values = context.read(where, {k: v for k, v in table.items() if own is None or k != dns}, ACME)
    values.pop("type", None)
    _terms(context, where, table)
    _challenge(context, where, table, values)
    if "dns" in values:
        values["dns_options"] = _dns_options(context, where, values["dns"], own)
    if ("eab_kid" in table) != ("eab_hmac_key_file" in table):
        missing = "eab_kid" if "eab_kid" not in table else "eab_hmac_key_file"
        words = "external account binding takes eab_kid and eab_hmac_key_file together"
        context.problems.add(where, f"{missing} is missing: {words} (RFC 8555 section 7.3.4)")
    return AcmeOptions(**values) if "directory" in values else None


def _terms(context: Context, where: Where, table: Mapping[str, object]) -> None:
    agreed = table.get("agree_tos", False)
    if agreed is False:
        state = "is false" if "agree_tos" in table else "is missing"
        context.problems.add(
            where,
            f"agree_tos {state}: a CA gives certificates only to those who accept its terms of service; "
            "read them, then write agree_tos = true",
        )


def _challenge(
    context: Context, where: Where, table: Mapping[str, object], values: Mapping[str, Any]
) -> None:
    """Check the keys that go with some challenges only."""
    if "challenge" in table and "challenge" not in values:
        return
    challenge = values.get("challenge", AcmeOptions("").challenge)
    for key, homes in (
        ("webroot", ("http-01",)),
        ("listen", ("http-01", "tls-alpn-01")),
        ("dns", ("dns-01",)),
    ):
        if key in table and challenge not in homes:
            home = " or ".join(f'"{one}"' for one in homes)
            words = f'goes with challenge = {home} only, and the challenge is "{challenge}"'
            context.problems.value(where, key, table[key], words)
    if "webroot" in table and "listen" in table:
        words = "webroot and listen exclude each other: either a web server answers, or certctl does"
        context.problems.add(where, words)
    if challenge == "dns-01" and "dns" not in table:
        words = (
            'dns is missing: challenge = "dns-01" needs it: "rfc2136", "command", or a dns-lexicon provider'
        )
        context.problems.add(where, words)


def _dns_options(context: Context, where: Where, dns: str, own: object) -> dict[str, object]:
    """Read [issuer.NAME.DNS]; for a provider of dns-lexicon whatever plain values are there."""
    if own is not None and not isinstance(own, dict):
        context.problems.add(where, f"{dns}: expected a table [{dotted((*where, dns))}]")
        return {}
    table: dict[str, object] = own or {}
    inner = (*where, dns)
    section = DNS_TABLES.get(dns)
    if section is not None:
        return {**DNS_DEFAULTS[dns], **context.read(inner, table, section)}
    values = context.read(inner, {key: table[key] for key in table if key in DNS_COMMON}, Section(DNS_COMMON))
    options = {**COMMON_DEFAULTS, **values}
    for key, value in table.items():
        if key in DNS_COMMON:
            continue
        if not isinstance(value, (str, int, float)):
            # Its value is not shown: it may be a secret.
            context.problems.add(inner, f"{quoted(key)}: dns-lexicon takes texts, numbers, true and false")
        elif key.endswith("_file") and isinstance(value, str) and value:
            options[key] = at(value, context.base)
        else:
            options[key] = value
    return options
