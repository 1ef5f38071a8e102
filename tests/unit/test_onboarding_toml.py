"""TOML text: whatever is written is read again, and a file of somebody's stays as it was written."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from certctl.onboarding import toml

PEER = toml.table("peer", "mx.example.org") + toml.settings({"feed": "https://mx.example.org/feed"})


@given(st.text(), st.text(), st.lists(st.text(), max_size=3))
@example("\U000e0001", 'a\\"\x00\x85\u2028', ["\U0010ffff"])
def test_what_is_written_is_read(name: str, word: str, words: list[str]) -> None:
    """Any key and any string come back as they were, with what no terminal shows and beyond U+FFFF too."""
    rows = {"word": word, "words": words, "n": 1, "yes": True}
    text = (
        toml.table("peer", name)
        + toml.settings(rows)
        + toml.table("hook", name, "")
        + toml.setting(name, word)
    )
    assert tomllib.loads(text) == {"peer": {name: rows}, "hook": {name: {"": {name: word}}}}


@given(st.text())
def test_a_comment_is_one(text: str) -> None:
    """Nothing that a comment is made of gets out of it."""
    assert tomllib.loads("".join(toml.sentence(text))) == {}


OLD = """\
# mine
state_dir = "state"   # here

[peer.a] # the first
feed   = 'one'

# about mx1
[certificate.mx1]
names = ["mx1.example.org"] # the end"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_added_below(ending: str) -> None:
    """What was there stays to the letter, and its line endings are those of what is added."""
    old = OLD.replace("\n", ending)
    new = toml.with_tables(old, PEER)
    assert new.startswith(old)
    assert new.count("\n") == new.count(ending)
    assert tomllib.loads(new)["peer"] == {"a": {"feed": "one"}, **tomllib.loads(PEER)["peer"]}


def test_added_inside() -> None:
    """An inline table, which cannot be gone on with further down, gets the new entry; the rest stays."""
    inline = OLD.replace("[peer.a] # the first\nfeed   = 'one'", "")
    inline = inline.replace("[certificate", 'peer   = { a = { feed = "one" } } # all\n\n[certificate', 1)
    inline = inline.replace("# about mx1\npeer", "peer").replace("[certificate", "# about mx1\n[certificate")
    other = toml.table("hook", "b") + toml.setting("command", ["true"])
    new = toml.with_tables(inline, PEER + other)
    before, after = tomllib.loads(inline), tomllib.loads(new)
    assert after == {
        **before,
        "peer": {**before["peer"], **tomllib.loads(PEER)["peer"]},
        "hook": tomllib.loads(other)["hook"],
    }
    kept = [line for line in inline.splitlines() if not line.startswith("peer")]
    assert [line for line in new.splitlines() if line in kept][: len(kept)] == kept
    assert "# all" in new
