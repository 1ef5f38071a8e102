"""No page points at a page, a file or a heading that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def prose(page: Path) -> str:
    """*page* without its blocks of code, where brackets mean something else."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The headings of *page* as links name them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link, with its heading."""
    assert not list(broken(page))


def test_decisions_are_listed() -> None:
    """The list of decisions has all of them, numbered without a gap."""
    files = sorted(path.name for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))
    listed = re.findall(
        r"\]\(([0-9]{4}-[^)]*)\)", (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    )
    assert listed == files
    assert [int(name[:4]) for name in files] == list(range(1, len(files) + 1))
