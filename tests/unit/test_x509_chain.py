"""From any heap of certificates comes the one chain of a key, or an error that names what is missing."""

from __future__ import annotations

import itertools
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.x509.chain import order_chain
from tests.unit.x509_make import DAY, NOW, Made, ec_key, make, make_chain

CHAIN = make_chain()


def test_any_order() -> None:
    """Whatever the order, with doubles and strangers, the same chain and root come out."""
    stranger = make("stranger.test", CHAIN.middle, names=["stranger.test"])
    heap = [CHAIN.root.pem, CHAIN.middle.pem, CHAIN.leaf.pem, stranger.pem, CHAIN.middle.pem]
    for order in itertools.permutations(heap):
        assert order_chain(order, CHAIN.leaf.pin) == (CHAIN.pems, CHAIN.root.pem)


def test_without_root() -> None:
    """A chain that ends below its root is whole; the root is then unknown."""
    assert order_chain(CHAIN.pems[::-1], CHAIN.leaf.pin) == (CHAIN.pems, None)


def test_root_signs_leaf() -> None:
    """A leaf directly below its root is a chain of one."""
    leaf = make("mx.example.test", CHAIN.root)
    assert order_chain([CHAIN.root.pem, leaf.pem], leaf.pin) == ([leaf.pem], CHAIN.root.pem)


def test_self_signed() -> None:
    """A certificate that signed itself is its own root."""
    leaf = make("mx.example.test")
    assert order_chain([CHAIN.root.pem, leaf.pem], leaf.pin) == ([leaf.pem], leaf.pem)


def test_newest_leaf_of_the_key() -> None:
    """Of several certificates of one key, the newest is taken."""
    newer = make("mx.example.test", CHAIN.middle, key=CHAIN.leaf.key, start=NOW - timedelta(hours=1))
    assert order_chain([*CHAIN.pems, newer.pem], CHAIN.leaf.pin)[0] == [newer.pem, CHAIN.middle.pem]


def test_foreign_key() -> None:
    """Certificates of other keys are refused, with their names and keys."""
    with pytest.raises(CertctlError, match=r"none of 2 certificates is for the key AA: 'CN=mx.* has ..:..:"):
        order_chain(CHAIN.pems, "AA")


def test_nothing() -> None:
    """An empty heap is an error of its own."""
    with pytest.raises(CertctlError, match="no certificate in what was received"):
        order_chain([], "AA")


def test_missing_intermediate_is_named() -> None:
    """The missing issuer is named by its subject, and by its address where the certificate gives one."""
    leaf = make("mx.example.test", CHAIN.middle, issuer_url="http://ca.test/middle.crt")
    for heap in ([leaf.pem], [leaf.pem, CHAIN.root.pem]):
        with pytest.raises(CertctlError, match="issuer 'CN=Test Intermediate' is missing") as raised:
            order_chain(heap, leaf.pin)
        assert raised.value.hint is not None
        assert "get it from http://ca.test/middle.crt" in raised.value.hint
    assert "'CN=Test Root' is there, but did not sign it" in raised.value.message


def test_namesake_did_not_sign() -> None:
    """An issuer with the right name and another key, or a damaged signature, is named as that."""
    other = make_chain()
    with pytest.raises(CertctlError, match="was not signed by the 'CN=Test Intermediate' that is there"):
        order_chain([CHAIN.leaf.pem, other.middle.pem, other.root.pem], CHAIN.leaf.pin)


def test_namesakes_are_told_apart_by_signature() -> None:
    """Of two CAs with one name, the one that signed is taken."""
    other = make_chain()
    heap = [other.root.pem, other.middle.pem, CHAIN.root.pem, CHAIN.middle.pem, CHAIN.leaf.pem]
    assert order_chain(heap, CHAIN.leaf.pin) == (CHAIN.pems, CHAIN.root.pem)


