"""import: what it keeps where, whatever the tool: again, after crashes, beside what is there already."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import pytest

from certctl.cli.main import main
from tests.support.crash import killed
from tests.support.world import Ran
from tests.unit.import_trees import certbot_account, certbot_lineage, rsa_key
from tests.unit.import_world import ImportWorld, loads, make_world, rows
from tests.unit.x509_make import Made

MX1 = '[certificate.mx1]\nnames = ["mx1.example.org"]\nissuer = "private-ca"\n'


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportWorld:
    return make_world(tmp_path, monkeypatch)


@pytest.fixture
def made(importing: ImportWorld) -> Made:
    """One lineage and one account of certbot in the tree."""
    made = importing.ca.leaf("mx1.example.org")
    certbot_lineage(importing.tree, importing.ca, "mx1.example.org", made)
    certbot_account(importing.tree, rsa_key())
    return made


def test_keys_come_before_the_tables(importing: ImportWorld, made: Made, tmp_path: Path) -> None:
    """By default the tables are printed, and load; the keys are here before anybody pastes them."""
    ran = importing("certbot")
    assert ran.code == 0
    assert loads(tmp_path, ran.out).certificates["mx1.example.org"].names == ("mx1.example.org",)
    assert importing.world.spec.certificates == {}
    with open(importing.world.path, "a") as file:
        file.write(ran.out)
    importing.world.done("run")
    assert importing.key_of("mx1.example.org") == made.pin


def test_again(importing: ImportWorld, made: Made) -> None:
    """A second time changes nothing, and is no failure."""
    importing.added("certbot")
    text, state = Path(importing.world.path).read_text(), importing.world.status()
    ran = importing("certbot", "--output", importing.world.path)
    assert ran.code == 0
    assert "mx1.example.org: already imported" in ran.err
    assert "account of letsencrypt: already imported" in ran.err
    assert Path(importing.world.path).read_text() == text
    assert importing.world.status() == state
    assert importing("certbot").out == ""


def test_dry_run(importing: ImportWorld, made: Made) -> None:
    """Shows the tables and what would be taken over; not even the state directory is made."""
    ran = importing("certbot", "--dry-run")
    assert ran.code == 0
    assert "mx1.example.org: found: ecdsa-p256 key" in ran.err
    assert '[certificate."mx1.example.org"]' in ran.out
    assert not os.path.exists(importing.world.layout.root)


def test_certificate_that_is_configured(importing: ImportWorld, made: Made) -> None:
    """A certificate of the same names takes the key; nothing is to be added, nothing issued."""
    importing.world.configure(MX1)
    document = importing.json("certbot")
    assert rows(document) == {"mx1": "imported"}
    assert document["fragment"] == ""
    assert any("renewed by private-ca" in note for note in document["certificates"][0]["notes"])
    assert "issue" not in [step["kind"] for step in importing.world.steps()]
    importing.world.done("run")
    assert importing.key_of("mx1") == made.pin


def test_names_that_were_added(importing: ImportWorld, made: Made) -> None:
    """With one name more configured the key is taken, and the next pass gets a certificate for it."""
    importing.world.configure(MX1.replace('"]', '", "mail.example.org"]'))
    assert rows(importing.json("certbot")) == {"mx1": "imported"}
    importing.world.done("run")
    assert importing.key_of("mx1") == made.pin
    current = importing.world.status()["mx1"]
    assert current["issuer"] == "private-ca"


def test_no_generation_is_overwritten(importing: ImportWorld, made: Made) -> None:
    """A certificate with keys of its own keeps them, is named, and the others are taken over."""
    importing.world.configure(MX1)
    importing.world.done("run")
    before = importing.world.status()
    certbot_lineage(importing.tree, importing.ca, "b.example.org", importing.ca.leaf("b.example.org"))
    ran = importing("certbot")
    assert ran.code == 1
    assert "error: mx1: certificate mx1 has generation 1 already, with another key" in ran.err
    assert "b.example.org: imported" in ran.err
    assert importing.world.status() == before


def test_issuer_with_an_account(importing: ImportWorld, made: Made) -> None:
    """An account that the issuer has is left as it is, and that is told."""
    importing.added("certbot")
    for file in (importing.tree / "accounts").rglob("private_key.json"):
        file.unlink()
    certbot_account(importing.tree, rsa_key())
    ran = importing("certbot")
    assert ran.code == 0
    assert "account of letsencrypt: left alone: issuer letsencrypt has an account of its own" in ran.err


def test_output_is_never_overwritten(importing: ImportWorld, made: Made, tmp_path: Path) -> None:
    """A file that is there and is not the configuration in use is refused before anything is done."""
    other = tmp_path / "other.toml"
    other.write_text("precious")
    ran = importing("certbot", "--output", str(other))
    assert ran.code == 2
    assert "is there already" in ran.err
    assert other.read_text() == "precious"
    assert not os.path.exists(importing.world.layout.root)


def test_output_into_a_new_file(importing: ImportWorld, made: Made, tmp_path: Path) -> None:
    """A new file gets the tables alone, while the state is that of the configuration in use."""
    other = tmp_path / "other.toml"
    assert importing("certbot", "--output", str(other)).code == 0
    assert "mx1.example.org" in loads(tmp_path, other.read_text()).certificates
    assert os.path.exists(importing.world.layout.state("mx1.example.org"))


def test_output_keeps_what_is_there(importing: ImportWorld, made: Made) -> None:
    """Tables are added below what the configuration has, whose mode stays."""
    importing.world.configure('# mine\n[certificate.a]\nnames = ["a.example.org"]\n')
    os.chmod(importing.world.path, 0o640)
    before = Path(importing.world.path).read_text()
    spec = importing.added("certbot")
    assert Path(importing.world.path).read_text().startswith(before.rstrip())
    assert list(spec.certificates) == ["a", "mx1.example.org"]
    assert os.stat(importing.world.path).st_mode & 0o777 == 0o640


def test_without_a_configuration(
    importing: ImportWorld, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No state can be filled where none is configured: the tables are shown, and what to type."""
    from certctl.config import file

    monkeypatch.setattr(file, "SYSTEM_DIRECTORY", str(tmp_path / "etc"))
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    ran = _alone("import", "certbot", str(importing.tree))
    assert ran.code == 2
    assert "nothing was taken over" in ran.err
    assert "--output" in ran.err
    assert "mx1.example.org" in loads(tmp_path, ran.out).certificates
    assert os.listdir(empty) == []
    ran = _alone("import", "certbot", str(importing.tree), "--output", "certctl.toml")
    assert ran.code == 0
    assert sorted(os.listdir(empty)) == ["certctl.toml", "state"]
    ran = _alone("run")
    assert ran.code == 0
    assert Path(empty, "state/live/mx1.example.org/key.pem").read_bytes() == made.key_pem


