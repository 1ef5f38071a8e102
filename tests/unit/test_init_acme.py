"""init --acme: an issuer whose terms somebody agreed to, by an option or at the terminal; else no file."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from certctl import config
from certctl.cli.main import main
from certctl.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from certctl.planning.spec import IssuerSpec, Spec
from tests.unit.acme_tiny_ca import Said, TinyCa, tiny_ca
from tests.unit.test_onboarding_starter import switched_on

MX = "mx1.example.org"
TERMS = "https://ca.example.test/terms/v7"


def init(place: Path, *arguments: str) -> int:
    return main(["init", MX, "--dir", str(place), *arguments])


def issuer(spec: Spec) -> IssuerSpec:
    """The one that signs the certificate."""
    (certificate,) = spec.certificates.values()
    (name,) = certificate.issuers
    return spec.issuers[name]


def loaded(place: Path) -> Spec:
    return config.load(str(place / "certctl.toml"))


@pytest.mark.parametrize(
    ("ca", "name"),
    [
        ("letsencrypt", "letsencrypt"),
        ("letsencrypt-staging", "letsencrypt-staging"),
        ("https://acme.example.net:8443/dir", "acme-example-net"),
    ],
)
def test_agreed_to_by_an_option(tmp_path: Path, ca: str, name: str) -> None:
    """The CA signs, in a table of its own that is in force; nobody is asked, and no network is needed."""
    assert init(tmp_path, "--acme", ca, "--agree-tos") == EXIT_OK
    found = issuer(loaded(tmp_path))
    assert found.name == name
    assert found.acme is not None
    assert found.acme.agree_tos
    assert (found.acme.challenge, found.acme.email, found.acme.listen) == ("http-01", (), ())
    assert found.acme.directory.startswith(ca if "://" in ca else "https://acme-")


def test_all_that_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several addresses, where to listen, and whom to trust, from wherever it was typed."""
    monkeypatch.chdir(tmp_path)
    options = ["--email", "a@example.org", "--email", "b@example.org", "--ca-file", "ca.pem"]
    options += ["--listen", "192.0.2.25:80", "--listen", "[::1]:80"]
    assert init(tmp_path / "new", "--acme", "letsencrypt", "--agree-tos", *options) == EXIT_OK
    acme = issuer(loaded(tmp_path / "new")).acme
    assert acme is not None
    assert acme.email == ("a@example.org", "b@example.org")
    assert acme.listen == ("192.0.2.25:80", "[::1]:80")
    assert acme.ca_file == str(tmp_path / "ca.pem")


def test_comments_can_be_switched_on(tmp_path: Path) -> None:
    """What the table has as comments is right when it is switched on."""
    init(tmp_path, "--acme", "letsencrypt", "--agree-tos")
    path = tmp_path / "certctl.toml"
    path.write_text(switched_on(path.read_text()))
    acme = issuer(loaded(tmp_path)).acme
    assert acme is not None
    assert (acme.email, acme.webroot) == (("hostmaster@example.org",), "/var/www/html")


def test_json_keeps_its_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The document has the same fields with a CA as without."""
    documents = []
    for place, options in (("a", []), ("b", ["--acme", "letsencrypt", "--agree-tos"])):
        assert init(tmp_path / place, "--json", *options) == EXIT_OK
        documents.append(json.loads(capsys.readouterr().out))
    assert documents[0].keys() == documents[1].keys()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--acme", "letsencrypt"], "add --agree-tos"),
        (["--acme", "letsencrypt", "--yes"], "add --agree-tos"),
        (["--acme", "letsencrypd", "--agree-tos"], 'did you mean "letsencrypt"?'),
        (["--acme", "http://ca.example.net/dir", "--agree-tos"], "must be https"),
        (["--acme", "", "--agree-tos"], "--acme"),
        (["--acme", "letsencrypt", "--agree-tos", "--email", "mailto:a@b.example"], '"a@b.example"'),
        (["--acme", "letsencrypt", "--agree-tos", "--listen", "127.0.0.1"], "an address and a port"),
        (["--agree-tos"], "--agree-tos goes with --acme only"),
        (["--email", "a@example.org"], "--email goes with --acme only"),
        (["--listen", "127.0.0.1:80"], "--listen goes with --acme only"),
        (["--ca-file", "ca.pem"], "--ca-file goes with --acme only"),
    ],
)
def test_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str) -> None:
    """What cannot be meant, and what nobody agreed to, is said, and nothing is written."""
    assert init(tmp_path / "new", *options) == EXIT_USAGE
    assert words in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def at_terminal(place: Path, answer: str, *options: str) -> tuple[int, str]:
    """Run init at a terminal where somebody types *answer*; the exit status, and what the terminal showed."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "certctl", "init", MX, "--dir", str(place), *options]
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, cwd=place.parent)
    os.close(theirs)
    os.write(ours, answer.encode())
    process.communicate(timeout=60)
    said = b""
    while True:
        try:
            said += os.read(ours, 65536)
        except OSError:
            break
    os.close(ours)
    return process.returncode, said.decode()


