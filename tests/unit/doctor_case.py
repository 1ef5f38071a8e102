"""The corpus of configurations: each directory of doctor_corpus, put up with keys, certificates and tables.

A case is a directory with the files of a server, in which @DIR@ stands for where they are put, and case.toml:

    about = "what an administrator did"
    findings = ["error postfix-key-mismatch", …]      # severity and check, all of them
    [file]                                            # made at test time
    "mx.pem" = "a.key + b.cert + b.chain"             # parts that are joined, see `_parts`
    [mode]
    "mx.pem" = "0644"
    [index]                                           # what postmap would have built
    "policy.db" = "new" | "old" | "new keys" | "new names"
"""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from certctl.doctor.run import Target
from certctl.x509 import pem
from tests.unit.probe_server import OAKLEY_2
from tests.unit.x509_make import DAY, NOW, Made, make

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "doctor_corpus")
_MAIN_FILES = {
    "main.cf": "postfix",
    "dovecot.conf": "dovecot",
    "nginx.conf": "nginx",
    "haproxy.cfg": "haproxy",
    "exim.conf": "exim",
}


class Case(NamedTuple):
    """One configuration, put up in *directory*."""

    directory: str
    targets: list[Target]
    findings: list[str]


def names() -> list[str]:
    """The names of all cases."""
    return sorted(os.listdir(CORPUS))


def put_up(name: str, directory: str, *, ask: bool = False) -> Case:
    """Copy the case *name* to *directory* and make what it lacks; *ask* postconf and doveconf, or not."""
    source = os.path.join(CORPUS, name)
    with open(os.path.join(source, "case.toml"), "rb") as file:
        case: dict[str, Any] = tomllib.load(file)
    shutil.copytree(source, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("case.toml"))
    for top, _, files in os.walk(directory):
        for each in files:
            _fill(os.path.join(top, each), directory)
    for path, recipe in case.get("file", {}).items():
        data = b"".join(_parts()[part.strip()] for part in recipe.split("+"))
        _write(os.path.join(directory, path), data)
    for path, kind in case.get("index", {}).items():
        _index(os.path.join(directory, path), kind)
    for path, mode in case.get("mode", {}).items():
        os.chmod(os.path.join(directory, path), int(mode, 8))
    targets = [
        Target(kind, directory if kind == "postfix" else os.path.join(directory, main), ask)
        for main, kind in _MAIN_FILES.items()
        if os.path.exists(os.path.join(directory, main))
    ]
    assert targets, f"{name} has no configuration"
    return Case(directory, targets, sorted(case["findings"]))


def _fill(path: str, directory: str) -> None:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("@DIR@", directory))
    if os.path.basename(path) != "main.cf":
        return
    # Every Postfix program waits until it is two seconds old, lest it be half written.
    past = os.stat(path).st_mtime - 1000
    os.utime(path, (past, past))


def _write(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)


def _index(path: str, kind: str) -> None:
    age, _, holds = kind.partition(" ")
    content = {"keys": b"..LS0tLS1CRUdJTi BQUklWQVRF..", "names": b"../mx.pem.."}.get(holds, b"..")
    _write(path, content.replace(b" ", b""))
    source = os.stat(path.rpartition(".")[0])
    shift = {"new": 100, "old": -100}[age]
    os.utime(path, (source.st_atime + shift, source.st_mtime + shift))


@lru_cache(maxsize=1)
def _parts() -> Mapping[str, bytes]:
    """Everything that a recipe may name."""
    root = make("Corpus Root", ca=True, end=NOW + 3650 * DAY)
    middle = make("Corpus Intermediate", root, ca=True, path_length=0, end=NOW + 3000 * DAY)
    rsa_2048 = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    rsa_1024 = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    host = ["mx.example.org"]
    made = {
        "a": make("mx.example.org", middle, names=host),
        "b": make("mx.example.org", middle, names=host),
        "rsa": make("mx.example.org", middle, names=host, key=rsa_2048),
        "small": make("mx.example.org", middle, names=host, key=rsa_1024),
        "expired": make("mx.example.org", middle, names=host, start=NOW - 90 * DAY, end=NOW - DAY),
        "soon": make("mx.example.org", middle, names=host, start=NOW - 85 * DAY, end=NOW + 5 * DAY),
        "future": make("mx.example.org", middle, names=host, start=NOW + DAY),
        "nameless": make("mx.example.org", middle),
        "self": make("mx.example.org", names=host),
        "root": root,
        "middle": middle,
    }
    parts: dict[str, bytes] = {"nothing": b"", "text": b"<html>no certificate here</html>\n"}
    for name, one in made.items():
        parts |= {f"{name}.key": one.key_pem, f"{name}.cert": one.certificate.public_bytes(_PEM)}
        chain = b"" if name in ("self", "root", "middle") else middle.pem
        parts |= {f"{name}.chain": chain, f"{name}.bundle": one.key_pem + one.pem + chain}
        parts[f"{name}.fullchain"] = one.pem + chain
    parts["a.encrypted"] = _encrypted(made["a"])
    parts["broken.cert"] = made["a"].pem.replace(b"-----END", b"----END")
    for bits, offset in ((2048, 560316), (3072, 2625351), (4096, 5736041)):
        parts[f"dh.{bits}"] = _dh(_ffdhe(bits, offset))
    parts["dh.1024"] = _dh(int(OAKLEY_2, 16))
    parts["dh.unsafe"] = _dh(_ffdhe(2048, 560316) + 2)
    return parts


_PEM = serialization.Encoding.PEM


def _encrypted(one: Made) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return one.key.private_bytes(_PEM, form, serialization.BestAvailableEncryption(b"secret"))


def _ffdhe(bits: int, offset: int) -> int:
    """A prime of RFC 7919 Appendix A: 2^b - 2^(b-64) + (floor(2^(b-130) e) + offset) 2^64 - 1."""
    scale = 1 << (bits + 64)
    e, term, number = 0, scale, 1
    while term:
        e += term
        term //= number
        number += 1
    return (1 << bits) - (1 << (bits - 64)) + (((e << (bits - 130)) // scale + offset) << 64) - 1


def _dh(prime: int) -> bytes:
    number = prime.to_bytes(prime.bit_length() // 8 + 1, "big")
    inner = b"\x02\x82" + len(number).to_bytes(2, "big") + number + b"\x02\x01\x02"
    return pem.encode("DH PARAMETERS", b"\x30\x82" + len(inner).to_bytes(2, "big") + inner)
