"""The two clocks: when a certificate is renewed, and when its key is rotated."""

from __future__ import annotations

from datetime import datetime, timedelta

from certctl.core.model import Generation, KeyRecord
from certctl.core.spec import DAY, CertificateSpec
from certctl.core.times import after

SHORT_LIVED = 10 * DAY
"""Up to this lifetime a certificate is renewed at half of it, above at two thirds."""


def renew_at(spec: CertificateSpec, generation: Generation) -> datetime | None:
    """When *generation*'s certificates are to be renewed; None before they are issued.

    "auto" follows the CA's advice (RFC 9773) where there is some. A
    *renew_before* that is no shorter than the lifetime would renew in every pass,
    so auto is used then.
    """
    if spec.renew_before is None and generation.advice is not None and generation.issuance:
        return generation.advice.renew_at
    moments = [_renew_key_at(spec.renew_before, key) for key in generation.keys]
    known = [moment for moment in moments if moment is not None]
    return min(known) if known and len(known) == len(moments) else None


def _renew_key_at(renew_before: float | None, key: KeyRecord) -> datetime | None:
    if key.certificate is None:
        return None
    end = key.certificate.not_after
    lifetime = (end - key.certificate.not_before).total_seconds()
    if renew_before is None or renew_before >= lifetime:
        renew_before = lifetime / 2 if lifetime <= SHORT_LIVED else lifetime / 3
    return end - timedelta(seconds=renew_before)


def rotate_at(spec: CertificateSpec, generation: Generation | None) -> datetime | None:
    """When the keys of *generation* have served for *rotate_every*; None: never, or not served yet."""
    if generation is None or generation.rotates_from is None or spec.rotate_every is None:
        return None
    return after(generation.rotates_from, spec.rotate_every)
