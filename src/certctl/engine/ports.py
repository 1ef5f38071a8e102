"""The adapters of one engine, bundled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from certctl.engine.outcome import Report
    from certctl.planning.spec import CertificateSpec, DhparamSpec, HookSpec
    from certctl.planning.state import CertificateState
    from certctl.ports import Announcer, Clocks, Following, Hold, HookRunner, Issuer, Store

Progress = Callable[[object], None]
"""Called now and then during long work, with a value that the CLI knows how to show."""


class Adapters:
    """Everything that the engine reaches the outside by.

    A plain class: the annotations of a NamedTuple would be looked at at start-up.
    """

    def __init__(
        self,
        *,
        store: Store,
        issuer: Callable[[str], Issuer],
        announcer: Callable[[str], Announcer],
        make_keys: Callable[[Sequence[str]], list[bytes]],
        make_dhparam: Callable[[DhparamSpec, Progress | None], bytes],
        resolve_hook: Callable[[HookSpec], Sequence[str]],
        run_hook: HookRunner,
        hook_basis: Callable[[HookSpec], str],
        hook_path: Callable[[], str],
        clock: Callable[[], datetime],
        report: Report,
        stop: Callable[[], bool],
        following: Following | None = None,
        prove: Callable[[CertificateSpec, CertificateState], Sequence[str]] = lambda *_: (),
        hook_problem: Callable[[HookSpec], str | None] = lambda _: None,
        outside: Hold = nullcontext,
        inside: Hold = nullcontext,
        clocks: Clocks | None = None,
    ) -> None:
        self.store = store
        self.issuer = issuer
        """By name; raises CertctlError where it cannot be had."""
        self.announcer = announcer
        self.make_keys = make_keys
        """A new private key (PKCS #8 PEM) for each algorithm."""
        self.make_dhparam = make_dhparam
        """DH parameters (PEM), confirmed by somebody else than who made them."""
        self.resolve_hook = resolve_hook
        """The argument vector of a hook. Raises CertctlError."""
        self.run_hook = run_hook
        self.hook_basis = hook_basis
        """Identity of the program that would run, so that a mended hook is tried at once."""
        self.hook_problem = hook_problem
        """Why a hook could not be run at all, with what to type; None: it could."""
        self.hook_path = hook_path
        """PATH as hooks get it."""
        self.clock = clock
        self.report = report
        self.stop = stop
        """Asked between steps: True ends the pass after the step in hand."""
        self.following = following
        """Follows peers' feeds; None where there are no peers."""
        self.prove = prove
        """Probes what is really served, until it has settled; what is wrong then, a sentence each."""
        self.outside = outside
        """A context without the lock, for what is asked of others; only the thread of the pass enters it."""
        self.inside = inside
        """A context with the lock, for a thread while the pass is outside."""
        self.clocks = clocks
        """What the time of day is checked against; None: it is believed."""
