"""What a later version of certctl wrote is refused, and left as it is; it is not taken for damage."""

from __future__ import annotations

import json

import pytest

from tests.contract.home import Home

COUNTED = "lost-state cases"

CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
announce = ["feed", "told"]
hold_down = "1h"
[certificate.mx2]
names = ["mx2.example"]
[[certificate.mx2.file]]
path = "mx2.pem"
[announce.feed]
type = "feed"
path = "pins.jws"
[announce.told]
type = "command"
command = ["true"]
[peer.thumb]
feed = "nowhere.jws"
key = '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
map = "policy"
"""
FILES = (
    "announce/feed/feed.json",
    "announce/told/told.json",
    "peers/thumb.json",
    "clock.json",
    "hooks.json",
    "state/mx1.json",
)


@pytest.mark.parametrize("name", FILES)
def test_a_newer_file(home: Home, name: str) -> None:
    """It is said which file a newer certctl wrote, exit 1; nothing of it changes, nor what it tells of."""
    home.config(CONFIG)
    home("run", code=1)
    path, feed = home / "state" / name, (home / "pins.jws").read_bytes()
    if name == "hooks.json":  # it comes with the first hook
        path.write_text("{}")
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2, "more": True}))
    before = path.read_bytes()
    said = ""
    for command in ("run", "announce", "run"):
        said += home(command, code=None if command == "announce" else 1).err
        assert path.read_bytes() == before
    assert f"{path} was written by a newer certctl" in said
    if "feed" in name:
        assert (home / "pins.jws").read_bytes() == feed
