"""Issuers that answer, but not with what helps: asked once in a pass, and everybody else is served."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.home import Home

CONFIG = """
[issuer.vault]
type = "command"
command = ["./sign"]
[certificate.a]
names = ["a.example"]
issuer = "vault"
{more}
[certificate.z]
names = ["z.example"]
issuer = "vault"
[[certificate.z.file]]
path = "z.pem"
hooks = ["reload"]
[hook.reload]
command = ["./reload"]
"""

SIGN = """#!{python}
import os, sys
from datetime import datetime, timedelta, timezone
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

home = os.path.dirname(os.path.abspath(__file__))
name = os.environ["CERTCTL_CERTIFICATE"]
with open(home + "/calls", "a") as file:
    file.write(name + "\\n")
with open(home + "/answer") as file:
    start, end, what = file.read().split()
csr = x509.load_pem_x509_csr(sys.stdin.buffer.read())
if name != "a":
    start, end, what = -1, 90, "new"
if what == "again" and os.path.exists(home + "/last"):
    sys.stdout.write(open(home + "/last").read())
    sys.exit(0)
key = ec.generate_private_key(ec.SECP256R1())
now, day = datetime.now(timezone.utc), timedelta(days=1)
issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Vault")])
names = x509.SubjectAlternativeName([x509.DNSName("b.example" if what == "wrong" else name + ".example")])


def build(subject, public, ca):
    built = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
    built = built.not_valid_before(now + float(start) * day).not_valid_after(now + float(end) * day)
    return built.add_extension(x509.BasicConstraints(ca, None), critical=True)


root = build(issuer, key.public_key(), True).sign(key, hashes.SHA256())
leaf = build(csr.subject, csr.public_key(), False).add_extension(names, critical=not list(csr.subject))
leaf = leaf.sign(key, hashes.SHA256())
pem = "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in (leaf, root))
if name == "a":
    open(home + "/last", "w").write(pem)
sys.stdout.write(pem)
"""


@pytest.fixture
def vault(home: Home) -> Home:
    path = home / "sign"
    path.write_text(SIGN.format(python=sys.executable))
    path.chmod(0o755)
    home.script("reload", 'echo "$CERTCTL_FILES" >>"$HERE/reloads"')
    home.config(CONFIG.format(more=""))
    return home


def answer(home: Home, start: float, end: float, what: str = "new") -> None:
    """What the issuer gives for a: its days from now, and which: "new", "wrong", the same "again"."""
    (home / "answer").write_text(f"{start} {end} {what}")


def calls(home: Home, name: str = "a") -> int:
    path: Path = home / "calls"
    return path.read_text().split().count(name) if path.exists() else 0


def entry(home: Home) -> dict[str, Any]:
    found = json.loads(home("status", "--json").out)["certificates"]
    return next(one for one in found if one["name"] == "a")


@pytest.mark.parametrize("more", ["", 'pin = "certificate"\nhold_down = "0s"'])
def test_old_but_valid(vault: Home, more: str) -> None:
    """An old certificate that is valid is used, with a word, and the CA is not asked again at once."""
    vault.config(CONFIG.format(more=more))
    answer(vault, -80, 10)
    ran = vault("run")
    assert "due for renewal already" in ran.err
    assert calls(vault) == 1
    assert entry(vault)["current"] is not None
    assert (vault / "reloads").exists()
    vault("run")
    assert calls(vault) == 1
    plan = json.loads(vault("plan", "--json").out)
    assert plan["steps"] == []
    assert "was due for renewal" in str(plan["holds"])


@pytest.mark.parametrize(
    ("what", "start", "end"),
    [("new", 1, 90), ("new", -90, -1), ("wrong", -1, 90)],
    ids=["yet", "over", "wrong"],
)
def test_not_to_be_served(vault: Home, what: str, start: float, end: float) -> None:
    """What may not be served is asked for once in a pass, not again before its back-off; others go on."""
    answer(vault, start, end, what)
    vault("run", code=1)
    assert calls(vault) == 1
    assert (vault / "z.pem").exists()
    assert (vault / "reloads").exists()
    assert entry(vault)["state"] == "failing"
    vault("run", code=1)
    assert calls(vault) == 1


def test_the_same_again(vault: Home) -> None:
    """An issuer that gives what is served already has not renewed it: told, and asked later."""
    answer(vault, -1, 90, "again")
    vault("run")
    before = entry(vault)["current"]
    ran = vault("renew", "a", code=1)
    assert "the certificate that is there already" in ran.err
    assert calls(vault) == 2
    assert entry(vault)["current"] == before
    vault("run", code=1)
    assert calls(vault) == 2


def test_ends_earlier(vault: Home) -> None:
    """A renewal by time that ends before what is served does not take its place."""
    answer(vault, -5, 85)
    vault("run")
    before = entry(vault)["current"]
    assert calls(vault) == 1
    vault.config(CONFIG.format(more='renew_before = "86d"'))
    state = vault / "state" / "state" / "a.json"
    data = json.loads(state.read_text())
    data["current"]["issued_at"] = "2026-01-01T00:00:00Z"
    state.write_text(json.dumps(data))
    answer(vault, -80, 10)
    ran = vault("run", code=1)
    assert "before the one that is there" in ran.err
    assert calls(vault) == 2
    assert entry(vault)["current"]["keys"] == before["keys"]
