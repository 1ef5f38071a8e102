"""hooks: what there is, what is pending, and running one now."""

from __future__ import annotations

from typing import Any

from certctl.app import passes, status, wiring
from certctl.app.names import hint
from certctl.engine import hooking
from certctl.engine.observing import Observer
from certctl.errors import CertctlError, UsageError
from certctl.planning.spec import Spec
from certctl.ports import HookOutcome
from certctl.system import person


def listing(spec: Spec) -> dict[str, Any]:
    """Every hook that is configured or could be named, with its state."""
    from certctl.deploy.lookup import list_hooks
    from certctl.system.secret import shown

    found = status.status(spec)
    used = found["hooks"]
    for hook in used:
        try:
            argv = wiring.resolve_hook(spec, spec.hooks[hook["name"]])
            hook["command"] = [*argv[:1], *shown(argv)]
        except CertctlError as error:
            hook["command"], hook["problem"] = None, error.message
    there = [source._asdict() for source in list_hooks(spec.hooks_dir)]
    return {"version": 1, "now": found["now"], "hooks": used, "available": there}


def run(spec: Spec, name: str, options: passes.Options) -> HookOutcome:
    """Run one hook now, back-off or not, for everything that it serves."""
    if name not in spec.hooks:
        raise UsageError(f"no hook called {name} is used in {spec.path}", hint(name, spec.hooks))
    with passes.locked(spec, options.wait):
        adapters = wiring.adapters(spec, options.report)
        adapters.store.prepare()
        world = Observer(spec, adapters).look()
        seen = world.hooks[name]
        told = seen._replace(state=seen.state._replace(delivered={}))
        state, timed_out = hooking.run(spec, adapters, told)
        if state.attempts:
            state = state._replace(delivered=seen.state.delivered)
        adapters.store.save_hooks([state])
        event = "hook-failed" if state.attempts else "hook"
        output = state.output[-500:]
        adapters.store.journal(
            adapters.clock(), event, name, reason="asked for", output=output, by=person.name()
        )
    return HookOutcome(state.exit_status or 0, state.output, timed_out=timed_out, seconds=0.0)
