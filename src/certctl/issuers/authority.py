"""A private CA in its files: made where something is missing, renewed in time.

Keys are durable before a certificate for them exists, and a certificate before
one below it does. So whatever a crash leaves is a CA whose later pieces are
missing, and they are made from those that are there.

A renewal keeps the key and the subject, of the intermediate as of the root: what
either signed stays valid under the new certificate, and peers who have the old
root need not hurry. A new key would protect nothing, as it would lie beside the
old one. Whoever wants a new intermediate key moves intermediate.* away.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from certctl.errors import IssuerError
from certctl.issuers.authority_files import WISH, Held, check_not_lost, read
from certctl.issuers.leaf import Lifetime, certificate, key_usage, lifetime
from certctl.planning.spec import PrivateCaOptions
from certctl.store import atomic
from certctl.x509.certificate import Certificate, load
from certctl.x509.keys import generate, load_private_key, signature_hash, signing
from certctl.x509.names import Constraints, closed, constraint_names, subject

if TYPE_CHECKING:
    from cryptography import x509

    from certctl.x509.keys import PrivateKey

CONFIRM = "see whether the clock is right; if it is: certctl run --accept-clock"
_SPARE = 0.25  # of its life a certificate is renewed before, where nothing asks for more
_MOST = 0.75  # of its life can be asked for: a longer leaf is cut, or every leaf would renew the CA


class Authority(NamedTuple):
    """A CA that can sign."""

    root: Certificate
    intermediate: Certificate
    key: PrivateKey
    """The intermediate's."""


class Need(NamedTuple):
    """What a CA is needed for."""

    home: str
    title: str
    """What the subjects of a new CA begin with."""
    options: PrivateCaOptions
    now: datetime
    validity: float
    """Seconds that a leaf is to last."""
    kept: Callable[[], Sequence[str]] = tuple
    """Certificates of this CA that there are already."""
    sure: bool = True
    """Whether *now* is believed; else nothing is made or renewed here: it would last for years."""


class _Kind(NamedTuple):
    """What a CA's certificate says; a renewal says the same, whatever was configured since."""

    subject: x509.Name
    path_length: int | None
    limits: x509.NameConstraints | None


def ensure(need: Need) -> Authority:
    """Return the CA, able to outlive the leaf; make what is missing.

    A certificate of the CA is renewed when less than a quarter of its life is left,
    or less than the leaf asks for (but no earlier than after a quarter of its life).
    Raises CertctlError if a file is damaged, does not fit the others, or is needed
    and missing; and if the root is gone while certificates below it are kept. The caller holds a lock.
    """
    held = read(need.home)
    if not need.sure and (held.root is None or held.intermediate is None):
        raise IssuerError("a CA is not made while it is not sure what time it is", CONFIRM)
    if held.root is None:
        check_not_lost(need.home, need.kept())
    atomic.make_directory(need.home)
    held = _with_keys(need, held)
    root = _root(need, held)
    intermediate = _intermediate(need, held, root)
    wanted = os.path.join(need.home, WISH)
    if os.path.lexists(wanted):
        # It was for this CA; the next one that is lost is to be asked for again.
        atomic.remove(wanted)
    return Authority(root, intermediate, load_private_key(held.key or b""))


def is_due(ca: Authority, need: Need) -> bool:
    """Whether `ensure` would have something to renew."""
    return bool(_root_due(ca.root, need) or _intermediate_due(ca.intermediate, ca.root, need))


def _with_keys(need: Need, held: Held) -> Held:
    """Make the keys that are still to get a certificate. They stay as they are when `key` changes later."""
    fresh: dict[str, bytes] = {}
    if held.root is None and held.root_key is None:
        fresh["root.key"] = generate(need.options.key)
    if held.intermediate is None and held.key is None:
        fresh["intermediate.key"] = generate(need.options.key)
    if fresh:
        batch = atomic.Batch()
        for name, key in fresh.items():
            batch.file(os.path.join(need.home, name), key, 0o600)
        atomic.commit(batch)
    return held._replace(
        root_key=fresh.get("root.key", held.root_key), key=fresh.get("intermediate.key", held.key)
    )


