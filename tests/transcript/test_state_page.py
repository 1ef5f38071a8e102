"""docs/state.md names everything that is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from certctl.peers.known import Known
from certctl.planning import state
from certctl.store import codec
from certctl.store.layout import LIVE_FILES, Layout

PAGE = (Path(__file__).parents[2] / "docs/state.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 24, 3, 12, tzinfo=timezone.utc)


def whole(kind: Any) -> Any:
    """A value of the model with nothing left out, whatever fields it has."""
    return kind(*(_some(hint) for hint in get_type_hints(kind).values()))


def _some(hint: Any) -> Any:
    """Something that a field of type *hint* may hold, other than nothing."""
    inner = [part for part in getattr(hint, "__args__", ()) if part not in (type(None), Ellipsis)]
    origin = str(getattr(hint, "__origin__", ""))
    if "tuple" in origin:
        return (_some(inner[0]),)
    if "Mapping" in origin:
        return {"name": _some(inner[1])}
    if inner:
        return _some(inner[0])
    if isinstance(hint, type) and issubclass(hint, tuple):
        return whole(hint)
    return {str: "word", int: 1, float: 1.0, bool: True, datetime: NOW}[hint]


def keys(document: Any) -> Iterator[str]:
    """The names of all fields in a JSON document, but those that are names of things themselves."""
    if isinstance(document, dict):
        yield from (key for key in document if key != "name")
        document = list(document.values())
    if isinstance(document, list):
        for item in document:
            yield from keys(item)


@pytest.mark.parametrize(
    ("encode", "kind"),
    [
        (codec.encode_certificate, state.CertificateState),
        (codec.encode_hook, state.HookState),
        (codec.encode_dhparam, state.DhparamState),
    ],
    ids=["state/NAME.json", "hooks.json", "dhparams.json"],
)
def test_every_field_is_told(encode: Any, kind: Any) -> None:
    """What is written to a JSON file stands on the page."""
    found = set(keys(encode(whole(kind))))
    assert len(found) > 4, "the check sees nothing"
    assert not {key for key in found if f"`{key}`" not in PAGE}


def test_every_field_of_a_peer_is_told() -> None:
    """What is believed of peers, too."""
    assert not {name for name in Known._fields if f"`{name}`" not in PAGE}


def test_every_path_is_told() -> None:
    """Every path of the layout, and every file of an issuance, is in the tree at the page's beginning."""
    tree = "\n".join(line.strip() for line in PAGE.splitlines() if line.startswith("    "))
    layout = Layout("ROOT")
    paths = [
        layout.lock,
        layout.dhparam_lock,
        layout.journal,
        layout.hooks,
        layout.dhparams,
        layout.stamps,
        layout.at_rest,
        layout.state("NAME"),
        layout.live("NAME"),
        layout.dhparam("NAME"),
        f"{layout.issuers}/NAME/",
    ]
    for path in paths:
        assert re.search(rf"^{re.escape(path.removeprefix('ROOT/'))}(?=[ ,])", tree, re.MULTILINE), path
    names = [*(name for name, _, _ in LIVE_FILES), "ALGORITHM.key", "issued-N/", "order/", "request.json"]
    assert not [name for name in names if not re.search(rf"(^|  ){re.escape(name)}", tree, re.MULTILINE)]
