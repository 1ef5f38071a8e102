"""What a Dovecot serves: its own certificate, and those of local_name, local and protocol blocks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from certctl.errors import CertctlError
from certctl.onboarding.setups.setup import Hook, Setup, Use, unique, url
from certctl.servers.dovecot import PAIRS, Dovecot, file_of, read_dovecot
from certctl.servers.dovecot_form import Block
from certctl.servers.files import read_text
from certctl.servers.program import ask

_LISTENERS = (
    ("imap", "imap-login", "imap", "imap", 143),
    ("imap", "imap-login", "imaps", "imaps", 993),
    ("pop3", "pop3-login", "pop3", "pop3", 110),
    ("pop3", "pop3-login", "pop3s", "pop3s", 995),
    ("submission", "submission-login", "submission", "smtp", 587),
    ("submission", "submission-login", "submissions", "smtps", 465),
)
"""Those that are there unless a configuration says otherwise: protocol, service, listener, scheme, port."""
_STARTTLS = {"imap": "imap", "pop3": "pop3", "submission": "smtp", "lmtp": "lmtp"}
_DIRECT = {"imap": "imaps", "pop3": "pop3s", "submission": "smtps"}


def dovecot_setup(path: str, hook: Hook) -> Setup:
    """Look at the configuration *path*. Raises CertctlError if it cannot be read, or doveconf refuses it."""
    answer = ask(["doveconf", "-n", "-c", path]) if os.path.exists(path) else None
    if answer is not None and answer.status != 0:
        raise CertctlError(answer.complaint.removeprefix("doveconf: "), hint=f"doveconf -n -c {path}")
    dovecot = read_dovecot(path)
    dh = file_of(dovecot.get("ssl_server_dh_file", "ssl_dh"))
    return Setup(
        "dovecot",
        "Dovecot",
        path,
        hook,
        f"{os.path.dirname(path)}/tls",
        dovecot.reload,
        tuple(_uses(dovecot)),
        (dh,) if dh else (),
    )


def _uses(dovecot: Dovecot) -> Iterator[Use]:
    probes = unique(_probes(dovecot))
    off = dovecot.get("ssl") == "no"
    yield Use(
        f"Dovecot ({dovecot.path})",
        _files(dovecot.root, dovecot.root),
        (),
        probes,
        (_typed(dovecot, _settings(dovecot)),),
        (_typed(dovecot, ["ssl = yes"]),) if off else (),
        of_host=True,
    )
    for block in dovecot.root.below():
        files = _files(block, dovecot.root) if block is not dovecot.root else ()
        if files:
            by_name = block.name == "local_name"
            yield Use(
                f"Dovecot ({dovecot.path}, {block.title})",
                files,
                tuple(block.argument.split()) if by_name else (),
                probes if by_name and not off else (),
                tuple(f"# in {dovecot.path}, {block.title}: {line}" for line in _settings(dovecot)),
            )


def _files(block: Block, root: Block) -> tuple[str, ...]:
    found: list[str] = []
    for certificate_name, key_name in PAIRS:
        certificate = file_of(block.settings.get(certificate_name, ""))
        key = file_of(block.settings.get(key_name) or root.settings.get(key_name, ""))
        if certificate:
            found += [key or certificate, certificate]
    return unique(found)


def _settings(dovecot: Dovecot) -> list[str]:
    if dovecot.version >= (2, 4):
        return ["ssl_server_cert_file = {bundle}", "ssl_server_key_file = {bundle}"]
    return ["ssl_cert = <{bundle}", "ssl_key = <{bundle}"]


def _typed(dovecot: Dovecot, settings: list[str]) -> str:
    """A command that adds *settings*: of several the last counts, and conf.d is read in order of names."""
    included = re.search(r"^\s*!include(?:_try)?\s+conf\.d/\*\.conf\s*$", read_text(dovecot.path) or "", re.M)
    place = f"{os.path.dirname(dovecot.path)}/conf.d/99-certctl.conf" if included else dovecot.path
    return f"printf '%s\\n' {' '.join(repr(line) for line in settings)} >>{place}"


def _probes(dovecot: Dovecot) -> Iterator[str]:
    protocols = _protocols(dovecot)
    listen = re.split(r"[,\s]+", dovecot.get("listen") or "*")[0]
    listeners = {(service, name): block for service, name, block in _configured(dovecot)}
    for protocol, service, name, scheme, port in _LISTENERS:
        found = listeners.pop((service, name), None)
        if protocol in protocols:
            yield from _probe(found, scheme, listen, port)
    for (service, _), block in listeners.items():
        protocol = service.removesuffix("-login")
        schemes = _DIRECT if block.settings.get("ssl") == "yes" else _STARTTLS
        if protocol in protocols and protocol in schemes:
            yield from _probe(block, schemes[protocol], listen, 0)


def _configured(dovecot: Dovecot) -> Iterator[tuple[str, str, Block]]:
    for service in dovecot.root.blocks:
        if service.name == "service":
            for block in service.blocks:
                if block.name == "inet_listener":
                    yield service.argument, block.argument, block


def _probe(block: Block | None, scheme: str, listen: str, port: int) -> Iterator[str]:
    settings = block.settings if block is not None else {}
    text = settings.get("port", str(port))
    host = re.split(r"[,\s]+", settings.get("address") or settings.get("listen") or listen)[0]
    if text.isdigit() and text != "0":
        yield url(scheme, host.strip("[]"), int(text))


def _protocols(dovecot: Dovecot) -> set[str]:
    """Those that are on: a list, since 2.4 also a block of switches (which doveconf prints)."""
    switches = [block for block in dovecot.root.blocks if block.name == "protocols"]
    if switches:
        return {name for block in switches for name, value in block.settings.items() if value == "yes"}
    said = dovecot.get("protocols")
    if not said:
        answer = ask(["doveconf", "-h", "-c", dovecot.path, "protocols"])
        said = answer.output if answer is not None and answer.status == 0 else "imap pop3 lmtp"
    return set(said.replace(",", " ").split())
