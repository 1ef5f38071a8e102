"""The comparison of pages with output sees what matters, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transcript import session
from tests.transcript.blocks import Command, commands
from tests.transcript.compare import difference

ONE = ":".join(["A1"] * 32)
OTHER = ":".join(["B2"] * 32)


@pytest.mark.parametrize(
    ("shown", "came"),
    [
        (["held until 2026-12-01 04:09 UTC (in 6d 23h)"], ["held until 2027-01-02 03:04:05 UTC (in 7d)"]),
        (["mx1  ok   #1 (16s)  2m ago"], ["mx1    ok  #1 (1h 2m)   3s ago"]),
        ([f"match={ONE}"], [f"match={OTHER}"]),
        (["match=62:53:… match=DF:…"], [f"match={ONE} match={OTHER}"]),
        (["wrote …/demo/certctl.toml"], ["wrote /tmp/x/demo/certctl.toml"]),
        (["first", "…", "last"], ["first", "second", "third", "last"]),
        (["first", "…", "last"], ["first", "last"]),
        ([], []),
    ],
)
def test_what_varies_is_equal(shown: list[str], came: list[str]) -> None:
    """Moments, ages, fingerprints, gaps, and what the page leaves out."""
    assert difference(shown, came) is None


@pytest.mark.parametrize(
    ("shown", "came"),
    [
        (["hold-down 7d"], ["hold-down 6d"]),
        (["state ok"], ["state held"]),
        (["one"], ["one", "two"]),
        (["one", "two"], ["one"]),
        (["  indented"], ["indented"]),
        (["until 2026-12-01 04:09 UTC"], ["until tomorrow"]),
        (["…/demo"], ["/tmp/demo.bak"]),
        ([], ["a word"]),
    ],
)
def test_what_matters_is_seen(shown: list[str], came: list[str]) -> None:
    """Another word, a line too many, a line too few."""
    assert difference(shown, came) is not None


PAGE = """\
<!-- transcript: hidden
cd below
-->
<!-- transcript -->
```console
$ echo one; echo \\
> two
one
two
$ false
$ echo $?
1
```
```console
$ not marked
```
<!-- transcript -->
```sh
here=$PWD
```
<!-- transcript -->
```console
$ basename $here
below
```
"""


def test_page_is_one_shell(tmp_path: Path) -> None:
    """What a block sets, the next one has; what is not marked is not run."""
    (tmp_path / "below").mkdir()
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    found = commands(page)
    assert [command.text.strip() for command in found] == [
        "cd below",
        "echo one; echo \\\ntwo",
        "false",
        "echo $?",
        "here=$PWD",
        "basename $here",
    ]
    results = session.run(found, tmp_path, session.environment(tmp_path))
    assert session.complaints(results) == []


def test_failures_are_told(tmp_path: Path) -> None:
    """A status that the page does not show, and output that it does not show, each with its place."""
    typed = [Command("page:1", "false", ()), Command("page:2", "echo a", ("b",)), Command("page:3", ":", ())]
    told = session.complaints(session.run(typed, tmp_path, session.environment(tmp_path)))
    assert [line.split(":")[1] for line in told] == ["1", "2"]


def test_shell_that_ends_is_told(tmp_path: Path) -> None:
    """A command that ends the shell is named, not taken for the end of the page."""
    typed = [Command("page:1", "exit 3", ()), Command("page:2", "true", ())]
    with pytest.raises(AssertionError, match="page:1"):
        session.run(typed, tmp_path, session.environment(tmp_path))


def test_paths_stand_below_the_test(tmp_path: Path) -> None:
    """A page may name /etc/certctl; the test's is meant, and its name is shown as the page has it."""
    typed = [
        Command(
            "page:1", "mkdir -p /etc/certctl; echo /etc/certctl/certctl.toml", ("/etc/certctl/certctl.toml",)
        )
    ]
    env = session.environment(tmp_path)
    results = session.run(typed, tmp_path, env, below=["/etc/certctl"])
    assert session.complaints(results) == []
    assert (tmp_path / "etc/certctl").is_dir()
