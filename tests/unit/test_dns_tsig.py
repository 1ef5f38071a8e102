"""Transaction keys, as they stand in files of BIND."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.dns import tsig
from certctl.errors import CertctlError

KEY = """
// key "old" { secret "AAAA"; };
/* key "older" { secret "BBBB"; }; */
# key "oldest" { secret "CCCC"; };
key "certctl" { // the one for updates
    algorithm hmac-sha512;  # not md5
    secret "%s"; /* tsig-keygen */
};
"""
SECRET = "ab//cd+ef//8="


def read(path: Path, text: str | None) -> tsig.Key:
    if text is not None:
        path.write_text(text)
        path.chmod(0o600)
    return tsig.read(str(path))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        *((KEY % secret, secret) for secret in (SECRET, "////", "+//+AAA=")),
        (KEY % "ab//cd+ \n ef//8= ", SECRET),
        (f'key "certctl" {{\n\talgorithm hmac-sha512;\n\tsecret "{SECRET}";\n}};\n', SECRET),
        (f'# made by hand\nkey certctl {{ algorithm HMAC-SHA512.; secret "{SECRET}"; }};', SECRET),
        (f'/* key "no" {{ }}; */ key "certctl" {{ secret "{SECRET}"; algorithm "hmac-sha512"; }};', SECRET),
    ],
)
def test_a_key(tmp_path: Path, text: str, secret: str) -> None:
    """Clauses as tsig-keygen prints them and as people write them; no part of a secret is a comment."""
    key = read(tmp_path / "key", text)
    assert key == {"name": "certctl", "algorithm": "hmac-sha512", "secret": secret}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no key clause in it"),
        ('key "a" { algorithm hmac-sha256; };', "its key clause has no secret"),
        ('key "a" { secret "  "; };', "its key clause has no secret"),
        ('key "a" { algorithm hmac-sha3-256; secret "AAAA"; };', "the algorithm hmac-sha3-256 is not known"),
        ('key "a..b" { secret "AAAA"; };', "its name is no domain name"),
        (KEY % "no base64!", "its secret is no base64"),
        (None, "no such file"),
    ],
)
def test_no_key(tmp_path: Path, text: str | None, words: str) -> None:
    """What is wrong is told, with the command that makes a key."""
    path = tmp_path / "key"
    with pytest.raises(CertctlError, match=f"cannot read a TSIG key from {path}: .*{words}") as caught:
        read(path, text)
    assert "tsig-keygen" in str(caught.value.hint)
