"""Secrets: in no text that leaves certctl, and in no file that everybody can read."""

from __future__ import annotations

import base64
import json
import os
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from certctl.dns import tsig
from certctl.errors import CertctlError
from certctl.issuers.acme import lexicon
from certctl.issuers.acme.dns01 import Lookup, Record, Table
from certctl.issuers.acme.issuer import AcmeIssuer
from certctl.issuers.acme.lexicon import Lexicon
from certctl.planning.spec import AcmeOptions, IssuerSpec
from certctl.system.child import Child
from certctl.system.secret import read_secret, strike
from certctl.system.text import STRUCK, without_passwords
from tests.unit.acme_tiny_ca import Said, tiny_ca

TOKEN = "s3cr3t/tok+en=with \"odd'é signs"


@pytest.mark.parametrize(
    "form",
    [
        *(TOKEN, repr(TOKEN), json.dumps(TOKEN), quote(TOKEN), quote(TOKEN, safe=""), quote_plus(TOKEN)),
        *(base64.b64encode(TOKEN.encode()).decode(), TOKEN.encode().hex()),
        base64.urlsafe_b64encode(TOKEN.encode()).decode(),
    ],
)
def test_strike(form: str) -> None:
    """However a URL, a header, JSON or Python spells a secret, nothing of it is left."""
    found = strike(f"before {form} after", [TOKEN])
    assert found.startswith("before ")
    assert found.endswith(" after")
    assert STRUCK in found
    assert "s3cr3t" not in found
    assert "tok" not in found


def test_strike_overlapping() -> None:
    """A secret that is part of another leaves nothing of the longer one; a letter or two is no secret."""
    assert strike("user:password-long a", ["password", "password-long", "a", ""]) == f"user:{STRUCK} a"


def providers() -> list[str]:
    """The providers of dns-lexicon that speak HTTP by themselves."""
    import lexicon._private.providers as package

    directory = Path(next(iter(package.__path__)))
    files = [path for path in sorted(directory.glob("*.py")) if not path.stem.startswith("_")]
    return [path.stem for path in files if "import requests" in path.read_text(encoding="utf-8")]


class Zone(Lookup):
    """Knows the zone without a DNS."""

    def zone(self, _: str) -> str:
        return "example.test"


WORDS = "token key secret username password api_key userid client_token access_key secret_key user"
OPTIONS = (*(f"auth_{word}" for word in WORDS.split()), "api_key")
SECRETS = {name: f"SeCrEt{number}x{number}TokEn" for number, name in enumerate(OPTIONS)}