def _root(need: Need, held: Held) -> Certificate:
    old = held.root
    if old is not None:
        due = _root_due(old, need)
        if not due or (held.root_key is None and due == "soon"):
            return old
    key = load_private_key(_root_key(need, held, "root.pem"))
    kind = _kind_of(old) if old else _new_kind(need, "Root", 1)
    return _sign(need, kind, key, None, key, lifetime(need.now, need.options.root_validity))


def _intermediate(need: Need, held: Held, root: Certificate) -> Certificate:
    old = held.intermediate
    if old is not None:
        due = _intermediate_due(old, root, need)
        if not due or (held.root_key is None and due == "soon"):
            return old
    root_key = load_private_key(_root_key(need, held, "intermediate.pem"))
    kind = _kind_of(old) if old else _new_kind(need, "Intermediate", 0)
    valid = lifetime(need.now, need.options.intermediate_validity)
    valid = Lifetime(max(valid.not_before, root.not_before), min(valid.not_after, root.not_after))
    return _sign(need, kind, load_private_key(held.key or b""), root, root_key, valid)


def _root_due(root: Certificate, need: Need) -> str:
    return _due(root, need, need.options.root_validity)


def _intermediate_due(held: Certificate, root: Certificate, need: Need) -> str:
    root_left = (root.not_after - need.now).total_seconds()
    return _due(held, need, min(need.options.intermediate_validity, root_left))


def _due(held: Certificate, need: Need, length: float) -> str:
    """Say whether to renew: "" (no), "soon", or "now"; never for a certificate that would end no later.

    One that is yet to come was made by a clock that was ahead, and is good for nothing.
    *length*: seconds that a new one would last.
    """
    if not need.sure:
        return ""
    if held.not_before > need.now:
        return "now"
    left = (held.not_after - need.now).total_seconds()
    life = (held.not_after - held.not_before).total_seconds()
    if int(length) <= left:
        return ""
    if left < min(need.validity, life * _MOST):
        return "now"
    return "soon" if left < life * _SPARE else ""


def _new_kind(need: Need, role: str, more: int) -> _Kind:
    """*more*: how many CAs may stand between this one and those that path_length counts."""
    from cryptography import x509

    options = need.options
    limits = closed(Constraints(options.permitted_names, options.excluded_names))
    trees = [constraint_names(part) for part in limits]
    return _Kind(
        subject(f"{need.title} {role}"),
        options.path_length + more,
        x509.NameConstraints(*trees) if any(trees) else None,
    )


def _kind_of(old: Certificate) -> _Kind:
    from cryptography import x509

    limits = None
    if old.constraints is not None:
        limits = old.parsed.extensions.get_extension_for_class(x509.NameConstraints).value
    return _Kind(old.parsed.subject, old.path_length, limits)


def _sign(
    need: Need,
    kind: _Kind,
    key: PrivateKey,
    issuer: Certificate | None,
    issuer_key: PrivateKey,
    valid: Lifetime,
) -> Certificate:
    """Sign a CA's certificate and write it: the root's if *issuer* is None, else the intermediate's."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    above = issuer.parsed.subject if issuer else kind.subject
    builder = (
        certificate(key.public_key(), kind.subject, above, issuer_key, valid)
        .add_extension(x509.BasicConstraints(True, kind.path_length), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
    )
    if kind.limits is not None:
        builder = builder.add_extension(kind.limits, critical=True)
    with signing(f"a key in {need.home}"):
        signed = builder.sign(issuer_key, signature_hash(issuer_key))
        # A damaged key must show before its work is on disk.
        signed.verify_directly_issued_by(issuer.parsed if issuer else signed)
    pem = signed.public_bytes(Encoding.PEM)
    atomic.write(os.path.join(need.home, "intermediate.pem" if issuer else "root.pem"), pem, 0o644)
    return load(pem)


def _root_key(need: Need, held: Held, wanted: str) -> bytes:
    if held.root_key is not None:
        return held.root_key
    raise IssuerError(
        f"{os.path.join(need.home, 'root.key')} is not there, and {wanted} has to be signed with it",
        f"put it back into {need.home} for one pass",
    )
