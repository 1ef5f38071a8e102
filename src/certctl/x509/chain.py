"""Chains: any heap of certificates put in order, leaf to root; and what keeps a chain from being served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice, pairwise

from certctl.errors import CertctlError
from certctl.x509.certificate import ANY_PURPOSE, CLIENT_AUTH, SERVER_AUTH, Certificate, load
from certctl.x509.names import outside

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
    between the leaf and its root; whether the chain may be used is `check_chain`'s to say.
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
    known as one; `check_chain` refuses every other certificate that has one.
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


def check_chain(
    chain: Sequence[bytes],
    *,
    spki_sha256: str,
    names: Sequence[str],
    now: datetime,
    root: bytes | None = None,
) -> None:
    """Raise CertctlError, which names all that is wrong, unless *chain* may be served at *now*.

    *chain* is PEM, leaf first, each followed by its issuer; *root* is the trust
    anchor, where it is known. Rules, beside those of RFC 5280 §6.1 on links:

    - Each of *names* has to stand in the leaf as it is configured. A wildcard
      does not stand for a name below it: whoever wants it writes the wildcard
      into `names`, else a change of the configuration would go unseen. Names
      beyond those are welcome.
    - No clock skew is allowed for: what is not valid yet would be refused by
      peers whose clocks are right, so it is taken a little later.
    - A leaf that did not sign itself needs its issuer's certificate, in the
      chain or as *root*.
    """
    if not chain:
        raise CertctlError("there is no certificate in the chain")
    path = [load(data) for data in chain]
    anchor = load(root) if root is not None else None
    problems = [*_leaf_problems(path[0], spki_sha256, names), *_link_problems(path, anchor)]
    problems += [problem for c in path for problem in _time_problems(c, now)]
    if anchor is not None and anchor != path[-1]:
        problems += _time_problems(anchor, now)
    if problems:
        raise CertctlError("; ".join(problems))


def _leaf_problems(leaf: Certificate, key: str, names: Sequence[str]) -> Iterator[str]:
    if leaf.key_sha256 != key:
        yield f"{leaf.label} is for another key: it has {leaf.key_sha256}, wanted is {key}"
    if leaf.is_ca:
        yield f"{leaf.label} is the certificate of a CA, not of a server"
    lost = [name for name in names if name not in leaf.names]
    if lost:
        has = ", ".join(leaf.names) or "no name"
        yield f"{leaf.label} does not name {', '.join(lost)} (it names {has})"
    if leaf.purposes and not {SERVER_AUTH, CLIENT_AUTH, ANY_PURPOSE} & set(leaf.purposes):
        yield f"{leaf.label} is for other purposes than TLS ({', '.join(leaf.purposes)})"


def _link_problems(path: Sequence[Certificate], anchor: Certificate | None) -> Iterator[str]:
    whole = [*path, anchor] if anchor is not None and anchor != path[-1] else list(path)
    for below, above in pairwise(whole):
        if below.issuer_der != above.subject_der:
            yield f"{below.label} was issued by {below.issuer!r}, but {above.label} comes after it"
        elif not issued(above, below):
            yield f"the signature on {below.label} was not made by {above.label}, or was damaged"
    if len(whole) == 1 and not issued_itself(path[0]):
        yield f"the chain ends at {path[0].label}: the certificate of {path[0].issuer!r} is missing"
    for certificate in path:
        if certificate.has_weak_signature and not (certificate.is_ca and issued_itself(certificate)):
            yield f"{certificate.label} has a weak signature ({certificate.signature_hash})"
    for depth, certificate in enumerate(whole[1:]):
        yield from _issuer_problems(certificate, depth, path[0])


def _issuer_problems(issuer: Certificate, depth: int, leaf: Certificate) -> Iterator[str]:
    """*depth*: how many intermediates stand between *issuer* and the leaf."""
    if not issuer.is_ca:
        yield f"{issuer.label} is no CA, yet it stands in the chain as one"
    if not issuer.may_sign:
        yield f"{issuer.label} may not sign certificates (keyUsage)"
    if issuer.path_length is not None and depth > issuer.path_length:
        yield f"{issuer.label} allows {issuer.path_length} intermediates below it, there are {depth}"
    if issuer.constraints is not None:
        lost = outside(leaf.names, issuer.constraints)
        if lost:
            yield f"{issuer.label} may not issue for {', '.join(lost)} (name constraints)"


def _time_problems(certificate: Certificate, now: datetime) -> Iterator[str]:
    if now < certificate.not_before:
        yield f"{certificate.label} is not valid before {certificate.not_before:%Y-%m-%dT%H:%M:%SZ}"
    if now >= certificate.not_after:
        yield f"{certificate.label} expired at {certificate.not_after:%Y-%m-%dT%H:%M:%SZ}"
