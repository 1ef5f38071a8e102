"""What was found, as text for certctl.toml: tables that load as they are, comments for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from certctl.onboarding import toml
from certctl.onboarding.tools.common import Lineage, Output, Renewal

SERVERS = ("postfix", "dovecot", "nginx", "haproxy", "exim")
"""Those with a ready-made hook."""
DNS_HOOK = "/etc/certctl/dns-hook"
"""Stands in a table for the program that an admin has to choose."""


class Issuer(NamedTuple):
    """One new ``[issuer.NAME]``; without *renewal* one whose requests a person carries."""

    name: str
    renewal: Renewal | None


class Certificate(NamedTuple):
    """One new ``[certificate.NAME]``."""

    name: str
    names: tuple[str, ...]
    issuer: str
    lineage: Lineage


def render(tool: str, path: str, issuers: Sequence[Issuer], certificates: Sequence[Certificate]) -> str:
    """The tables; empty where there is nothing to add."""
    if not certificates and not issuers:
        return ""
    blocks = [f"# {toml.plain(f'Taken over from {tool} ({path}) by certctl import.')}\n"]
    blocks += ["".join(_issuer(tool, issuer)) for issuer in issuers]
    home = "" if tool == "pem" else path.rstrip("/") + "/"
    blocks += ["".join(_certificate(tool, home, certificate)) for certificate in certificates]
    return "\n".join(blocks)


def _issuer(tool: str, issuer: Issuer) -> Iterator[str]:
    renewal = issuer.renewal
    if renewal is None:
        yield from toml.sentence(
            "Nothing on disk says who signs this. With type csr a person carries the requests: status says "
            "when one waits, certctl accept takes the answer. With an ACME CA nobody needs to: docs/acme.md."
        )
        yield toml.table("issuer", issuer.name)
        yield toml.setting("type", "csr")
        return
    for todo in renewal.todo:
        yield from toml.sentence(f"To do before the next renewal: {todo}")
    if renewal.binding:
        yield from toml.sentence(
            f"To do before an account is made anew: write {renewal.binding.key_at} into "
            f"{_binding_key(issuer)}, alone and with mode 0600. An account that comes along is bound already."
        )
    yield toml.table("issuer", issuer.name)
    yield toml.setting("type", "acme")
    yield toml.setting("directory", renewal.directory)
    if "@" in renewal.email:
        yield toml.setting("email", renewal.email)
    yield f"agree_tos = true  # as it was agreed to with {tool}\n"
    yield toml.setting("challenge", renewal.challenge)
    for name in ("webroot", "listen", "dns", "profile", "preferred_chain", "ca_file"):
        value = getattr(renewal, name)
        if value:
            yield toml.setting(name, value)
    if renewal.binding:
        yield toml.setting("eab_kid", renewal.binding.kid)
        yield toml.setting("eab_hmac_key_file", _binding_key(issuer))
        yield toml.setting("eab_algorithm", renewal.binding.algorithm)
    if renewal.dns_table:
        yield toml.table("issuer", issuer.name, renewal.dns)
        yield from (toml.setting(name, found) for name, found in renewal.dns_table)


def _binding_key(issuer: Issuer) -> str:
    return f"/etc/certctl/eab-{issuer.name}.key"


def _certificate(tool: str, home: str, certificate: Certificate) -> Iterator[str]:
    lineage = certificate.lineage
    for note in lineage.notes:
        yield from toml.sentence(f"Note: {note}")
    yield toml.table("certificate", certificate.name)
    yield toml.setting("names", certificate.names)
    yield toml.setting("issuer", certificate.issuer)
    yield toml.setting("keys", [pair.algorithm for pair in lineage.pairs])
    if lineage.hooks:
        yield f"# {tool} ran this after a renewal; certctl runs hooks instead, until they succeed:\n"
        for hook in lineage.hooks:
            yield f"#     {toml.plain(hook)}\n"
    yield from _files(home, certificate)


def _files(home: str, certificate: Certificate) -> Iterator[str]:
    """How servers get to the certificate, in comments: which files certctl may write is for people to say."""
    lineage = certificate.lineage
    server = _server(lineage)
    foreign = [output for output in lineage.outputs if not (home and output.path.startswith(home))]
    if lineage.outputs:
        read = " and ".join(output.path for output in lineage.outputs[:4])
        yield from toml.sentence(f"Servers read {read} now.")
    if foreign and len(lineage.pairs) == 1:
        yield "# To let certctl write these files, switch them on (take away the # before each line):\n"
        outputs = foreign
    else:
        yield "# To give them one file of certctl, switch it on (take away the # before each line):\n"
        directory = f"/etc/{server}/tls" if server else "/etc/certctl/tls"
        outputs = [Output(f"{directory}/{certificate.name}.pem", ("key", "cert", "chain"))]
    for output in outputs:
        yield f"#[[certificate.{toml.key(certificate.name)}.file]]\n"
        yield f"#path = {toml.value(output.path)}\n"
        yield f"#parts = {toml.value(output.parts)}\n"
        yield f'#mode = "{"0600" if "key" in output.parts else "0644"}"\n'
        yield f"#hooks = [{toml.value(server or 'postfix')}]" + (
            "\n" if server else f"  # or {', '.join(SERVERS[1:])}\n"
        )


def _server(lineage: Lineage) -> str:
    """The server that hooks and paths speak of; empty where they speak of none."""
    told = " ".join([*lineage.hooks, *(output.path for output in lineage.outputs)]).lower()
    return next((server for server in SERVERS if server in told), "")
