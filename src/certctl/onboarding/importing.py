"""import: takes over what another tool has kept, keys and all, without ever writing to it.

The state is filled first and the configuration after it, both under the lock: a certificate
that is configured before its key is here would get another key from the next pass.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from certctl.app import passes, wiring
from certctl.config import file, find, loading
from certctl.config.issuers import BUILT_IN
from certctl.errors import CertctlError, UsageError
from certctl.onboarding import adopting, fragment, matching, toml, tools
from certctl.onboarding.starter_text import STATE_HERE, STATE_SYSTEM
from certctl.onboarding.tools import pem_files
from certctl.onboarding.tools.common import Account, Lineage, Refused, Tree
from certctl.planning.spec import Spec
from certctl.planning.times import rfc3339
from certctl.store import atomic
from certctl.store.disk import DiskStore

FOUND, REFUSED, LEFT = "found", "refused", "left alone"


class Wanted(NamedTuple):
    """What was asked for."""

    tool: str
    path: str | None = None
    output: str | None = None
    """Where the tables go; None: to whoever asked."""
    dry_run: bool = False
    name: str | None = None
    """The certificate that the PEM files are, which serves them already; None: their own names tell."""


class Row(NamedTuple):
    """How one certificate fared."""

    name: str
    source: str
    names: tuple[str, ...]
    state: str
    text: str
    hint: str | None = None
    notes: tuple[str, ...] = ()


class Imported(NamedTuple):
    """What came of it."""

    tool: str
    path: str
    config: str | None
    """The configuration whose state was filled; None: there is none, so nothing was taken over."""
    rows: tuple[Row, ...]
    accounts: tuple[Row, ...]
    fragment: str
    """The tables that the configuration lacks."""
    output: str | None
    """The file that they were written to."""
    tree: Tree

    @property
    def unwell(self) -> bool:
        return any(row.state == REFUSED for row in (*self.rows, *self.accounts))


def in_use(explicit: str | None, environ: Mapping[str, str], output: str | None) -> str | None:
    """The configuration in use; None where there is none, or only the empty file that a shell's > makes."""
    try:
        found = os.path.abspath(find(explicit, environ))
    except UsageError:
        return None
    if os.path.exists(found):
        return found if os.path.getsize(found) else None
    return None if output and os.path.abspath(output) == found else found


def run(wanted: Wanted, config: str | None, options: passes.Options = passes.Options()) -> Imported:  # noqa: B008
    """Look, then take over everything that can be; *config* is the configuration in use, if there is one.

    Raises CertctlError where there is nothing to look at, UsageError where the
    tables would have to overwrite a file.
    """
    if wanted.name is not None:
        return take_over(_served(wanted, wanted.name, config), wanted, config, options)
    path = tools.place(wanted.tool, wanted.path)
    tree = tools.find(wanted.tool).look(path, wiring.clock())
    return take_over(tree, wanted, config, options)


def _served(wanted: Wanted, name: str, config: str | None) -> Tree:
    """The key that the files of certificate *name* hold now, or the file that was named, whatever it says."""
    if wanted.tool != "pem":
        raise UsageError("--name goes with plain PEM files", f"certctl import pem PATH --name {name}")
    cert = _spec(config).certificates.get(name)
    files = [file for file in cert.files if os.path.exists(file.path)] if cert else []
    if wanted.path is None and not files:
        raise UsageError(
            f"certificate {name} has no file that is there", f"certctl import pem PATH --name {name}"
        )
    # Beside a file that was named, those that may hold its certificate: other keys are not meant.
    beside = [file.path for file in files if wanted.path is None or "key" not in file.parts]
    paths = list(dict.fromkeys([*([os.path.abspath(wanted.path)] if wanted.path else []), *beside]))
    tree = pem_files.look_at(paths, wiring.clock())
    pairs = {pair.record.sha256: pair for lineage in tree.lineages for pair in lineage.pairs}
    kinds = {pair.algorithm: pair for pair in pairs.values()}
    if tree.refused or not pairs:
        return tree
    if len(kinds) != len(pairs) or tree.left:
        raise CertctlError(
            f"there is more than one key of a kind in {', '.join(paths)}",
            f"name the file that is served: certctl import pem PATH --name {name}",
            transient=False,
        )
    names = tuple(dict.fromkeys(one for pair in pairs.values() for one in pair.names))
    whole = Lineage(name, paths[0], tuple(pair._replace(names=names) for pair in pairs.values()))
    return tree._replace(lineages=(whole,))


def take_over(tree: Tree, wanted: Wanted, config: str | None, options: passes.Options) -> Imported:
    """The same for a tree that was looked at already."""
    target = _target(wanted, config)
    base = config or target
    spec = _spec(base)
    plan = matching.match(spec, tree)
    text = fragment.render(tree.tool, tree.path, plan.issuers, plan.certificates)
    whole = _whole(base, text) if base else text
    if base:
        spec = _loads(base, whole)
    elif text:
        _loads(os.path.abspath(file.HERE), text)
    if wanted.dry_run or base is None:
        return _shown(tree, plan, text, config)
    with passes.locked(spec, options.wait):
        store = DiskStore(spec.state_dir, configuration=spec.path)
        store.prepare()
        now = wiring.clock()
        served = wanted.name is not None
        rows = tuple(_adopted(store, match, tree.tool, now, served=served) for match in plan.matches)
        accounts = tuple(take_accounts(store, spec, tree, now))
        written = _write(target, config, text) if target and text else None
    return Imported(tree.tool, tree.path, base, (*rows, *_others(tree, plan)), accounts, text, written, tree)


