"""Makes the private keys of a generation; nothing here writes one to disk."""

from __future__ import annotations

import os
from collections.abc import Sequence

from certctl.x509.keys import generate, make_csr

__all__ = ["generate", "generate_many", "make_csr"]


def generate_many(algorithms: Sequence[str]) -> list[bytes]:
    """Return a new key for each of *algorithms*, in their order.

    RSA keys are made in threads, one a processor: cryptography lets go of the
    interpreter while OpenSSL looks for primes (releases before 2026 do not, and
    are then as fast as one after the other). The others take microseconds.
    """
    from certctl.system.pool import Pool

    slow = [at for at, algorithm in enumerate(algorithms) if algorithm.startswith("rsa-")]
    if len(slow) < 2:
        return [generate(algorithm) for algorithm in algorithms]
    with Pool(min(len(slow), os.cpu_count() or 1)) as pool:
        made = dict(zip(slow, pool.map(generate, (algorithms[at] for at in slow)), strict=True))
    return [made[at] if at in made else generate(algorithm) for at, algorithm in enumerate(algorithms)]
