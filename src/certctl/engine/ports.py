"""The adapters of one engine, bundled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from certctl.core.spec import DhparamSpec, HookSpec
    from certctl.engine.outcome import Report
    from certctl.ports import Announcer, Following, HookRunner, Issuer, Store

Progress = Callable[[object], None]
"""Called now and then during long work, with a value that the CLI knows how to show."""


class Adapters(NamedTuple):
    """Everything that the engine reaches the outside by."""

    store: Store
    issuer: Callable[[str], Issuer]
    """By name; raises CertctlError where it cannot be had."""
    announcer: Callable[[str], Announcer]
    make_keys: Callable[[Sequence[str]], list[bytes]]
    """A new private key (PKCS #8 PEM) for each algorithm."""
    make_dhparam: Callable[[DhparamSpec, Progress | None], bytes]
    """DH parameters (PEM), confirmed by somebody else than who made them."""
    resolve_hook: Callable[[HookSpec], Sequence[str]]
    """The argument vector of a hook. Raises CertctlError."""
    run_hook: HookRunner
    hook_basis: Callable[[HookSpec], str]
    """Identity of the program that would run, so that a mended hook is tried at once."""
    hook_path: Callable[[], str]
    """PATH as hooks get it."""
    clock: Callable[[], datetime]
    report: Report
    stop: Callable[[], bool]
    """Asked between steps: True ends the pass after the step in hand."""
    following: Following | None = None
    """Follows peers' feeds; None where there are no peers."""