def directory(**meta: str) -> Said:
    names = {name: f"https://ca.example.test/{name}" for name in ("newNonce", "newAccount", "newOrder")}
    return Said(json.dumps({**names, "meta": meta}).encode())


def ask(place: Path, ca: TinyCa, answer: str) -> tuple[int, str]:
    return at_terminal(place, answer, "--acme", f"{ca.url}/dir", "-q")


@pytest.mark.parametrize(
    ("answer", "agreed"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("\n", False), ("\x04", False)]
)
def test_the_question(tmp_path: Path, answer: str, agreed: bool) -> None:
    """On a terminal the CA's own address of its terms is shown, and only a yes writes the file."""
    with tiny_ca({"/dir": lambda _: directory(termsOfService=TERMS)}) as ca:
        code, said = ask(tmp_path / "new", ca, answer)
        assert [request[:2] for request in ca.requests] == [("GET", "/dir")]
    assert TERMS in said
    assert "do you agree? [y/N]" in said
    assert code == (EXIT_OK if agreed else EXIT_FAILED)
    if not agreed:
        assert "nothing was written" in said
        assert list(tmp_path.iterdir()) == []
        return
    acme = issuer(loaded(tmp_path / "new")).acme
    assert acme is not None
    assert (acme.agree_tos, acme.directory) == (True, f"{ca.url}/dir")
    assert f"terms of service {TERMS}\n" in (tmp_path / "new/certctl.toml").read_text()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(b"<html>"), "where JSON was due"),
        (Said(b"{}"), "is no ACME directory"),
        (Said(b"{}", 429, (("Retry-After", "60"),)), "429"),
    ],
)
def test_a_ca_that_does_not_tell(tmp_path: Path, said: Said, words: str) -> None:
    """Without an answer of the CA there is no question and no file, nor a note of what it said."""
    with tiny_ca({"/dir": lambda _: said}) as ca:
        code, shown = ask(tmp_path / "new", ca, "y\n")
    assert code == EXIT_FAILED
    assert words in shown
    assert "[y/N]" not in shown
    assert list(tmp_path.iterdir()) == []


def test_terms_that_nobody_named(tmp_path: Path) -> None:
    """A CA without terms of service is asked for all the same; what it says becomes no second line."""
    with tiny_ca({"/dir": lambda _: directory()}) as ca:
        code, shown = ask(tmp_path / "a", ca, "n\n")
    assert "(it names none)" in shown
    assert code == EXIT_FAILED
    hostile = {"termsOfService": 'https://x/\n[issuer.other]\ntype = "csr"\x1b[2J'}
    with tiny_ca({"/dir": lambda _: directory(**hostile)}) as ca:
        code, shown = ask(tmp_path / "b", ca, "y\n")
    assert code == EXIT_OK
    assert "\x1b[2J" not in shown
    assert "other" not in loaded(tmp_path / "b").issuers


def test_nobody_is_asked_in_vain(tmp_path: Path) -> None:
    """Where there is a file already, or a name is impossible, that is said before the CA is asked."""
    (tmp_path / "certctl.toml").write_text("# mine\n")
    with tiny_ca({}) as ca:
        code, shown = ask(tmp_path, ca, "y\n")
        assert (code, "init never overwrites" in shown) == (EXIT_USAGE, True)
        code, _ = at_terminal(tmp_path / "new", "y\n", "a_b.example", "--acme", f"{ca.url}/dir")
        assert code == EXIT_USAGE
        assert ca.requests == []
    assert (tmp_path / "certctl.toml").read_text() == "# mine\n"
