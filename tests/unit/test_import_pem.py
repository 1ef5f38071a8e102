"""import pem: keys and certificates in any split."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.import_trees import encrypted, rsa_key, traditional, write
from tests.unit.import_world import ImportWorld, make_world
from tests.unit.x509_make import DAY, ec_key, make, pin


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportWorld:
    return make_world(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "split", ["one file", "key and fullchain", "three files", "chain first", "with the root"]
)
def test_any_split(importing: ImportWorld, split: str) -> None:
    """However key, certificate and chain are spread over files, and in whatever order, they are found."""
    ca, made = importing.ca, importing.ca.leaf("mx1.example.org")
    files = {
        "one file": [made.key_pem + made.pem + ca.middle.pem],
        "key and fullchain": [made.key_pem, made.pem + ca.middle.pem],
        "three files": [made.key_pem, made.pem, ca.middle.pem],
        "chain first": [ca.middle.pem + made.pem + traditional(made.key)],
        "with the root": [made.key_pem, ca.root.pem + ca.middle.pem + made.pem],
    }[split]
    for number, data in enumerate(files):
        write(importing.tree / f"{number}.pem", data)
    spec = importing.added("pem")
    assert spec.certificates["mx1.example.org"].issuers == ("by-hand",)
    importing.world.done("run")
    assert importing.key_of("mx1.example.org") == made.pin


def test_one_file_by_name(importing: ImportWorld) -> None:
    """A file may be named instead of a directory; then nothing else is looked at."""
    made = importing.ca.leaf("mx1.example.org")
    path = write(importing.tree / "bundle.pem", made.key_pem + made.pem + importing.ca.middle.pem)
    write(importing.tree / "other.pem", importing.ca.leaf("b.example.org").key_pem)
    ran = importing.world("import", "pem", str(path))
    assert ran.code == 0
    assert "other.pem" not in ran.err


def test_rsa_and_ecdsa_for_the_same_names(importing: ImportWorld) -> None:
    """As Postfix has them, two files of key and certificate: one certificate with two keys."""
    ca = importing.ca
    for name, made in (
        ("rsa", ca.leaf("mx1.example.org", key=rsa_key())),
        ("ec", ca.leaf("mx1.example.org")),
    ):
        write(importing.tree / f"{name}.pem", made.key_pem + made.pem + ca.middle.pem)
    spec = importing.added("pem")
    assert set(spec.certificates["mx1.example.org"].keys) == {"rsa-2048", "ecdsa-p256"}


def test_self_signed(importing: ImportWorld) -> None:
    """What `openssl req -x509` makes, a CA with its host in the subject only, is kept as it is."""
    start = importing.ca.now - DAY
    made = make("Mail.example.org", ca=True, start=start, end=start + 3650 * DAY)
    write(importing.tree / "cert.pem", made.pem)
    write(importing.tree / "key.pem", traditional(made.key))
    spec = importing.added("pem")
    assert spec.certificates["mail.example.org"].issuers == ("self-signed",)
    assert [step["kind"] for step in importing.world.steps()] == ["write", "make-key"]
    importing.world.done("run")
    assert importing.key_of("mail.example.org") == pin(made.key)


def test_old_keys_beside_the_new_one(importing: ImportWorld) -> None:
    """Of several pairs for the same names the newest is taken, the others are left alone."""
    ca = importing.ca
    new, old = ca.leaf("mx1.example.org", age=1), ca.leaf("mx1.example.org", age=50)
    for name, made in (("a", new), ("b", old)):
        write(importing.tree / f"{name}.pem", made.key_pem + made.pem + ca.middle.pem)
    document = importing.json("pem", "--output", importing.world.path)
    assert [row["state"] for row in document["certificates"]] == ["imported", "left alone"]
    assert importing.world.status()["mx1.example.org"]["current"]["keys"][0]["key_sha256"] == new.pin


def test_what_cannot_be_taken(importing: ImportWorld) -> None:
    """An encrypted key, one without its certificate, and half a file are refused one by one."""
    ca, tree = importing.ca, importing.tree
    good = ca.leaf("good.example.org")
    write(tree / "good.pem", good.key_pem + good.pem + ca.middle.pem)
    write(tree / "locked.pem", encrypted(ec_key()))
    write(tree / "lonely.key", make("x").key_pem)
    write(tree / "lonely.pem", ca.leaf("lonely.example.org").pem)
    write(tree / "half.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n")
    write(tree / "picture.jpg", b"\xff\xd8\xff" * 40)
    ran = importing("pem")
    assert ran.code == 1
    assert "good.example.org: imported" in ran.err
    for name in ("locked.pem", "lonely.key", "half.pem"):
        assert f"error: {name}: " in ran.err
    assert "lonely.pem: left alone: the key of" in ran.err
    assert "picture.jpg" not in ran.err


def test_missing_intermediate(importing: ImportWorld) -> None:
    """A leaf without its issuer is refused, and says where the issuer can be had."""
    made = importing.ca.leaf("mx1.example.org")
    write(importing.tree / "bundle.pem", made.key_pem + made.pem)
    ran = importing("pem")
    assert ran.code == 1
    assert "is missing, which signed" in ran.err
    assert "certctl: hint: get it from the CA" in ran.err


def test_nothing_there(importing: ImportWorld) -> None:
    """No key at all, no such path, and no path are errors that say what to type."""
    assert "there is no private key in" in importing("pem").err
    assert "is not there" in importing.world("import", "pem", f"{importing.tree}/nowhere").err
    ran = importing.world("import", "pem")
    assert ran.code == 2
    assert "certctl import pem PATH" in ran.err
