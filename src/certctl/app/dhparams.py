"""dhparam: makes or checks DH parameters now."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from certctl.app import passes, wiring
from certctl.errors import CertctlError, UsageError
from certctl.planning.spec import Spec
from certctl.planning.times import rfc3339
from certctl.store import outputs


def check(spec: Spec, names: Collection[str], options: passes.Options) -> dict[str, Any]:
    """Make what is due, then have somebody else than its maker confirm what is in use.

    The document names for each file who confirmed it, or what is wrong. Raises
    UsageError for a name that is none.
    """
    for name in names:
        if name not in spec.dhparams:
            there = ", ".join(spec.dhparams) or "none"
            raise UsageError(f"{name} is no DH parameter file of {spec.path}", f"there are: {there}")
    wanted = [name for name in spec.dhparams if not names or name in names]
    if not wanted:
        raise UsageError(f"{spec.path} configures no DH parameters", "add a table [dhparam.NAME] with a path")
    ran = passes.run(spec, wanted, options)
    failed = {item.step.subject: item.error for item in ran.failed}
    return {
        "version": 1,
        "now": rfc3339(wiring.clock()),
        "dhparams": [_confirmed(spec, name, failed.get(name)) for name in wanted],
    }


def _confirmed(spec: Spec, name: str, error: CertctlError | None) -> dict[str, Any]:
    path = spec.dhparams[name].path
    row: dict[str, Any] = {"name": name, "path": path, "bits": None, "confirmed_by": None, "error": None}
    if error is not None:
        return {**row, "error": error.message}
    data = outputs.read(path)
    if data is None:
        return {**row, "error": f"{path} cannot be read"}
    from certctl.dhparam.check import check_pem, confirm

    try:
        bits = check_pem(data, name=path).bits
        return {**row, "bits": bits, "confirmed_by": confirm(data, name=path)}
    except CertctlError as found:
        return {**row, "error": found.message}
