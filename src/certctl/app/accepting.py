"""accept: completes the request of a csr issuer with what a CA sent back."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.app import passes, wiring
from certctl.app.names import certificates
from certctl.errors import CertctlError
from certctl.planning.spec import Spec
from certctl.planning.state import CertificateState
from certctl.store.layout import Layout
from certctl.system import files


def accept(spec: Spec, name: str, paths: Sequence[str], options: passes.Options) -> passes.Ran:
    """Take the certificates in *paths* (any order, with their intermediates), then run a pass.

    Raises CertctlError, with nothing changed, where they do not complete a request:
    the certificate of another key, a missing intermediate, other names.
    """
    from certctl.issuers import accepting

    certificates(spec, [name])
    data = [files.read_given(path) for path in paths]

    def take(state: CertificateState) -> CertificateState:
        layout = Layout(spec.state_dir)
        generations = [state.slot(slot) for slot in ("next", "current", "previous")]
        numbers = [generation.number for generation in generations if generation is not None]
        requests = [r for number in numbers for r in accepting.pending(layout.work(name, number))]
        if not requests:
            raise CertctlError(
                f"{name} has no request that waits for a certificate",
                f"see what there is: certctl status {name}",
                transient=False,
            )
        accepting.accept(requests, data, wiring.clock())
        return state._replace(waiting=None)

    return passes.ask(spec, [name], take, "accepted", options)
