"""A key and the certificate that goes with it, out of whatever files hold them: in order, and checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from certctl.errors import CertctlError
from certctl.onboarding.tools.common import Pair, read
from certctl.planning.state import CertificateRecord, KeyRecord
from certctl.x509 import ALGORITHMS, pem
from certctl.x509.bundle import Material
from certctl.x509.certificate import Certificate, certificate_facts, load
from certctl.x509.chain import check_chain, order_chain
from certctl.x509.formats import read_certificates
from certctl.x509.keys import key_facts, load_private_key, make_csr


def from_files(key: str, certificates: Sequence[str], now: datetime, others: Sequence[bytes] = ()) -> Pair:
    """The pair of the key in file *key* and its certificate among *certificates*, files in any order.

    *others* are certificates (PEM) that may help to make the chain whole. Raises
    CertctlError, which names the file.
    """
    data = read(key)
    try:
        private = private_key(data)
    except CertctlError as error:
        raise CertctlError(f"{key}: {error.message}", error.hint, transient=False) from error
    heap: list[bytes] = []
    for path in certificates:
        try:
            heap += read_certificates(read(path))
        except CertctlError as error:
            named = error.message if path in error.message else f"{path}: {error.message}"
            raise CertctlError(named, error.hint, transient=False) from error
    return make(private, [*heap, *others], now)


def private_key(data: bytes) -> bytes:
    """The one private key in PEM *data*, as PKCS #8. Raises CertctlError where there is none, or several."""
    found = private_keys(data)
    if not found:
        raise CertctlError(f"there is no private key in {pem.quote(data)}", transient=False)
    if len(found) > 1:
        raise CertctlError(f"it holds {len(found)} private keys", "give each a file of its own")
    return found[0]


def private_keys(data: bytes) -> list[bytes]:
    """All private keys in PEM *data*, as PKCS #8, each once. Raises CertctlError for an encrypted one."""
    found = [normalized(block.text) for block in pem.blocks(data) if block.label.endswith("PRIVATE KEY")]
    return list(dict.fromkeys(found))


def normalized(key_pem: bytes) -> bytes:
    """A private key as PKCS #8 PEM, which is how the store keeps them."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = load_private_key(key_pem)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make(key_pem: bytes, heap: Sequence[bytes], now: datetime) -> Pair:
    """The pair of a key (PKCS #8 PEM) and its certificate in *heap* (PEM, any order). Raises CertctlError.

    The newest certificate of the key is taken. One that has expired, or will soon,
    is as good: what counts is its key, and it is renewed in the next pass.
    """
    known = key_facts(key_pem)
    if known.algorithm not in ALGORITHMS:
        raise CertctlError(
            f"its key is {known.algorithm}, and certctl has only {', '.join(ALGORITHMS)}",
            "let the other tool make one of these first, or let certctl begin with a key of its own",
            transient=False,
        )
    chain, root = order_chain(heap, known.key.sha256, now=now)
    path = [load(data) for data in chain]
    leaf = path[0]
    self_signed = root == chain[0]
    if self_signed:
        _check_times(leaf, now)
    else:
        moment = now if now < leaf.not_after else min(c.not_after for c in path) - timedelta(seconds=1)
        check_chain(chain, spki_sha256=known.key.sha256, names=(), now=moment, root=root)
    names = leaf.names or _common_name(leaf)
    # Only a signature shows whether the private half is the one of the public half.
    make_csr(key_pem, ("localhost",))
    facts = certificate_facts(leaf.pem)
    certificate = CertificateRecord(*facts.certificate, facts.serial, facts.not_before, facts.not_after)
    return Pair(
        KeyRecord(known.algorithm, *known.key, certificate=certificate),
        Material(known.algorithm, key_pem, chain[0], tuple(chain[1:]), root),
        names,
        self_signed,
    )


def _check_times(leaf: Certificate, now: datetime) -> None:
    """Of a certificate that signed itself nothing else counts.

    Who pins it looks at no chain and no purpose, and `openssl req -x509` makes CAs of them.
    """
    if now < leaf.not_before:
        raise CertctlError(f"{leaf.label} is not valid before {leaf.not_before:%Y-%m-%dT%H:%M:%SZ}")


def _common_name(leaf: Certificate) -> tuple[str, ...]:
    """The host that an old certificate names in its subject only."""
    from cryptography.x509.oid import NameOID

    found = [str(entry.value) for entry in leaf.parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if not found:
        raise CertctlError(f"{leaf.label} names no host", transient=False)
    return (found[-1].lower(),)


def together(pairs: Iterable[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Of *pairs* for the same names: the newest for each kind of key, and the others."""
    kept: dict[str, Pair] = {}
    rest: list[Pair] = []
    for pair in pairs:
        before = kept.get(pair.algorithm)
        if before is not None and started(before) >= started(pair):
            rest.append(pair)
            continue
        if before is not None:
            rest.append(before)
        kept[pair.algorithm] = pair
    return list(kept.values()), rest


def started(pair: Pair) -> datetime:
    """When its certificate became valid."""
    assert pair.record.certificate is not None
    return pair.record.certificate.not_before
