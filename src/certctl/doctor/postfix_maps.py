"""Tables of a Postfix that have to do with TLS: are they built, of today, of the right kind, and closed?"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from certctl.doctor.access_table import check_access
from certctl.doctor.chain import Scene
from certctl.doctor.finding import Finding, Place
from certctl.doctor.pem_files import Findings, check_chain_files
from certctl.doctor.policy_attributes import Rules
from certctl.doctor.policy_key import check_used_forms
from certctl.doctor.policy_table import check_policy
from certctl.servers.files import Content, read, read_text
from certctl.servers.map_source import Line, Table, source_lines, tables
from certctl.servers.postfix import Postfix
from certctl.servers.postfix_parse import split_words

_BEGIN_PEM_BASE64 = b"LS0tLS1CRUdJTi"
"""How the base64 of "-----BEGIN" begins, which is what postmap -F keeps."""
_CCERT = re.compile(r"check_ccert_access[\s,]+([a-z]+:[^\s,{}]+)")


def check_maps(postfix: Postfix, scene: Scene) -> Findings:
    """Check the policy tables, the tables of client certificates, and the SNI tables."""
    for client in ("smtp", "lmtp"):
        yield from _check_policy_maps(postfix, client)
    yield from _check_client_maps(postfix)
    for table in tables(postfix.get("tls_server_sni_maps")):
        if isinstance(table, Table):
            yield from _check_sni(postfix, scene, table)


def _check_policy_maps(postfix: Postfix, client: str) -> Iterator[Finding]:
    rules = Rules(
        digest=postfix.get(f"{client}_tls_fingerprint_digest").lower(),
        default_pins=postfix.get(f"{client}_tls_fingerprint_cert_match"),
        dnssec=postfix.get("smtp_dns_support_level") == "dnssec",
        version=postfix.version,
    )
    keys: list[str] = []
    for table in tables(postfix.get(f"{client}_tls_policy_maps")):
        if isinstance(table, Table):
            yield from _check_built(postfix, table)
        lines = _lines(table)
        name = str(table) if isinstance(table, Table) else "inline table"
        yield from check_policy(Place(f"postfix {name}", "postfix"), lines, rules)
        keys += [line.key for line in lines]
    if keys and client == "smtp":
        place = Place(f"postfix {postfix.get('smtp_tls_policy_maps')}", "postfix")
        yield from check_used_forms(place, keys, _next_hops(postfix))


def _next_hops(postfix: Postfix) -> list[str]:
    """Return the next-hops that main.cf and the transport maps name."""
    values = [f"smtp:{postfix.get('relayhost')}", postfix.get("default_transport")]
    for name in ("transport_maps", "sender_dependent_relayhost_maps"):
        prefix = "smtp:" if name.startswith("sender") else ""
        for table in tables(postfix.get(name), postfix.get("default_database_type")):
            values += [prefix + line.value for line in _lines(table)]
    found = (value.partition(":") for value in values)
    return [hop.strip() for transport, _, hop in found if hop.strip() and transport in ("smtp", "relay", "")]


def _check_client_maps(postfix: Postfix) -> Iterator[Finding]:
    """relay_clientcerts, and check_ccert_access in the smtpd restrictions."""
    digest = postfix.get("smtpd_tls_fingerprint_digest").lower()
    named = [postfix.get("relay_clientcerts")]
    named += [
        match
        for name, value in postfix.explicit.items()
        if name.startswith("smtpd_") and name.endswith("_restrictions")
        for match in _CCERT.findall(value)
    ]
    seen = set()
    for table in tables(" ".join(named)):
        if table not in seen:
            seen.add(table)
            if isinstance(table, Table):
                yield from _check_built(postfix, table)
            name = str(table) if isinstance(table, Table) else "inline table"
            yield from check_access(Place(f"postfix {name}", "postfix"), _lines(table), digest)


def _lines(table: Table | tuple[Line, ...]) -> list[Line]:
    if not isinstance(table, Table):
        return list(table)
    text = read_text(table.path) if table.has_source else None
    return list(source_lines(text)) if text is not None else []


def _check_built(postfix: Postfix, table: Table, flag: str = "") -> Iterator[Finding]:
    """Check that a table's source and index are there, and that the index is not the older one."""
    place = Place(f"postfix {table}", "postfix")
    build = f"postmap {flag}{table}"
    if postfix.map_types is not None and table.type not in postfix.map_types:
        yield place.error(
            "map-type",
            f"this Postfix knows no {table.type} tables (postconf -m), so each lookup fails",
            f"use {postfix.get('default_database_type')}:, or install the package postfix-{table.type}",
        )
        return
    if not table.has_source:
        return
    source = read(table.path)
    if not isinstance(source, Content):
        yield place.error(f"map-{source.kind}", source.message, f"write it, then {build}")
        return
    if not table.built:
        return
    try:
        built_at = os.stat(table.built).st_mtime
    except FileNotFoundError:
        yield place.error("map-not-built", f"{table.built} does not exist, so each lookup fails", build)
        return
    if built_at < os.stat(table.path).st_mtime:
        yield place.warning(
            "map-old", f"{table.built} is older than {table.path}: what was changed does not count", build
        )


def _check_sni(postfix: Postfix, scene: Scene, table: Table) -> Findings:
    place = Place(f"postfix {table}", "postfix")
    build = f"postmap -F {table}"
    yield from _check_built(postfix, table, "-F ")
    index = read(table.built) if table.built else None
    lines = _lines(table)
    if isinstance(index, Content):
        yield from _check_sni_index(place, index, build)
        files = [path for line in lines for path in _paths(line) if os.path.exists(path)]
        newest = max((os.stat(path).st_mtime for path in files), default=0.0)
        if newest > os.stat(table.built).st_mtime:
            yield place.warning(
                "sni-old",
                f"{table.built} holds copies of PEM files and is older than they are: the old are served",
                f"{build}; {postfix.reload}; with certctl: a [watch] with the hook postmap",
            )
    for line in lines:
        here = Place(f"postfix {table} line {line.number}", "postfix")
        yield from check_chain_files(scene._replace(place=here), _paths(line))


def _check_sni_index(place: Place, index: Content, build: str) -> Iterator[Finding]:
    if _BEGIN_PEM_BASE64 not in index.data:
        yield place.error(
            "sni-not-f",
            f"{index.path} was built without -F: it holds names of files where the keys should be",
            build,
        )
    elif index.mode & 0o007:
        yield place.error(
            "sni-world-readable",
            f"{index.path} holds private keys, and everybody here may read it (mode {index.mode:04o})",
            f"chmod o-rwx {index.path} {index.path.rpartition('.')[0]}",
        )


def _paths(line: Line) -> list[str]:
    return split_words(line.value, ", \t\r\n")
