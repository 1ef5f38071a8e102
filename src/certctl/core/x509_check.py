"""Says everything that keeps a chain from being served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from certctl.core.x509_chain import issued, issued_itself
from certctl.core.x509_load import ANY_PURPOSE, CLIENT_AUTH, SERVER_AUTH, Certificate, load
from certctl.core.x509_names import outside
from certctl.errors import CertctlError


def check(
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
