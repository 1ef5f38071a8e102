"""Keys and certificates in files: do they belong together, in order, whole, and for no one else's eyes?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from certctl.doctor.chain import Scene, check_chain
from certctl.doctor.finding import Finding, Used
from certctl.doctor.key_place import check_place
from certctl.errors import CertctlError, EncryptedKeyError
from certctl.servers.files import Content, read
from certctl.x509 import pem
from certctl.x509.certificate import load
from certctl.x509.keys import key_facts

Findings = Iterator[Finding | Used]


class _Part(NamedTuple):
    path: str
    block: pem.Block

    @property
    def is_key(self) -> bool:
        return self.block.label.endswith("PRIVATE KEY")

    @property
    def is_certificate(self) -> bool:
        return self.block.label in pem.CERTIFICATE_LABELS


def check_chain_files(scene: Scene, paths: Sequence[str]) -> Findings:
    """Check files in the form of smtpd_tls_chain_files: each key, its certificate, that one's issuers."""
    parts, findings = _read(scene, paths)
    yield from findings
    if not parts and (findings or not paths):
        return
    keys = [number for number, part in enumerate(parts) if part.is_key]
    if not keys:
        yield scene.place.error(
            "key-missing",
            f"{_list(paths)}: there is no private key",
            f"put the key first: {_bundle(paths[-1])}",
        )
        return
    if keys[0] > 0:
        yield scene.place.error(
            "key-not-first",
            f"{parts[0].path} does not begin with the private key, so nothing of it is used",
            f"put the key first, then its certificate, then the intermediates: {_bundle(parts[0].path)}",
        )
        # Look at the rest as it is meant.
        parts = [parts[keys[0]], *parts[: keys[0]], *parts[keys[0] + 1 :]]
    starts = [number for number, part in enumerate(parts) if part.is_key]
    algorithms: list[str] = []
    for start, end in zip(starts, [*starts[1:], len(parts)], strict=True):
        yield from _check_group(scene, parts[start], parts[start + 1 : end], algorithms)


def check_pair(scene: Scene, certificate_path: str, key_path: str) -> Findings:
    """Check a file with a certificate and its issuers, and the file (maybe the same) with its key."""
    parts, findings = _read(scene, dict.fromkeys([certificate_path, key_path]))
    yield from findings
    certificates = [part for part in parts if part.is_certificate and part.path == certificate_path]
    key = next((part for part in parts if part.is_key and part.path == key_path), None)
    read_paths = {part.path for part in parts}
    if not certificates and certificate_path in read_paths:
        yield scene.place.error(
            "certificate-missing", f"{certificate_path}: there is no certificate", "put the certificate there"
        )
    if key is None and key_path in read_paths:
        yield scene.place.error(
            "key-missing", f"{key_path}: there is no private key", f"put the key of {certificate_path} there"
        )
    if certificates and key is not None:
        yield from _check_group(scene, key, certificates, [])


def _read(scene: Scene, paths: Sequence[str] | dict[str, None]) -> tuple[list[_Part], list[Finding]]:
    """Return the keys and certificates of *paths* in order, and what keeps some from being read."""
    parts: list[_Part] = []
    findings: list[Finding] = []
    for path in paths:
        content = read(path)
        if not isinstance(content, Content):
            fix = f"certctl run, or name the right file; then {scene.reload}"
            if content.kind == "unreadable":
                fix = f"run certctl doctor as root, or see ls -l {path}"
            findings.append(scene.place.error(f"file-{content.kind}", content.message, fix))
            continue
        try:
            blocks = pem.blocks(content.data)
        except CertctlError as error:
            findings.append(
                scene.place.error("pem-broken", f"{path}: {error.message}", f"write it anew: {_bundle(path)}")
            )
            continue
        found = [
            part for part in (_Part(path, block) for block in blocks) if part.is_key or part.is_certificate
        ]
        if not found:
            message = f"{path} holds {pem.quote(content.data)}, no key and no certificate"
            findings.append(scene.place.error("pem-empty", message, f"write it anew: {_bundle(path)}"))
        if any(part.is_key for part in found):
            findings += check_place(scene.place, content)
        parts += found
    return parts, findings


def _check_group(scene: Scene, key_part: _Part, rest: Sequence[_Part], algorithms: list[str]) -> Findings:
    """Check one key with what follows it; *algorithms* are those of the keys before, and get this one's."""
    path = key_part.path
    try:
        key = key_facts(key_part.block.text)
    except CertctlError as error:
        kind = "key-encrypted" if isinstance(error, EncryptedKeyError) else "key-broken"
        fix = error.hint or f"write it anew: {_bundle(path)}"
        yield scene.place.error(kind, f"{path}, line {key_part.block.line}: {error.message}", fix)
        return
    family = key.algorithm.partition("-")[0]
    if family in algorithms:
        # SSL_CTX_use_cert_and_key() does not replace what is there already.
        yield scene.place.error(
            "same-algorithm",
            f"{path}: this is the second {family} key, and with two of one algorithm none is served",
            f"leave one {family} key in the list",
        )
    algorithms.append(family)
    if family == "rsa" and int(key.algorithm.partition("-")[2]) < 2048:
        yield scene.place.warning(
            "key-small",
            f"{path}: {key.algorithm} can be broken",
            'keys = ["ecdsa-p256", "rsa-2048"] in certctl.toml; every pin changes: peers find the next ones '
            "by certctl fingerprints NAME, before they are served",
            path,
        )
    if not rest:
        yield scene.place.error(
            "certificate-missing", f"{path}: no certificate follows the key", f"append it: {_bundle(path)}"
        )
        return
    try:
        certificates = [load(part.block.text) for part in rest]
    except CertctlError as error:
        yield scene.place.error(
            "pem-broken", f"{rest[0].path}: {error.message}", f"write it anew: {_bundle(path)}"
        )
        return
    leaf = next((one for one in certificates if one.key_sha256 == key.key.sha256), None)
    if leaf is None:
        where = path if rest[0].path == path else f"{path} and {rest[0].path}"
        yield scene.place.error(
            "key-mismatch",
            f"{where}: key and certificate differ (the certificate is of {certificates[0].label})",
            f"put the key's own certificate there: certctl run writes both in one file; then {scene.reload}",
        )
        return
    yield from check_chain(scene, rest[0].path, leaf, certificates)


def _bundle(path: str) -> str:
    return f"(umask 077; cat key.pem cert.pem chain.pem >{path}.new && mv {path}.new {path})"


def _list(paths: Sequence[str]) -> str:
    return " ".join(paths)
