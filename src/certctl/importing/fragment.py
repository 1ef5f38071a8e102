"""What was found, as text for certctl.toml: tables that load as they are, comments for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from certctl.importing.common import Lineage, Output, Renewal

SERVERS = ("postfix", "dovecot", "nginx", "haproxy", "exim")
"""Those with a ready-made hook."""
DNS_HOOK = "/etc/certctl/dns-hook"
"""Stands in a table for the program that an admin has to choose."""
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_NAMED = {
    "https://acme-v02.api.letsencrypt.org/directory": "letsencrypt",
    "https://acme-staging-v02.api.letsencrypt.org/directory": "letsencrypt-staging",
    "https://acme.zerossl.com/v2/DV90": "zerossl",
    "https://dv.acme-v02.api.pki.goog/directory": "google",
    "https://api.buypass.com/acme/directory": "buypass",
}


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


def issuer_name(directory: str) -> str:
    """A name for the issuer at an ACME *directory*: letsencrypt, or its host."""
    host = urlsplit(directory).hostname or "acme"
    return _NAMED.get(directory) or "".join(c if c in _BARE else "-" for c in host)


def render(tool: str, path: str, issuers: Sequence[Issuer], certificates: Sequence[Certificate]) -> str:
    """The tables; empty where there is nothing to add."""
    if not certificates and not issuers:
        return ""
    blocks = [f"{comment(f'Taken over from {tool} ({path}) by certctl import.')}\n"]
    blocks += ["".join(_issuer(tool, issuer)) for issuer in issuers]
    home = "" if tool == "pem" else path.rstrip("/") + "/"
    blocks += ["".join(_certificate(tool, home, certificate)) for certificate in certificates]
    return "\n".join(blocks)


def _issuer(tool: str, issuer: Issuer) -> Iterator[str]:
    renewal = issuer.renewal
    if renewal is None:
        yield from _wrapped(
            "Nothing on disk says who signs this. With type csr a person carries the requests: status says "
            "when one waits, certctl accept takes the answer. With an ACME CA nobody needs to: docs/acme.md."
        )
        yield f"[issuer.{key(issuer.name)}]\n"
        yield 'type = "csr"\n'
        return
    for todo in renewal.todo:
        yield from _wrapped(f"To do before the next renewal: {todo}")
    if renewal.binding:
        yield from _wrapped(
            f"To do before an account is made anew: write {renewal.binding.key_at} into "
            f"{_binding_key(issuer)}, alone and with mode 0600. An account that comes along is bound already."
        )
    yield f"[issuer.{key(issuer.name)}]\n"
    yield 'type = "acme"\n'
    yield f"directory = {text(renewal.directory)}\n"
    if "@" in renewal.email:
        yield f"email = {text(renewal.email)}\n"
    yield f"agree_tos = true  # as it was agreed to with {tool}\n"
    yield f"challenge = {text(renewal.challenge)}\n"
    for name in ("webroot", "listen", "dns", "profile", "preferred_chain", "ca_file"):
        value = getattr(renewal, name)
        if value:
            yield f"{name} = {text(value)}\n"
    if renewal.binding:
        yield f"eab_kid = {text(renewal.binding.kid)}\n"
        yield f"eab_hmac_key_file = {text(_binding_key(issuer))}\n"
        yield f"eab_algorithm = {text(renewal.binding.algorithm)}\n"
    if renewal.dns_table:
        yield f"[issuer.{key(issuer.name)}.{key(renewal.dns)}]\n"
        for name, found in renewal.dns_table:
            yield f"{name} = {text(found) if isinstance(found, str) else _list(found)}\n"


def _binding_key(issuer: Issuer) -> str:
    return f"/etc/certctl/eab-{issuer.name}.key"


def _certificate(tool: str, home: str, certificate: Certificate) -> Iterator[str]:
    lineage = certificate.lineage
    for note in lineage.notes:
        yield from _wrapped(f"Note: {note}")
    yield f"[certificate.{key(certificate.name)}]\n"
    yield f"names = {_list(certificate.names)}\n"
    yield f"issuer = {text(certificate.issuer)}\n"
    yield f"keys = {_list(pair.algorithm for pair in lineage.pairs)}\n"
    if lineage.hooks:
        yield f"# {tool} ran this after a renewal; certctl runs hooks instead, until they succeed:\n"
        for hook in lineage.hooks:
            yield f"{comment('    ' + hook)}\n"
    yield from _files(home, certificate)


def _files(home: str, certificate: Certificate) -> Iterator[str]:
    """How servers get to the certificate, in comments: which files certctl may write is for people to say."""
    lineage = certificate.lineage
    server = _server(lineage)
    foreign = [output for output in lineage.outputs if not (home and output.path.startswith(home))]
    if lineage.outputs:
        read = " and ".join(output.path for output in lineage.outputs[:4])
        yield from _wrapped(f"Servers read {read} now.")
    if foreign and len(lineage.pairs) == 1:
        yield "# To let certctl write these files, switch them on (take away the # before each line):\n"
        outputs = foreign
    else:
        yield "# To give them one file of certctl, switch it on (take away the # before each line):\n"
        directory = f"/etc/{server}/tls" if server else "/etc/certctl/tls"
        outputs = [Output(f"{directory}/{certificate.name}.pem", ("key", "cert", "chain"))]
    for output in outputs:
        yield f"#[[certificate.{key(certificate.name)}.file]]\n"
        yield f"#path = {text(output.path)}\n"
        yield f"#parts = {_list(output.parts)}\n"
        yield f'#mode = "{"0600" if "key" in output.parts else "0644"}"\n'
        yield f"#hooks = [{text(server or 'postfix')}]" + (
            "\n" if server else f"  # or {', '.join(SERVERS[1:])}\n"
        )


def _server(lineage: Lineage) -> str:
    """The server that hooks and paths speak of; empty where they speak of none."""
    told = " ".join([*lineage.hooks, *(output.path for output in lineage.outputs)]).lower()
    return next((server for server in SERVERS if server in told), "")


def text(value: str) -> str:
    """A TOML basic string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def key(name: str) -> str:
    """A TOML key, quoted where it must be."""
    return name if name and _BARE.issuperset(name) else text(name)


def comment(line: str) -> str:
    """One line of comment, whatever is in *line*."""
    return "# " + "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def _wrapped(sentence: str, width: int = 108) -> Iterator[str]:
    line = ""
    for word in sentence.split():
        if line and len(line) + len(word) + 1 > width:
            yield f"{comment(line)}\n"
            line = "  "
        line = f"{line} {word}" if line.strip() else line + word
    if line.strip():
        yield f"{comment(line)}\n"


def _list(values: object) -> str:
    assert isinstance(values, Iterable)
    return "[" + ", ".join(text(str(value)) for value in values) + "]"
