"""Which certificates of a CA of one's own are kept: what would be orphaned if it were made anew."""

from __future__ import annotations

from collections.abc import Iterable

from certctl.errors import CertctlError
from certctl.planning.state import SLOTS
from certctl.store import generations, records
from certctl.store.layout import Layout


def below_own_root(layout: Layout, names: Iterable[str], issuer: str) -> tuple[str, ...]:
    """Those of the certificates *names* that *issuer* gave together with its root.

    An issuer that had this name before, and was of another type, gave none: it does not
    count. What cannot be read counts, since nobody can tell.
    """
    return tuple(name for name in names if _has_one(layout, name, issuer))


def _has_one(layout: Layout, name: str, issuer: str) -> bool:
    try:
        state = records.load(layout, name)
        if state is None:
            return False
        found = [state.slot(slot) for slot in SLOTS]
        for generation in found:
            if generation is None or not generation.issuance or generation.issued_by != issuer:
                continue
            materials = generations.read_materials(layout, name, generation)
            if any(one.root is not None and one.root != one.leaf for one in materials):
                return True
    except CertctlError:
        return True
    return False
