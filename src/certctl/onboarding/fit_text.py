"""What `certctl init` writes to fit servers: the files that they read, with hooks and probes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from certctl.config.file import SYSTEM_DIRECTORY
from certctl.onboarding import toml
from certctl.onboarding.ca import Ca, table
from certctl.onboarding.fit import Fit, FittedCertificate, FittedDh, FittedFile
from certctl.onboarding.starter_text import CLOCKS, HEADER, ISSUER, NETWORK, STATE_HERE, STATE_SYSTEM


def render(fit: Fit, directory: str, ca: Ca | None = None) -> str:
    """Give the text of DIRECTORY/certctl.toml that does what *fit* says; with a table for *ca*."""
    system = os.path.abspath(directory) == SYSTEM_DIRECTORY
    blocks = [HEADER, STATE_SYSTEM if system else STATE_HERE, NETWORK, _found(fit)]
    blocks.append(table(ca) if ca else ISSUER)
    if fit.issuers:
        blocks.append(fit.issuers)
    for certificate in fit.certificates:
        blocks.append("".join(_certificate(certificate)))
        blocks += ["".join(_file(certificate, file)) for file in certificate.files]
    blocks += ["".join(_dhparam(dhparam)) for dhparam in fit.dhparams]
    for hook in fit.hooks:
        blocks.append(toml.table("hook", hook.name) + toml.setting("command", hook.command))
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
    return "".join(line for text in lines for line in toml.sentence(text))


def _certificate(certificate: FittedCertificate) -> Iterator[str]:
    if certificate.taken_over:
        what = " and ".join(f"{algorithm} key {sha256}" for algorithm, sha256 in certificate.taken_over)
        yield from toml.sentence(f"Taken over, so that pins stay right: {what}.")
    for note in certificate.notes:
        yield from toml.sentence(note)
    yield toml.table("certificate", certificate.name)
    yield toml.setting("names", certificate.names)
    yield toml.setting("issuer", certificate.issuer)
    yield toml.setting("keys", certificate.keys)
    yield CLOCKS
    yield from _pin(certificate)
    yield from _probes(certificate)


def _pin(certificate: FittedCertificate) -> Iterator[str]:
    if certificate.pin == "certificate":
        yield from toml.sentence(
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
        yield f"  {toml.value(url)},\n"
    for url in certificate.later:
        yield f"  #{toml.value(url)},\n"
    yield "]\n"


def _file(certificate: FittedCertificate, file: FittedFile) -> Iterator[str]:
    told = list(dict.fromkeys(reader for reader, _ in file.lines))
    reading = [reader for reader in file.readers if reader not in told]
    if reading:
        yield from toml.sentence(f"Read by {' and '.join(reading)}.")
    for reader in told:
        yield from toml.sentence(f"To make {reader} use it, once it is there:")
        for line in (line for one, line in file.lines if one == reader):
            yield f"#     {toml.plain(line)}\n"
    yield f"[{toml.table('certificate', certificate.name, 'file').strip()}]\n"
    yield toml.setting("path", file.path)
    yield toml.setting("parts", file.parts)
    if file.algorithm is not None:
        yield toml.setting("algorithm", file.algorithm)
    yield f'mode = "{file.mode:04o}"\n'
    if file.owner is not None:
        yield toml.setting("owner", file.owner)
    if file.group is not None:
        yield toml.setting("group", file.group)
    yield toml.setting("hooks", file.hooks)


def _dhparam(dhparam: FittedDh) -> Iterator[str]:
    yield "# Diffie-Hellman parameters, since a server reads this file; TLS 1.3 needs none.\n"
    yield toml.table("dhparam", dhparam.name)
    yield toml.setting("path", dhparam.path)
    yield toml.setting("bits", dhparam.bits)
    yield toml.setting("source", dhparam.source)
    yield 'rotate_every = "365d"\n'
    yield toml.setting("hooks", dhparam.hooks)
