"""Recipes by themselves: no block of a page can be left out, and every page with recipes is known here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.recipes import DOCS, merge_tables, read_page


def page(directory: Path, text: str) -> Path:
    path = directory / "page.md"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "Some lines:\n\n```text\nx\n```\n",
        "In `/etc/x`, perhaps.\n\n```text\nx\n```\n",
        "In `relative/x`:\n\n```text\nx\n```\n",
        "In `/etc/x`. And then:\n\n```text\nx\n```\n",
        "- a list\n  ```sh\n  true\n  ```\n",
        "Indented:\n\n    true\n",
        "```sh\ntrue\n",
        "<!-- hiden\ntrue\n-->\n",
        "<!-- on the moon now -->\n",
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path: Path, text: str) -> None:
    """A block without a file, one in disguise, one without an end, a comment with a typing error."""
    with pytest.raises(AssertionError, match=r"page\.md:"):
        read_page(page(tmp_path, text), "host")


def test_every_block_is_a_step() -> None:
    """As many fences and hidden commands as a page has, so many steps it has, besides its comments."""
    for name in ("postfix.md", "dovecot.md", "others.md"):
        lines = (DOCS / name).read_text(encoding="utf-8").splitlines()
        blocks = sum(line.startswith("```") for line in lines) / 2 + lines.count("<!-- hidden")
        steps = read_page(DOCS / name, "host")
        assert sum(step.kind in ("sh", "console", "file", "add") for step in steps) == blocks


def test_kinds_of_steps(tmp_path: Path) -> None:
    """What is typed, what is written anew, what is added, and where."""
    text = (
        "# Title\n\nWrap the words and add\nto `/etc/a`:\n\n```text\na\n```\n\n<!-- on other -->\n"
        "We add. In `/etc/x`, not `/etc/b.toml`:\n\n```toml\nb = 1\n```\n\n## More\n\n```sh\ntrue\n```\n"
        "<!-- later 14d -->\n"
    )
    steps = read_page(page(tmp_path, text), "host")
    assert [(step.section, step.host, step.kind, step.path, step.text) for step in steps] == [
        ("Title", "host", "add", "/etc/a", "a\n"),
        ("Title", "other", "file", "/etc/b.toml", "b = 1\n"),
        ("More", "other", "sh", "", "true\n"),
        ("More", "other", "later", "", "14d"),
    ]


def test_tables_of_the_same_name_are_replaced() -> None:
    """The rest of the file stays, in its order."""
    rest = "a = 1\n\n[b]\nx = 1\n\n[[b.file]]\ny = 1\n\n[[b.file]]\ny = 2\n"
    assert merge_tables(rest, "[b]\nx = 2\n") == rest.replace("x = 1", "x = 2")
    assert merge_tables(rest, "[c]\nz = 1\n") == f"{rest}\n[c]\nz = 1\n"
    assert merge_tables(rest, "[[b.file]]\ny = 3\n") == f"{rest[: rest.index('[[')]}[[b.file]]\ny = 3\n"
