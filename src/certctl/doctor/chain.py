"""A leaf and its issuers as they stand in a file: the right order, nothing missing, valid, strong enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from certctl.doctor.finding import Finding, Place, Used
from certctl.doctor.trust import issued_by_root
from certctl.errors import CertctlError
from certctl.x509.certificate import Certificate
from certctl.x509.chain import order_chain

ISSUE_ANEW = (
    "certctl renew NAME; who pins the key is not touched, who pins the certificate breaks, "
    'unless pin = "certificate" has it announced before'
)
"""Advice that changes what peers may have pinned says so."""


class Scene(NamedTuple):
    """What every check of keys and certificates needs."""

    place: Place
    now: datetime
    roots: tuple[str, ...] = ()
    """Files with further roots, such as the server's CAfile."""
    reload: str = ""
    """What makes the server read its files again."""


def check_chain(
    scene: Scene, path: str, leaf: Certificate, certificates: Sequence[Certificate]
) -> Iterator[Finding | Used]:
    """Check *certificates*, among them *leaf*, as they follow each other in *path*."""
    yield Used(scene.place.subject, path, _digest(leaf), leaf.names)
    yield from _check_order(scene, path, leaf, certificates)
    yield from _check_validity(scene, path, certificates)
    if not leaf.names:
        yield scene.place.warning(
            "no-names",
            f"{path}: {leaf.label} has no subjectAltName, and the subject's name no longer counts",
            f"have it issued anew with its names: {ISSUE_ANEW}",
            path,
        )
    for one in certificates:
        if one.has_weak_signature and one.subject_der != one.issuer_der:
            yield scene.place.warning(
                "weak-signature",
                f"{path}: {one.label} is signed with {one.signature_hash}, which can be forged",
                f"have it issued anew: {ISSUE_ANEW}",
                path,
            )


def _check_order(
    scene: Scene, path: str, leaf: Certificate, certificates: Sequence[Certificate]
) -> Iterator[Finding]:
    have = [one.pem for one in certificates]
    try:
        chain, root = order_chain(have, leaf.key_sha256, now=scene.now)
    except CertctlError as error:
        if not _whole_up_to_a_root(scene, leaf, certificates):
            yield scene.place.warning(
                "chain-incomplete",
                f"{path}: an intermediate certificate is missing: {error.message}",
                f"use fullchain.pem, or append the intermediate: cat chain.pem >>{path}; then {scene.reload}",
            )
        return
    whole = [*chain, *([root] if root and root not in chain else [])]
    if have in (chain, whole):
        return
    if len(have) == len(set(have)) and set(have) <= set(whole):
        # A leaf that is not first fails at once; intermediates in disorder fail with strict peers.
        say = scene.place.warning if certificates[0] is leaf else scene.place.error
        yield say(
            "chain-order",
            f"{path}: the certificates are not in order: first the server's, then each one's issuer",
            f"write them anew in order: cat cert.pem chain.pem; then {scene.reload}",
        )
        return
    extra = [one.label for at, one in enumerate(certificates) if one.pem not in whole or one.pem in have[:at]]
    yield scene.place.warning(
        "chain-extra",
        f"{path}: certificates that are no part of the chain are sent too: {', '.join(extra)}",
        f"take them out of {path}; then {scene.reload}",
    )


def _whole_up_to_a_root(scene: Scene, leaf: Certificate, certificates: Sequence[Certificate]) -> bool:
    """Whether a known root signed one of *certificates*, so that only the root is missing, as it should."""
    return certificates[0] == leaf and issued_by_root(certificates[-1], scene.roots)


def _check_validity(scene: Scene, path: str, certificates: Sequence[Certificate]) -> Iterator[Finding]:
    for one in certificates:
        what = f"{path}: {one.label}"
        fix = f"{ISSUE_ANEW}; or have it issued anew elsewhere, then {scene.reload}"
        left = one.not_after - scene.now
        if left <= timedelta(0):
            yield scene.place.error(
                "expired", f"{what} expired {one.not_after:%Y-%m-%d %H:%M} UTC", fix, path
            )
        elif one.not_before > scene.now:
            yield scene.place.error(
                "not-yet-valid",
                f"{what} is valid only from {one.not_before:%Y-%m-%d %H:%M} UTC",
                "check the clock: date -u",
            )
        elif left < soon(one.not_after - one.not_before):
            yield scene.place.warning(
                "expires-soon", f"{what} expires {one.not_after:%Y-%m-%d %H:%M} UTC", fix, path
            )


def soon(life: timedelta) -> timedelta:
    """Remaining life below which a renewal is long overdue: a tenth of the life, at most 30 days."""
    return min(life / 10, timedelta(days=30))


def _digest(leaf: Certificate) -> str:
    from certctl.x509.certificate import sha256

    return sha256(leaf.der)
