"""Signatures, nonces, notes and messages: what goes over the wire and onto the disk."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from josepy.jws import JWS

from certctl.errors import CertctlError
from certctl.issuers.acme.accountfile import Registration, read_registration, registration_path
from certctl.issuers.acme.order import Note, new_order, note_path, read_note, write_note
from certctl.issuers.acme.proof import Holders
from certctl.issuers.acme.signing import NoncePool, Signer, dump, load_key, sign
from certctl.planning.spec import DAY
from certctl.ports import IssueRequest
from certctl.store.keys import generate


@pytest.mark.parametrize(
    ("algorithm", "name"), [("ecdsa-p256", "ES256"), ("ecdsa-p384", "ES384"), ("rsa-2048", "RS256")]
)
def test_signature(algorithm: str, name: str) -> None:
    """Another JWS implementation verifies it; the header has ACME's fields, and jwk or kid, never both."""
    key = load_key(generate(algorithm), "the key")
    for account in (None, "https://ca.test/acct/1"):
        found = sign(Signer(key, account), "https://ca.test/x", b'{"a":1}', "bm9uY2U")
        jws = JWS.from_json(found)
        header = json.loads(jws.signature.protected)
        assert jws.payload == b'{"a":1}'
        assert jws.signature.verify(jws.payload, key=key.public_key())
        assert (header["alg"], header["url"], header["nonce"]) == (name, "https://ca.test/x", "bm9uY2U")
        assert header.get("kid") == account
        assert ("jwk" in header) == (account is None)
    assert "nonce" not in json.loads(JWS.from_json(sign(Signer(key), "u", b"")).signature.protected)


def test_key_that_cannot_sign() -> None:
    """A kind of key that CAs do not take, a damaged file and an empty one are refused by name."""
    damaged = generate("ecdsa-p256")[:60]
    for pem, words in ((generate("ed25519"), "is of a kind"), (damaged, "holds no"), (b"", "holds no")):
        with pytest.raises(CertctlError, match=f"account.key {words}"):
            load_key(pem, "account.key")


def test_nonces() -> None:
    """The freshest comes first and each only once; spelling is kept, what is no base64url is dropped."""
    pool = NoncePool()
    for nonce in ("first", "abcde", "not/base64url", "", None, "last-_"):
        pool.put(nonce)
    assert [pool.take() for _ in range(4)] == ["last-_", "abcde", "first", None]


def test_new_order() -> None:
    """Names and addresses become identifiers; profile and replaces are there only where they are wanted."""
    plain = json.loads(new_order(("a.test", "192.0.2.1", "2001:db8::1"), "", None).json_dumps())
    assert plain == {
        "identifiers": [
            {"type": "dns", "value": "a.test"},
            {"type": "ip", "value": "192.0.2.1"},
            {"type": "ip", "value": "2001:db8::1"},
        ]
    }
    full = json.loads(new_order(("a.test",), "tlsserver", "aYhb.AIdl").json_dumps())
    assert (full["profile"], full["replaces"]) == ("tlsserver", "aYhb.AIdl")


def request(work: Path, algorithm: str = "ecdsa-p256") -> IssueRequest:
    now = datetime.now(timezone.utc)
    return IssueRequest("mx1", 1, algorithm, ("a.test",), b"", 90 * DAY, now, str(work))


def test_note(tmp_path: Path) -> None:
    """It comes back as it was, 0600, one for each algorithm; one that cannot be read is none."""
    note = Note("https://ca.test/o/1", "https://ca.test/dir", "https://ca.test/a/1", ("a.test",), "AA:BB", "")
    write_note(request(tmp_path), note)
    assert read_note(request(tmp_path)) == note
    assert read_note(request(tmp_path, "rsa-2048")) is None
    path = Path(note_path(request(tmp_path)))
    assert path.stat().st_mode & 0o777 == 0o600
    for text in ("", "{", "[]", '{"order": 1}', json.dumps({**note._asdict(), "more": 1})):
        path.write_text(text)
        assert read_note(request(tmp_path)) is None, text


def test_registration_that_is_damaged(tmp_path: Path) -> None:
    """It is named, with what to do; the key beside it is enough to find the account again."""
    Path(registration_path(str(tmp_path))).write_bytes(dump({"url": 1}))
    with pytest.raises(CertctlError, match=r"account\.json does not hold an ACME registration"):
        read_registration(str(tmp_path))
    text = dump(Registration("d", "u", ("mailto:a@b.test",))._asdict())
    Path(registration_path(str(tmp_path))).write_bytes(text)
    assert read_registration(str(tmp_path)) == Registration("d", "u", ("mailto:a@b.test",))


def test_holders() -> None:
    """The last one that lets go is told so."""
    holders = Holders()
    holders.hold("x")
    holders.hold("x")
    holders.hold("y")
    assert [holders.release(thing) for thing in ("x", "y", "x")] == [False, True, True]
