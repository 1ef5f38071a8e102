"""The two clocks: when a certificate is renewed, and when its key is rotated."""

from __future__ import annotations

from datetime import datetime, timedelta

from certctl.planning.spec import DAY, CertificateSpec
from certctl.planning.state import Generation, KeyRecord
from certctl.planning.times import after

SHORT_LIVED = 10 * DAY
"""Up to this lifetime a certificate is renewed at half of it, above at two thirds."""

PAUSE_SHARE = 0.1
LONGEST_PAUSE = timedelta(days=1)
ADVISED_PAUSE = timedelta(hours=1)


def renew_at(spec: CertificateSpec, generation: Generation) -> datetime | None:
    """When *generation*'s certificates are to be renewed; None before they are issued.

    "auto" follows the CA's advice (RFC 9773) where there is some; one that would come after the
    end, from a clock that was ahead, is none. A
    *renew_before* that is no shorter than the lifetime would renew in every pass,
    so auto is used then.
    """
    if spec.renew_before is None and generation.advice is not None and generation.issuance:
        advised, end = generation.advice.renew_at, generation.not_after
        if end is None or advised < end:
            return advised
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


def due_at(spec: CertificateSpec, generation: Generation) -> datetime | None:
    """From when on a renewal is asked for: as `renew_at`, but never right after an issuance.

    What was due again when it was issued (an old or back-dated certificate, a CA whose
    clock lags) is used for a tenth of what is left of it, a day at most, before the CA is
    asked once more: it would answer the same.
    """
    due, pause = renew_at(spec, generation), paused_until(spec, generation)
    return due if due is None or pause is None else max(due, pause)


def paused_until(spec: CertificateSpec, generation: Generation) -> datetime | None:
    """Until when the certificates of *generation* are used, though they were due again when issued.

    A CA may advise to renew what it issued just now, but once an hour at most. None: they were not due.
    """
    due, issued, end = renew_at(spec, generation), generation.issued_at, generation.not_after
    if due is None or issued is None or end is None or end <= issued:
        return None
    advised = generation.advice is not None and due == generation.advice.renew_at
    if due > issued and not advised:
        return None
    return issued + min((end - issued) * PAUSE_SHARE, ADVISED_PAUSE if advised else LONGEST_PAUSE)


def rotate_at(spec: CertificateSpec, generation: Generation | None) -> datetime | None:
    """When the keys of *generation* have served for *rotate_every*; None: never, or not served yet."""
    if generation is None or generation.rotates_from is None or spec.rotate_every is None:
        return None
    return after(generation.rotates_from, spec.rotate_every)
