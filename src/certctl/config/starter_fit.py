"""What `certctl init` writes to fit servers: the files that they read, with hooks and probes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from certctl.config import starter_acme
from certctl.config.file import SYSTEM_DIRECTORY
from certctl.config.problems import quoted, show
from certctl.config.starter_acme import Ca
from certctl.config.starter_text import CLOCKS, HEADER, ISSUER, NETWORK, STATE_HERE, STATE_SYSTEM
from certctl.core.fit import Fit, FittedCertificate, FittedDh, FittedFile

_WHOLE = 4096
"""Longer than any name or path: what is written is not shortened as messages are."""
_WIDTH = 108


def render(fit: Fit, directory: str, ca: Ca | None = None) -> str:
    """Give the text of DIRECTORY/certctl.toml that does what *fit* says; with a table for *ca*."""
    system = os.path.abspath(directory) == SYSTEM_DIRECTORY
    blocks = [HEADER, STATE_SYSTEM if system else STATE_HERE, NETWORK, _found(fit)]
    blocks.append(starter_acme.table(ca) if ca else ISSUER)
    if fit.issuers:
        blocks.append(fit.issuers)
    for certificate in fit.certificates:
        blocks.append("".join(_certificate(certificate)))
        blocks += ["".join(_file(certificate, file)) for file in certificate.files]
    blocks += ["".join(_dhparam(dhparam)) for dhparam in fit.dhparams]
    for hook in fit.hooks:
        blocks.append(f"[hook.{quoted(hook.name, _WHOLE)}]\ncommand = {_listed(hook.command)}\n")
    return "\n".join(blocks)


def directories(fit: Fit, directory: str) -> list[tuple[str, int]]:
    """Give the directories that the files need, and their modes; some may be there."""
    paths = [file.path for certificate in fit.certificates for file in certificate.files]
    paths += [dhparam.path for dhparam in fit.dhparams]
    needed = dict.fromkeys([os.path.abspath(directory), *(os.path.dirname(path) for path in paths)])
    return [(path, 0o755) for path in needed]


def _found(fit: Fit) -> str:
    lines = [f"Found here: {', '.join(fit.servers)}. The tables below fit what they read."]
    lines += [f"Left out: {one.subject}: {one.message}." for one in fit.skipped]
    return "".join(line for text in lines for line in _sentence(text))


def _certificate(certificate: FittedCertificate) -> Iterator[str]:
    if certificate.taken_over:
        what = " and ".join(f"{algorithm} key {sha256}" for algorithm, sha256 in certificate.taken_over)
        yield from _sentence(f"Taken over, so that pins stay right: {what}.")
    for note in certificate.notes:
        yield from _sentence(note)
    yield f"[certificate.{quoted(certificate.name, _WHOLE)}]\n"
    yield f"names = {_listed(certificate.names)}\n"
    yield f"issuer = {show(certificate.issuer, _WHOLE)}\n"
    yield f"keys = {_listed(certificate.keys)}\n"
    yield CLOCKS
    yield from _pin(certificate)
    yield from _probes(certificate)


def _pin(certificate: FittedCertificate) -> Iterator[str]:
    if certificate.pin == "certificate":
        yield from _sentence(
            "Peers may hold the fingerprint of this certificate itself, so each renewal is announced, "
            'and held for hold_down. If all of them hold that of its key, write pin = "key": '
            "renewals keep the key."
        )
        yield 'pin = "certificate"\n'
    elif certificate.pin == "key":
        yield 'pin = "key"                         # what peers hold: renewals keep it; or "certificate"\n'
    else:
        yield '#pin = "certificate"                # where peers pin the certificate, and not its key\n'


def _probes(certificate: FittedCertificate) -> Iterator[str]:
    if not certificate.probes and not certificate.later:
        return
    yield "# After each change certctl looks at what is served here, and else takes the change back.\n"
    if certificate.later:
        yield "# Take away the # before a line once its server uses the files below.\n"
    yield "probe = [\n"
    for url in certificate.probes:
        yield f"  {show(url, _WHOLE)},\n"
    for url in certificate.later:
        yield f"  #{show(url, _WHOLE)},\n"
    yield "]\n"


def _file(certificate: FittedCertificate, file: FittedFile) -> Iterator[str]:
    told = list(dict.fromkeys(reader for reader, _ in file.lines))
    reading = [reader for reader in file.readers if reader not in told]
    if reading:
        yield from _sentence(f"Read by {' and '.join(reading)}.")
    for reader in told:
        yield from _sentence(f"To make {reader} use it, once it is there:")
        for line in (line for one, line in file.lines if one == reader):
            yield f"#     {_plain(line)}\n"
    yield f"[[certificate.{quoted(certificate.name, _WHOLE)}.file]]\n"
    yield f"path = {show(file.path, _WHOLE)}\n"
    yield f"parts = {_listed(file.parts)}\n"
    if file.algorithm is not None:
        yield f"algorithm = {show(file.algorithm)}\n"
    yield f'mode = "{file.mode:04o}"\n'
    if file.owner is not None:
        yield f"owner = {show(file.owner, _WHOLE)}\n"
    if file.group is not None:
        yield f"group = {show(file.group, _WHOLE)}\n"
    yield f"hooks = {_listed(file.hooks)}\n"


def _dhparam(dhparam: FittedDh) -> Iterator[str]:
    yield "# Diffie-Hellman parameters, since a server reads this file; TLS 1.3 needs none.\n"
    yield f"[dhparam.{quoted(dhparam.name)}]\n"
    yield f"path = {show(dhparam.path, _WHOLE)}\n"
    yield f"bits = {dhparam.bits}\n"
    yield f"source = {show(dhparam.source)}\n"
    yield 'rotate_every = "365d"\n'
    yield f"hooks = {_listed(dhparam.hooks)}\n"


def _sentence(text: str) -> Iterator[str]:
    """Comment lines of a bearable width."""
    line = "#"
    for word in _plain(text).split():
        if len(line) + len(word) >= _WIDTH and line != "#":
            yield f"{line}\n"
            line = "#  "
        line = f"{line} {word}"
    yield f"{line}\n"


def _plain(text: str) -> str:
    """One line, whatever a configuration held."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _listed(words: Iterable[str]) -> str:
    return "[" + ", ".join(show(word, _WHOLE) for word in words) + "]"
