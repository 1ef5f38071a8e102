"""DH parameters made and confirmed, as the bytes of a file; writing it is the store's business."""

from __future__ import annotations

from collections.abc import Callable

from certctl.dhparam import ffdhe
from certctl.dhparam.check import MAX_BITS, MIN_BITS, Kind, confirm
from certctl.dhparam.pem import DHParameters, encode
from certctl.dhparam.progress import Progress
from certctl.errors import CertctlError


def make(
    bits: int,
    source: Kind,
    *,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> bytes:
    """Return new DH parameters of *bits* as PEM: a safe prime of one's own (generate) or RFC 7919's (ffdhe).

    The generator is 2 and generates the subgroup of prime order. Somebody else than
    the search has confirmed the prime when this returns. *workers*, *progress* and
    *stop* are those of `find_safe_prime`, and so are the errors.
    """
    if bits > MAX_BITS:
        raise CertctlError(
            f"dh parameters of {bits} bits are more than openssl can use",
            f"bits = {MIN_BITS} is what servers expect",
            transient=False,
        )
    if source == "ffdhe":
        parameters = ffdhe.group(bits)
    else:
        from certctl.dhparam.search import find_safe_prime

        p = find_safe_prime(bits, workers=workers, progress=progress, stop=stop)
        parameters = DHParameters(p, 2, ffdhe.private_bits(bits))
    pem = encode(parameters)
    confirm(pem, min_bits=min(bits, MIN_BITS), name="the new dh parameters", stop=stop)
    return pem
