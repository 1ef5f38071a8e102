"""certctl.toml to a `Spec`: every table is read, then what they say of each other is checked."""

from __future__ import annotations

import gc
import os.path
from collections.abc import Mapping

from certctl.config import announcers, certificates, explain, file, issuers, references
from certctl.config.context import Context
from certctl.config.schema import DHPARAM, FFDHE_BITS, HOOK, PEER, TOP, WATCH
from certctl.planning.spec import DhparamSpec, HookSpec, PeerSpec, Spec, WatchSpec


def load(path: str) -> Spec:
    """Load *path*. Raises `ConfigError` with all that is wrong with it."""
    absolute = os.path.abspath(path)
    text = file.read(absolute)
    # Nothing made here is garbage; looking for it would take as long as the parsing itself.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return build(absolute, file.parse(absolute, text))
    finally:
        if collecting:
            gc.enable()


def build(path: str, document: Mapping[str, object]) -> Spec:
    """Make the spec of a parsed file; *path* is absolute. Raises `ConfigError`."""
    context = Context(path, document)
    scalars = {}
    for key, value in document.items():
        if key in TOP.keys:
            scalars[key] = value
        elif key not in explain.KINDS:
            explain.top(context.problems, key, value, TOP)
    top = context.read((), scalars, TOP)
    spec = Spec(
        path=path,
        issuers=issuers.read(context, document),
        certificates=certificates.read(context, document),
        dhparams=_dhparams(context, document),
        watches=_watches(context, document),
        announcers=announcers.read(context, document),
        peers=_peers(context, document),
        **top,
    )
    tables = _hooks(context, document)
    references.check(context, spec)
    context.problems.end()
    named = {name: HookSpec(name) for name in context.hooks}
    return spec._replace(hooks={**named, **tables})


def _dhparams(context: Context, document: Mapping[str, object]) -> dict[str, DhparamSpec]:
    found = {}
    for name, table in context.tables(document, "dhparam"):
        where = ("dhparam", name)
        values = context.read(where, table, DHPARAM)
        bits = values.get("bits", 2048)
        if values.get("source") == "ffdhe" and bits not in FFDHE_BITS:
            sizes = ", ".join(str(size) for size in FFDHE_BITS)
            context.problems.value(where, "bits", bits, f'for source = "ffdhe" one of {sizes} (RFC 7919)')
        if "path" in values:
            context.output(where, "path", values["path"])
            found[name] = DhparamSpec(name=name, **values)
    return found


def _watches(context: Context, document: Mapping[str, object]) -> dict[str, WatchSpec]:
    found = {}
    for name, table in context.tables(document, "watch"):
        values = context.read(("watch", name), table, WATCH)
        if len(values) == len(WATCH.required):
            found[name] = WatchSpec(name=name, **values)
    return found


def _hooks(context: Context, document: Mapping[str, object]) -> dict[str, HookSpec]:
    found = {}
    for name, table in context.tables(document, "hook"):
        found[name] = HookSpec(name=name, **context.read(("hook", name), table, HOOK))
    return found


def _peers(context: Context, document: Mapping[str, object]) -> dict[str, PeerSpec]:
    found = {}
    for name, table in context.tables(document, "peer"):
        where = ("peer", name)
        values = context.read(where, table, PEER)
        values.setdefault("nexthops", (f"[{name.lower()}]",))
        if "map" in values:
            context.output(where, "map", values["map"], shared="peer")
        if all(key in values for key in PEER.required):
            found[name] = PeerSpec(name=name, **values)
    return found