def _alone(*argv: str) -> Ran:
    """Run a command without --config."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(argv)
    return Ran(code, out.getvalue(), err.getvalue())


def test_killed_anywhere(importing: ImportWorld, made: Made) -> None:
    """Killed before any durable operation, then done again: the key is there once, with its account."""
    snapshot = importing.world.save()
    number = 1
    while killed(
        importing.world, number, "import", "certbot", str(importing.tree), "--output", importing.world.path
    ):
        ran = importing("certbot", "--output", importing.world.path)
        assert ran.code == 0, (number, ran)
        assert importing.world.status()["mx1.example.org"]["current"]["keys"][0]["key_sha256"] == made.pin
        if number % 40 == 1:
            # A pass asks the CA for advice, which takes its time to fail here: not at every point.
            importing.world.done("run")
            assert importing.key_of("mx1.example.org") == made.pin, number
        assert sorted(os.listdir(importing.world.layout.lineage("mx1.example.org")))[:1] == ["1"], number
        assert os.path.exists(f"{importing.world.layout.issuers}/letsencrypt/account.json"), number
        snapshot.restore()
        number += 1
    assert number > 20


def test_killed_then_a_pass(importing: ImportWorld, made: Made) -> None:
    """Killed anywhere and not done again: from the moment the key was kept, a pass serves it."""
    importing.world.configure(MX1)
    snapshot = importing.world.save()
    number = 1
    served = []
    while killed(importing.world, number, "import", "certbot", str(importing.tree)):
        importing.world.done("run")
        served.append(importing.key_of("mx1") == made.pin)
        snapshot.restore()
        number += 1
    first = served.index(True)
    assert all(served[first:])


def _served(importing: ImportWorld) -> tuple[str, Made, bytes]:
    """A file that servers read, with a key in it that nothing here knows; configured, and its content."""
    made = importing.ca.leaf("mx1.example.org")
    data = made.key_pem + made.pem + importing.ca.middle.pem
    path = importing.world.tls / "mx1.pem"
    path.write_bytes(data)
    path.chmod(0o600)
    return str(path), made, data


FILE = '[[certificate.mx1.file]]\npath = "tls/mx1.pem"\nhooks = ["reload"]\n'


def test_served_key_whose_state_is_lost(importing: ImportWorld) -> None:
    """--name takes over the key in the configured file; the file stays as it is, byte by byte."""
    path, made, data = _served(importing)
    importing.world.configure(MX1 + FILE)
    ran = importing.world.done("import", "pem", "--name", "mx1")
    assert "mx1: imported: ecdsa-p256 key" in ran.err
    importing.world.done("run")
    assert importing.key_of("mx1") == made.pin
    assert Path(path).read_bytes() == data


def test_served_key_beside_other_generations(importing: ImportWorld) -> None:
    """Where the state has other keys, the served one becomes current, what it had previous; nothing goes."""
    importing.world.configure(MX1)
    importing.world.done("run")
    before = importing.world.status()["mx1"]
    path, made, data = _served(importing)
    importing.world.configure(MX1 + FILE)
    importing.world.done("import", "pem", path, "--name", "mx1")
    importing.world.done("run")
    after = importing.world.status()["mx1"]
    assert after["current"]["keys"][0]["key_sha256"] == made.pin
    assert after["previous"]["generation"] == before["current"]["generation"]
    assert after["next"]["generation"] == before["next"]["generation"]
    assert Path(path).read_bytes() == data
    again = importing.world.done("import", "pem", "--name", "mx1")
    assert "already imported" in again.err


def test_served_key_without_a_file(importing: ImportWorld) -> None:
    """--name alone needs a file of the certificate that is there, and says what to type."""
    importing.world.configure(MX1)
    ran = importing.world("import", "pem", "--name", "mx1")
    assert ran.code == 2
    assert "certctl import pem PATH --name mx1" in ran.err


def test_key_of_another_kind(importing: ImportWorld) -> None:
    """A key that the configuration would have replaced at once is not taken over before its kind is there."""
    made = importing.ca.leaf("mx1.example.org", key=rsa_key())
    bundle = importing.tree / "mx1.pem"
    bundle.write_bytes(made.key_pem + made.pem + importing.ca.middle.pem)
    importing.world.configure(MX1)
    ran = importing("pem")
    assert ran.code == 1
    assert "its key is rsa-2048" in ran.err
    assert 'keys = ["rsa-2048"]' in ran.err
    assert importing.world.status()["mx1"]["current"] is None
    importing.world.configure(MX1 + 'keys = ["rsa-2048"]\n')
    assert importing("pem").code == 0
    importing.world.done("run")
    assert importing.key_of("mx1") == made.pin