def test_no_provider_tells_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that fails tells nobody the token, although many providers have it in what they say."""
    pytest.importorskip("lexicon", reason="dns-lexicon is not installed")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:1")
    monkeypatch.setattr("certctl.issuers.acme.lexicon.LONGEST", 3.0)
    names = providers()
    assert len(names) > 40
    # One process for all of them; it finds no module that it has not loaded before it became nobody.
    child = Child("t", lexicon.__name__, *map(lexicon._module, names), "tests.support.offline")
    monkeypatch.setattr("certctl.issuers.acme.lexicon.Child", lambda *_, **__: child)

    def told(name: str) -> str:
        with pytest.raises(CertctlError) as caught:
            client = Lexicon(name, Table("t", dict(SECRETS)), Zone(Table("t", {})), 60)
            client.add(Record("_acme-challenge.example.test", "x" * 43))
        return "".join(traceback.format_exception(caught.value)) + str(caught.value.hint)

    struck = []
    with ThreadPoolExecutor(8) as pool:
        for name, text in zip(names, pool.map(told, names), strict=True):
            assert not any(secret in text for secret in SECRETS.values()), name
            assert "was not loaded" not in text, name
            struck += [name] if STRUCK in text else []
    assert len(struck) >= 3, f"the test sees too little: {struck}"


def test_options_that_name_files(tmp_path: Path) -> None:
    """What a provider would read from a file by itself is read here, where its process cannot."""
    path = tmp_path / "key"
    path.write_text("{}")
    path.chmod(0o600)
    for key, value in (
        ("auth_service_account_info", f"file::{path}"),
        ("auth_service_account_info_file", path),
    ):
        assert lexicon._option("t", "googleclouddns", key, str(value)) == "base64::e30="
    assert lexicon._option("t", "transip", "auth_api_key", str(path)) == "base64::e30="
    assert lexicon._option("t", "transip", "auth_api_key", "base64::e30=") == "base64::e30="
    assert lexicon._option("t", "cloudflare", "auth_token_file", str(path)) == "{}"


def test_provider_that_is_none() -> None:
    """A provider that dns-lexicon does not know is said before anything is ordered."""
    pytest.importorskip("lexicon", reason="dns-lexicon is not installed")
    with pytest.raises(CertctlError, match="knows no provider 'nobody'") as caught:
        Lexicon("nobody", Table("t", {}), Zone(Table("t", {})), 60)
    assert not caught.value.transient


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_secret_that_is_kept(tmp_path: Path, mode: int) -> None:
    """Its owner reads it, and its group may."""
    path = tmp_path / "secret"
    path.write_text("abcd\n")
    path.chmod(mode)
    assert read_secret(str(path)) == "abcd\n"


KEY = 'key "k" { algorithm hmac-sha256; secret "c2VjcmV0c2VjcmV0"; };'


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o606, 0o666])
def test_secret_that_everybody_reads(tmp_path: Path, mode: int) -> None:
    """It is refused with the chmod to type, whoever reads it: TSIG keys, HMAC keys, tokens of providers."""
    path = tmp_path / "secret"
    path.write_text(KEY)
    path.chmod(mode)
    for read in (read_secret, tsig.read, lexicon_token):
        with pytest.raises(CertctlError, match=f"its mode {mode:04o} gives everybody a right") as caught:
            read(os.fspath(path))
        assert f"chmod o-rwx {path}" in str(caught.value.hint)
        assert not caught.value.transient


def lexicon_token(path: str) -> object:
    return Lexicon("cloudflare", Table("t", {"auth_token_file": path}), Zone(Table("t", {})), 60)


def test_hmac_key_that_everybody_reads(tmp_path: Path) -> None:
    """The key of an external account is no exception; nor does a broken one get into a message."""
    path = tmp_path / "eab.key"
    path.write_text("c2VjcmV0c2VjcmV0c2VjcmV0\n")
    with tiny_ca({"/newNonce": lambda _: Said(b"", 200, (("Replay-Nonce", "abcd"),))}) as ca:
        options = AcmeOptions(f"{ca.url}/dir", agree_tos=True, eab_kid="kid", eab_hmac_key_file=str(path))

        def refusal(home: str) -> CertctlError:
            issuer = AcmeIssuer(IssuerSpec("ca", "acme", acme=options), str(tmp_path / home))
            with pytest.raises(CertctlError, match="cannot read the external account's key from") as caught:
                issuer.session().account.signer()
            return caught.value

        path.chmod(0o644)
        assert "chmod o-rwx" in str(refusal("wide").hint)
        path.write_text("cannotbe9")
        path.chmod(0o600)
        assert "cannotbe9" not in "".join(traceback.format_exception(refusal("broken")))


@pytest.mark.parametrize("kind", ["fifo", "directory", "huge", "binary"])
def test_secret_that_is_a_trap(tmp_path: Path, kind: str) -> None:
    """What is no file of text is refused, and nothing waits for it."""
    path = tmp_path / "secret"
    if kind == "fifo":
        os.mkfifo(path, 0o600)
    elif kind == "directory":
        path.mkdir(0o700)
    else:
        path.write_bytes(b"\xff" * (100_000 if kind == "huge" else 10))
        path.chmod(0o600)
    with pytest.raises(CertctlError, match="cannot read"):
        read_secret(str(path))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no answer from http://user:pa.ss@proxy:3128", f"no answer from http://user:{STRUCK}@proxy:3128"),
        ("https://u:p%40ss@h/x and http://:only@h", f"https://u:{STRUCK}@h/x and http://:{STRUCK}@h"),
        ("http://user:p@ss@proxy/x@y", f"http://user:{STRUCK}@proxy/x@y"),
        ("http://127.0.0.1:3128/a@b and root@host", "http://127.0.0.1:3128/a@b and root@host"),
        ("http://[::1]:80/a:b@c", "http://[::1]:80/a:b@c"),
    ],
)
def test_passwords_of_urls(text: str, told: str) -> None:
    """The password of a URL, a proxy's mostly, is struck out of every error, and nothing else is."""
    assert without_passwords(text) == told
    error = CertctlError(text, text)
    assert (error.message, error.hint) == (told, told)
    assert error.within("issuer le").message == f"issuer le: {told}"
    assert str(error) == told