def _target(wanted: Wanted, config: str | None) -> str | None:
    """The file for the tables. Raises UsageError where it is another one that is there already."""
    if wanted.output is None:
        return None
    target = os.path.abspath(wanted.output)
    if config and os.path.exists(target) and not os.path.samefile(target, config):
        raise UsageError(
            f"{target} is there already, and it is not the configuration in use ({config})",
            f"import never overwrites: take another file, or add to this one: --config {target}",
        )
    return config if config and os.path.exists(target) else target


def _spec(base: str | None) -> Spec:
    if base and _text(base):
        return loading.load(base)
    return Spec(base or "", issuers=BUILT_IN)


def _text(path: str) -> str:
    """What a configuration holds; a missing or empty file (which `>` makes) is one to be begun."""
    return file.read(path) if os.path.exists(path) and os.path.getsize(path) else ""


def _whole(base: str, text: str) -> str:
    """The configuration with the tables added to it; a new one says where its state is."""
    before = _text(base)
    if before:
        return toml.with_tables(before, text) if text else before
    system = os.path.dirname(base) == file.SYSTEM_DIRECTORY
    return f"{STATE_SYSTEM if system else STATE_HERE}\n{text}"


def _loads(path: str, text: str) -> Spec:
    """Nothing is written, and no key is kept, for tables that would not load."""
    return loading.build(path, file.parse(path, text))


def _write(target: str, config: str | None, text: str) -> str:
    """Add the tables to the configuration in use, or begin a file with them; nothing is ever overwritten."""
    real = os.path.realpath(target)
    if os.path.exists(real) and (
        config is None or os.path.samefile(real, config) or not os.path.getsize(real)
    ):
        info = os.stat(real)
        data = _whole(target, text).encode()
        atomic.write(real, data, info.st_mode & 0o7777, info.st_uid, info.st_gid)
        return target
    atomic.make_directory(os.path.dirname(real), 0o755)
    atomic.write(real, (text if config else _whole(target, text)).encode(), 0o644)
    return target


def _adopted(store: DiskStore, match: matching.Match, tool: str, now: datetime, *, served: bool) -> Row:
    source, names = match.lineage.source, match.names
    try:
        done = adopting.adopt(store, match, tool, now, served=served)
    except CertctlError as error:
        return Row(match.name, source, names, REFUSED, error.message, error.hint)
    return Row(match.name, source, names, done.state, done.text, notes=_notes(match))


def _notes(match: matching.Match) -> tuple[str, ...]:
    return (*match.lineage.notes, *match.notes)


def take_accounts(store: DiskStore, spec: Spec, tree: Tree, now: datetime) -> list[Row]:
    """Every issuer at a CA where the tool has an account gets it, as long as it has none of its own."""
    rows = []
    for account, issuer in _pairs(spec, tree):
        try:
            done = adopting.adopt_account(store, issuer, account, now)
            rows.append(Row(issuer, account.source, (), done.state, done.text))
        except CertctlError as error:
            rows.append(Row(issuer, account.source, (), LEFT, error.message, error.hint))
    return rows


def _pairs(spec: Spec, tree: Tree) -> list[tuple[Account, str]]:
    return [
        (account, name)
        for account in tree.accounts
        for name, issuer in spec.issuers.items()
        if issuer.acme is not None and issuer.acme.directory == account.directory
    ]


def _others(tree: Tree, plan: matching.Plan) -> list[Row]:
    refused = [*tree.refused, *plan.refused]
    return [_row(item, REFUSED) for item in refused] + [_row(item, LEFT) for item in tree.left]


def _row(item: Refused, state: str) -> Row:
    return Row(item.name, item.source, (), state, item.message, item.hint)


def _shown(tree: Tree, plan: matching.Plan, text: str, config: str | None) -> Imported:
    """What would be taken over, with nothing written."""
    rows = [Row(m.name, m.lineage.source, m.names, FOUND, _keys(m), notes=_notes(m)) for m in plan.matches]
    accounts = tuple(Row(a.directory, a.source, (), FOUND, a.url or "its key") for a in tree.accounts)
    return Imported(tree.tool, tree.path, config, (*rows, *_others(tree, plan)), accounts, text, None, tree)


def _keys(match: matching.Match) -> str:
    ends = [p.record.certificate.not_after for p in match.lineage.pairs if p.record.certificate]
    algorithms = " and ".join(pair.algorithm for pair in match.lineage.pairs)
    return f"{algorithms} key, certificate until {rfc3339(min(ends))}"


def document(done: Imported) -> Mapping[str, Any]:
    """The document of ``import --json``."""
    return {
        "version": 1,
        "tool": done.tool,
        "path": done.path,
        "config": done.config,
        "certificates": [row._asdict() for row in done.rows],
        "accounts": [row._asdict() for row in done.accounts],
        "fragment": done.fragment,
        "output": done.output,
        "switch_off": list(done.tree.switch_off),
    }
