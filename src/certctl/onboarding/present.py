"""The keys that servers serve now: whose files they are, and whether they can be taken over."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from certctl.errors import CertctlError
from certctl.onboarding import tools
from certctl.onboarding.setups.setup import Use
from certctl.onboarding.tools import pem_files
from certctl.onboarding.tools.common import Lineage, Pair, Tree, read
from certctl.planning.spec import CertificateSpec
from certctl.store.disk import DiskStore
from certctl.x509 import pem
from certctl.x509.certificate import load
from certctl.x509.keys import key_facts

NOTHING, KEY, MISSING = "nothing", "key", "missing"
PLACEHOLDER, UNFIT, CLOSED = "placeholder", "unfit", "closed"
OURS = "certctl"
_LIVE = re.compile(r"(?P<tree>/.+)/(?:live|archive)/[^/]+/[^/]+")
_OURS = re.compile(r"(?P<state>/.+)/(?:live|certificates)/(?P<name>[^/]+)/.+")


class Present(NamedTuple):
    """What a use of a certificate has now."""

    kind: str
    """nothing: no file is named; key: it can be taken over; missing: none of the files is there;
    placeholder: a package made it; unfit: it cannot be taken over; closed: we may not read it."""
    lineage: Lineage | None = None
    message: str = ""
    hint: str | None = None
    tool: str = ""
    """The tool in whose tree the files are; empty: they are nobody's but the server's."""
    issuer: str = ""
    """Who signed it last, where certctl itself knows; empty: nobody knows."""
    tree: Tree | None = None
    """All that this tool has; None: it cannot be read."""

    @property
    def pins(self) -> frozenset[str]:
        return frozenset(pair.record.sha256 for pair in self.lineage.pairs) if self.lineage else frozenset()


class Content(NamedTuple):
    """What one file holds of a lineage."""

    has_key: bool
    has_leaf: bool
    has_chain: bool
    algorithms: tuple[str, ...]
    """Of the lineage's keys and leaves that are in it."""


def look(use: Use, now: datetime, environ: Mapping[str, str]) -> Present:
    """Read what *use* names. Errors are values: a file that cannot be used is for whoever asks to judge."""
    paths = use.files
    if not paths:
        return Present(NOTHING)
    there = [path for path in paths if os.path.exists(path) or not _visible(path)]
    if not there:
        return Present(MISSING)
    closed = next((path for path in there if not os.access(path, os.R_OK)), None)
    if closed is not None:
        message = f"cannot read {closed}: permission denied"
        return Present(CLOSED, message=message, hint="run certctl init as root")
    odd = next((path for path in there if os.path.isdir(path)), None)
    if odd is not None:
        return Present(UNFIT, message=f"{odd} is a directory, where a file is expected")
    if any("snakeoil" in os.path.basename(os.path.realpath(path)) for path in there):
        return Present(PLACEHOLDER, message=f"{there[0]} is the placeholder that a package made")
    try:
        lineage = _lineage(pem_files.look_at(paths, now))
    except CertctlError as error:
        return Present(UNFIT, message=error.message, hint=error.hint)
    return _of_tool(Present(KEY, lineage), paths, now, environ)


def _visible(path: str) -> bool:
    """Whether its directory may be looked into, so that it is known to be missing."""
    directory = os.path.dirname(path)
    while directory != "/" and not os.path.exists(directory):
        directory = os.path.dirname(directory)
    return os.access(directory, os.X_OK)


def _lineage(tree: Tree) -> Lineage:
    """All that the files of one place hold, as one lineage. Raises CertctlError unless all of it is sound."""
    if tree.refused or not tree.lineages:
        bad = [*tree.refused, *tree.left]
        first = bad[0] if bad else None
        raise CertctlError(
            first.message if first else "there is no key with its certificate",
            first.hint if first else None,
            transient=False,
        )
    pairs: dict[str, Pair] = {}
    for lineage in tree.lineages:
        for pair in lineage.pairs:
            pairs.setdefault(pair.algorithm, pair)
    names = tuple(dict.fromkeys(name for pair in pairs.values() for name in pair.names))
    first_of = tree.lineages[0]
    return Lineage(names[0], first_of.source, tuple(pair._replace(names=names) for pair in pairs.values()))


def _of_tool(present: Present, paths: Sequence[str], now: datetime, environ: Mapping[str, str]) -> Present:
    """With how it has been renewed, where it lies in the tree of a tool that renews it."""
    assert present.lineage is not None
    ours = next((match for path in paths if (match := _OURS.fullmatch(path)) and _is_state(match)), None)
    if ours is not None:
        return _of_ours(present, ours["state"], ours["name"], now)
    for tool, root in _trees(paths, environ):
        try:
            tree = tools.find(tool).look(root, now)
        except CertctlError:
            tree = None  # it is the tool's all the same; how it renews is then for a person to say
        for lineage in tree.lineages if tree else ():
            if present.pins <= {pair.record.sha256 for pair in lineage.pairs}:
                names = present.lineage.names
                kept = lineage._replace(pairs=present.lineage.pairs, name=names[0], outputs=())
                return present._replace(lineage=kept, tool=tool, tree=tree)
        return present._replace(tool=tool)
    return present


def _of_ours(present: Present, state: str, name: str, now: datetime) -> Present:
    """A certificate that certctl keeps already, with the issuer that it had last."""
    assert present.lineage is not None
    spec = CertificateSpec(name, present.lineage.names)
    current = DiskStore(state).observe_certificate(spec, now).state.current
    issuer = current.issued_by if current is not None else None
    return present._replace(lineage=present.lineage._replace(name=name), tool=OURS, issuer=issuer or "")


def _is_state(match: re.Match[str]) -> bool:
    """Whether it is a state directory of certctl, whose configuration was lost."""
    return all(os.path.isdir(f"{match['state']}/{name}") for name in ("state", "live", "certificates"))


def _trees(paths: Sequence[str], environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The trees of other tools that *paths* are in, as they stand or behind symlinks."""
    real = dict.fromkeys([*map(os.path.abspath, paths), *map(os.path.realpath, paths)])
    for path in real:
        live = _LIVE.fullmatch(path)
        if live and os.path.isdir(f"{live['tree']}/renewal"):
            yield "certbot", live["tree"]
    home = environ.get("HOME", "/root").rstrip("/")
    for tool in tools.NAMES:
        for place in tools.find(tool).paths:
            root = home + place[1:] if place.startswith("~/") else place
            if any(path.startswith(f"{root.rstrip('/')}/") for path in real):
                yield tool, root


def content(path: str, lineage: Lineage) -> Content:
    """What of *lineage* is in the file *path*. Raises CertctlError where it cannot be read."""
    keys = {pair.record.sha256: pair.algorithm for pair in lineage.pairs}
    found: list[str] = []
    has_key = has_leaf = has_chain = False
    for block in pem.blocks(read(path)):
        if block.label.endswith("PRIVATE KEY"):
            has_key = True
            found.append(keys.get(key_facts(block.text).key.sha256, ""))
        elif block.label in pem.CERTIFICATE_LABELS:
            algorithm = keys.get(load(block.text).key_sha256, "")
            has_leaf, has_chain = has_leaf or bool(algorithm), has_chain or not algorithm
            found.append(algorithm)
    return Content(has_key, has_leaf, has_chain, tuple(dict.fromkeys(one for one in found if one)))
