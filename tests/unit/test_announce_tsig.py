"""Transaction keys, as they stand in files of BIND."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from certctl.announce import tsig
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


@pytest.mark.parametrize("secret", ["ab//cd+ef//8=", "////", "+//+AAA="])
def test_slashes_in_a_secret(tmp_path: Path, secret: str) -> None:
    """Comments are passed over, and what looks like one inside of a secret is not."""
    path = tmp_path / "key"
    path.write_text(KEY % secret)
    path.chmod(0o600)
    key = tsig.read(str(path))
    assert key.name.to_text() == "certctl."
    assert key.algorithm.to_text() == "hmac-sha512."
    assert key.secret == base64.b64decode(secret)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no key clause in it"),
        ('key "a" { algorithm hmac-sha256; };', "its key clause has no secret"),
        ('key "a" { algorithm hmac-sha3-256; secret "AAAA"; };', "the algorithm hmac-sha3-256 is not known"),
        (KEY % "no base64!", "its secret is no base64"),
        (None, "no such file"),
    ],
)
def test_no_key(tmp_path: Path, text: str | None, words: str) -> None:
    """What is wrong is told, with the command that makes a key."""
    path = tmp_path / "key"
    if text is not None:
        path.write_text(text)
        path.chmod(0o600)
    with pytest.raises(CertctlError, match=words) as caught:
        tsig.read(str(path))
    assert "tsig-keygen" in str(caught.value.hint)
