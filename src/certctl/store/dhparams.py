"""DH parameters: whether what is kept fits the configuration, and the configured file what is kept."""

from __future__ import annotations

from certctl.errors import CertctlError, StateError
from certctl.planning.observed import DhparamSeen, FileSeen
from certctl.planning.spec import DhparamSpec
from certctl.planning.state import DhparamState
from certctl.store import outputs
from certctl.store.files import Files
from certctl.store.layout import Layout
from certctl.x509.bundle import Prepared


def observe(layout: Layout, files: Files, spec: DhparamSpec, state: DhparamState) -> DhparamSeen:
    """What is kept by *state*, and what is wrong with the configured file. Raises StoreError."""
    kept_path = layout.dhparam(spec.name)
    fits = bool(state.sha256) and (state.bits, state.source) == (spec.bits, spec.source)

    def content() -> bytes | None:
        try:
            return _kept(layout, state)
        except StateError as error:
            # New ones are made: unlike a lost certificate that is no reason to stop looking.
            raise CertctlError(error.message) from error

    if fits:
        problem, digest = files.compare(outputs.Target(kept_path, 0o600), state.sha256, content)
        # They are no secret: as long as the content is right, another mode does no harm.
        fits = problem is None or digest == state.sha256
    try:
        wanted = outputs.target(spec.path, spec.mode, spec.owner, spec.group, secret=False)
    except CertctlError as error:
        seen = FileSeen(spec.path, f"cannot be written: {error.message}", spec.hooks)
        return DhparamSeen(state, fits, seen)
    what = "the parameters that are kept"
    problem, digest = files.compare(wanted, state.sha256, content, what)
    if not fits:  # what it should hold is yet to be made
        problem = outputs.directory_missing(spec.path) or (
            "is missing" if digest is None else f"does not hold {what}"
        )
    return DhparamSeen(state, fits, FileSeen(spec.path, problem, spec.hooks, digest))


def prepare(layout: Layout, files: Files, spec: DhparamSpec, state: DhparamState) -> Prepared:
    """What brings the configured file to what is kept. Raises StateError where that is damaged."""
    data = _kept(layout, state)
    wanted = outputs.target(spec.path, spec.mode, spec.owner, spec.group, secret=False)
    return Prepared(spec.path, state.sha256, files.change(wanted, data, state.sha256))


def _kept(layout: Layout, state: DhparamState) -> bytes:
    import hashlib

    path = layout.dhparam(state.name)
    data = outputs.read(path)
    if data is None or hashlib.sha256(data).hexdigest() != state.sha256:
        raise StateError(f"{path} is missing or damaged")
    return data
