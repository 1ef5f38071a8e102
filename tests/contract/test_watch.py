"""Files that others write: a hook runs whenever one changed, and none of them holds certctl up."""

from __future__ import annotations

import os

import pytest

from tests.contract.home import Home, write

WATCH = """
[watch.w]
paths = [{}]
hooks = ["reload"]
[hook.reload]
command = ["./reload"]
"""


def test_watch(home: Home) -> None:
    """A file that others write calls for its hook when its content changes, comes or goes."""
    home.script("reload", 'echo "$CERTCTL_FILES" >>"$HERE/runs"')
    home.config(WATCH.format('"one", "two"'))
    write(home / "one", "1")
    home("run")
    start = len(home.lines("runs"))
    assert start <= 1
    home("run")
    os.utime(home / "one")
    home("run")
    assert len(home.lines("runs")) == start
    write(home / "one", "2")
    assert home.steps() == [("hook", "reload")]
    home("run")
    write(home / "two", "new")
    home("run")
    (home / "one").unlink()
    home("run")
    assert home.lines("runs")[start:] == [str(home / "one"), str(home / "two"), str(home / "one")]
    assert home.steps() == []


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_watched_without_end(home: Home, kind: str) -> None:
    """A watched FIFO or device is told as an error, and neither waited for nor read without end."""
    home.script("reload", 'echo ran >>"$HERE/runs"')
    path = "/dev/zero" if kind == "device" else str(home / "one")
    home.config(WATCH.format(f'"{path}", "two"'))
    write(home / "two", "2")
    if kind == "fifo":
        os.mkfifo(home / "one")
    failed = home("run", code=1)
    assert f"{path}: it is not a regular file" in failed.err


def test_watched_by_size_and_time(home: Home) -> None:
    """A change that keeps size and time is seen, too."""
    home.script("reload", 'echo ran >>"$HERE/runs"')
    home.config(WATCH.format('"one"'))
    write(home / "one", "1")
    home("run")
    about = (home / "one").stat()
    write(home / "one", "2")
    os.utime(home / "one", ns=(about.st_atime_ns, about.st_mtime_ns))
    home("run")
    assert home.lines("runs") == ["ran"] * 2


def test_watched_link_and_directory(home: Home) -> None:
    """A watched link is its target's content; a directory in the place is no traceback."""
    home.script("reload", 'echo ran >>"$HERE/runs"')
    home.config(WATCH.format('"link", "dir"'))
    (home / "dir").mkdir()
    write(home / "a", "1")
    write(home / "b", "2")
    (home / "link").symlink_to("a")
    home("run", code=None)
    home("plan")
    before = len(home.lines("runs"))
    (home / "link").unlink()
    (home / "link").symlink_to("b")
    home("run", code=None)
    assert len(home.lines("runs")) == before + 1