def cross_signed() -> tuple[Made, Made, Made, Made]:
    """Return an old root, a new one, the new one's certificate by the old one, and an intermediate."""
    old = make("Old Root", ca=True, end=NOW + 10 * DAY)
    new = make("New Root", ca=True, end=NOW + 3650 * DAY)
    cross = make("New Root", old, ca=True, key=new.key, end=NOW + 9 * DAY)
    return old, new, cross, make("Intermediate", new, ca=True)


def test_cross_signed_prefers_a_root_that_is_there() -> None:
    """With the new root at hand, its cross-certificate has no place in the chain."""
    old, new, cross, middle = cross_signed()
    leaf = make("mx.example.test", middle)
    heap = [cross.pem, middle.pem, leaf.pem, new.pem]
    assert order_chain(heap, leaf.pin) == ([leaf.pem, middle.pem], new.pem)
    assert order_chain([*heap, old.pem], leaf.pin) == ([leaf.pem, middle.pem], new.pem)


def test_cross_signed_without_the_new_root() -> None:
    """Without it, the cross-certificate leads on to the old one."""
    old, _, cross, middle = cross_signed()
    leaf = make("mx.example.test", middle)
    chain = [leaf.pem, middle.pem, cross.pem]
    assert order_chain([cross.pem, middle.pem, leaf.pem], leaf.pin) == (chain, None)
    assert order_chain([old.pem, cross.pem, middle.pem, leaf.pem], leaf.pin) == (chain, old.pem)


def test_expired_way_is_left_alone() -> None:
    """Of an intermediate's two certificates, the valid one is taken, even if only the other has its root."""
    old = make("Old Root", ca=True, start=NOW - 90 * DAY, end=NOW - DAY)
    new = make("New Root", ca=True)
    key = ec_key()
    over = make("Intermediate", old, ca=True, key=key, start=NOW - 90 * DAY, end=NOW - DAY)
    good = make("Intermediate", new, ca=True, key=key)
    leaf = make("mx.example.test", good)
    heap = [old.pem, over.pem, good.pem, leaf.pem]
    assert order_chain(heap, leaf.pin, now=NOW) == ([leaf.pem, good.pem], None)


def test_many_that_sign_each_other() -> None:
    """A tangle of cross-certificates is answered soon."""
    keys = [ec_key() for _ in range(7)]
    roots = [make(f"Ring {at}", ca=True, key=key) for at, key in enumerate(keys)]
    tangle = [
        make(f"Ring {at}", roots[by], ca=True, key=keys[at]).pem
        for at, by in itertools.permutations(range(7), 2)
    ]
    leaf = make("mx.example.test", roots[0])
    chain, root = order_chain([*tangle, leaf.pem, roots[3].pem], leaf.pin)
    assert chain[0] == leaf.pem
    assert root == roots[3].pem


def test_ca_bundle() -> None:
    """The whole bundle of a system's CAs may be given beside the leaf."""
    bundle = [make(f"Root {at}", ca=True).pem for at in range(80)]
    heap = [*bundle, CHAIN.root.pem, *CHAIN.pems]
    assert order_chain(heap, CHAIN.leaf.pin) == (CHAIN.pems, CHAIN.root.pem)


def test_too_many() -> None:
    """Certificates of one name beyond all measure are refused at once."""
    many = [make("Test Intermediate", ca=True, key=CHAIN.middle.key).pem for _ in range(64)]
    with pytest.raises(CertctlError, match="65 certificates are too many"):
        order_chain([CHAIN.leaf.pem, *many], CHAIN.leaf.pin)


def test_old_root_with_weak_signature(tmp_path: Path) -> None:
    """A root that signed itself with SHA-1 is still known as a root."""
    key = ec_key()
    root = Made(make("Old Root", ca=True, key=key).certificate, key)
    (tmp_path / "key.pem").write_bytes(root.key_pem)
    command = ["openssl", "req", "-x509", "-key", "key.pem", "-sha1", "-subj", "/CN=Old Root", "-days", "9"]
    sha1 = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
    leaf = make("mx.example.test", root)
    assert order_chain([sha1, leaf.pem], leaf.pin) == ([leaf.pem], sha1)
