"""Puts certificates in order: from any heap of them to leaf, intermediates, root."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from certctl.core.x509_load import Certificate, load
from certctl.errors import CertctlError

# Certificates that sign each other in a ring could be arranged in more ways than there is time for.
_MAX_RELATED = 64
_MAX_DEPTH = 10
_MAX_PATHS = 500


def order_chain(
    pems: Sequence[bytes], key_spki_sha256: str, *, now: datetime | None = None
) -> tuple[list[bytes], bytes | None]:
    """Return the chain for the key (leaf first, no root) and the root, where it is among *pems*.

    Every link of it is a signature that was verified. What is there twice or has
    no part in the chain is left out. Where certificates offer several ways up
    (cross-signing, a renewed intermediate), the one is taken that is valid at
    *now* (if given), ends in a root, and lasts longest. A leaf that signed
    itself is a chain of one and its own root.

    Raises CertctlError if no certificate carries the key, or if one is missing
    between the leaf and its root; whether the chain may be used is `check`'s to say.
    """
    found = [load(data) for data in dict.fromkeys(pems)]
    leaf = _leaf(found, key_spki_sha256)
    if issued_itself(leaf):
        return [leaf.pem], leaf.pem
    paths = list(islice(_paths(leaf, _related(leaf, found)), _MAX_PATHS))
    best = max(paths, key=lambda path: _merit(path, now))
    top = best[-1]
    if issued_itself(top):
        return [certificate.pem for certificate in best[:-1]], top.pem
    on_a_way = {certificate.der for path in paths for certificate in path}
    unused = [certificate for certificate in found if certificate.der not in on_a_way]
    namesakes = [c for c in unused if c.subject_der == top.issuer_der]
    roots = [c for c in unused if c.is_ca and issued_itself(c)]
    if len(best) == 1 or namesakes or roots:
        raise _missing_issuer(top, namesakes, roots)
    return [certificate.pem for certificate in best], None


def issued(issuer: Certificate, subject: Certificate) -> bool:
    """Whether *subject* names *issuer* as its issuer and carries its signature.

    Weak signatures (SHA-1, MD5) no longer verify in the library. They are taken
    for what they say, so that a chain can be put together, and an old root be
    known as one; `check` refuses every other certificate that has one.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    if subject.issuer_der != issuer.subject_der:
        return False
    if subject.has_weak_signature:
        return None in (subject.issuer_key_id, issuer.key_id) or subject.issuer_key_id == issuer.key_id
    try:
        subject.parsed.verify_directly_issued_by(issuer.parsed)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def issued_itself(certificate: Certificate) -> bool:
    return issued(certificate, certificate)


def _missing_issuer(
    below: Certificate, namesakes: Sequence[Certificate], roots: Sequence[Certificate]
) -> CertctlError:
    """Return the error that names what has to stand above *below*."""
    where = f"from {' or '.join(below.issuer_urls)}" if below.issuer_urls else "from the CA"
    hint = f"get it {where}, and add it; if it is the root itself, add the root"
    if namesakes:
        return CertctlError(
            f"{below.label} was not signed by the {namesakes[0].label} that is there: "
            "its signature is damaged, or that is an issuer of the same name with another key",
            hint,
        )
    beside = f" ({', '.join(c.label for c in roots[:3])} is there, but did not sign it)" if roots else ""
    return CertctlError(
        f"the certificate of the issuer {below.issuer!r} is missing, which signed {below.label}{beside}", hint
    )


def _leaf(found: Sequence[Certificate], key: str) -> Certificate:
    """Return the newest certificate of *key*."""
    carriers = [certificate for certificate in found if certificate.key_sha256 == key]
    if carriers:
        return max(carriers, key=lambda certificate: (certificate.not_before, certificate.not_after))
    if not found:
        raise CertctlError("there is no certificate in what was received")
    others = ", ".join(f"{certificate.label} has {certificate.key_sha256}" for certificate in found[:4])
    raise CertctlError(
        f"none of {len(found)} certificates is for the key {key}: {others}",
        "it was issued for another request, or for an older one: have the present one signed",
    )


def _related(leaf: Certificate, found: Sequence[Certificate]) -> list[Certificate]:
    """Return those that by their names may stand above *leaf*: of a whole CA bundle only a few."""
    names, related = {leaf.issuer_der}, [leaf]
    left = [certificate for certificate in found if certificate is not leaf]
    while more := [certificate for certificate in left if certificate.subject_der in names]:
        left = [certificate for certificate in left if certificate.subject_der not in names]
        related += more
        names = {certificate.issuer_der for certificate in more}
        if len(related) > _MAX_RELATED:
            raise CertctlError(
                f"{len(related)} certificates are too many for one chain", "give only those of its chain"
            )
    return related


def _paths(leaf: Certificate, found: Sequence[Certificate]) -> Iterator[list[Certificate]]:
    """Yield every way up from *leaf* that cannot be made longer."""
    above: dict[bytes, list[Certificate]] = {}

    def climb(path: list[Certificate]) -> Iterator[list[Certificate]]:
        top = path[-1]
        if top.der not in above:
            above[top.der] = [c for c in found if issued(c, top)]
        # The same CA under another signature would be a ring, not a way up.
        keys = {(c.subject_der, c.key_der) for c in path}
        steps = [c for c in above[top.der] if (c.subject_der, c.key_der) not in keys]
        if top in above[top.der] or not steps or len(path) >= _MAX_DEPTH:
            yield path
            return
        for step in steps:
            yield from climb([*path, step])

    return climb([leaf])


def _merit(path: list[Certificate], now: datetime | None) -> tuple[bool, bool, datetime, int]:
    """Rank a way up; the leaf, which all have in common, has no say."""
    top = path[-1]
    ends = [certificate.not_after for certificate in path[1:] or path]
    alive = now is None or all(c.not_before <= now < c.not_after for c in path[1:])
    return alive, issued_itself(top), min(ends), -len(path)
