"""The keys of a next generation: new ones, the current ones again, or those that a crash left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from certctl.engine.ports import Adapters
from certctl.planning.spec import CertificateSpec
from certctl.planning.state import CertificateState, KeyRecord
from certctl.planning.steps import Step


class Keys(NamedTuple):
    """The keys of one generation."""

    number: int
    records: tuple[KeyRecord, ...]
    data: tuple[bytes, ...]
    """PEM, one for each record."""
    made: str
    """Where they are from, for people."""


AHEAD = 16
"""Keys that are made together: enough to keep processors busy, few enough to be worth little when killed."""

Make = Callable[[Sequence[str]], Sequence[bytes]]
"""A new private key (PEM) for each algorithm."""


def for_all(make: Make, wanted: Sequence[Sequence[str]]) -> Make:
    """*make* for certificates that ask one after the other for what is *wanted*, made for several at once.

    So RSA keys of different certificates are made on all processors, as those of one are.
    """
    coming = Counter(algorithm for algorithms in wanted for algorithm in algorithms)
    stock: dict[str, list[bytes]] = {}

    def get(algorithms: Sequence[str]) -> list[bytes]:
        for algorithm in algorithms:
            if not stock.get(algorithm):
                count = max(min(coming[algorithm], AHEAD), 1)
                stock[algorithm] = list(make([algorithm] * count))
                coming[algorithm] -= count
        return [stock[algorithm].pop() for algorithm in algorithms]

    return get


def keys(
    adapters: Adapters, cert: CertificateSpec, state: CertificateState, step: Step, make: Make | None = None
) -> Keys:
    """The keys that a make-key *step* asks for. Raises CertctlError.

    *make* makes new ones, by default the adapters'.

    A pass that was killed between keeping keys and recording them left them where
    nobody else looks: they are as good as new ones.
    """
    current = state.current
    if step.reuse and current:
        again = tuple(adapters.store.read_key(cert.name, current, key) for key in current.keys)
        return _recorded(adapters, state, current.algorithms, again, "has the current key")
    left = adapters.store.unrecorded_keys(state, cert.keys)
    if left is not None and not _known(state, left):
        return _recorded(adapters, state, cert.keys, left, "has the keys that an interrupted pass made")
    made = tuple((make or adapters.make_keys)(cert.keys))
    return _recorded(adapters, state, cert.keys, made, f"made a new {' and '.join(cert.keys)} key")


def _recorded(
    adapters: Adapters, state: CertificateState, algorithms: Sequence[str], data: tuple[bytes, ...], made: str
) -> Keys:
    number = adapters.store.free_number(state, data)
    records = [
        KeyRecord(algorithm, *key) for algorithm, key in zip(algorithms, map(_digests, data), strict=True)
    ]
    return Keys(number, tuple(records), data, made)


def _known(state: CertificateState, data: Sequence[bytes]) -> bool:
    """Whether a slot has one of these keys: they were left when the current ones were to be used again."""
    slots = (state.current, state.next, state.previous)
    known = {key.sha256 for generation in slots if generation for key in generation.keys}
    return any(_digests(key)[0] in known for key in data)


def _digests(pem: bytes) -> tuple[str, str, str]:
    from certctl.x509.keys import key_facts

    found = key_facts(pem).key
    return found.sha256, found.sha1, found.md5
