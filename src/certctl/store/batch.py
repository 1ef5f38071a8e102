"""What is to be written together: a `Batch`, which `store.atomic` makes durable."""

from collections.abc import Iterable
from typing import NamedTuple


class File(NamedTuple):
    """A file, -1: owner or group as the system gives them."""

    path: str
    data: bytes
    mode: int
    uid: int
    gid: int


class Link(NamedTuple):
    """A symlink."""

    path: str
    target: str


class Tree(NamedTuple):
    """A new directory (0700)."""

    path: str
    files: tuple[File, ...]
    """Their paths are below its own, from the slash on."""


class Aside(NamedTuple):
    """What is done before anything is renamed."""

    path: str
    what: str
    """mkdir | rmtree | fsync (of the directory that it is in)."""


Entry = File | Link | Tree | Aside


class Batch:
    """Files, symlinks and directory trees that are made durable together.

    Nothing happens before `atomic.commit`. All paths of a batch are renamed in the order
    in which they were added; a failure while staging changes none of them.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def file(self, path: str, data: bytes, mode: int, uid: int = -1, gid: int = -1) -> "Batch":
        """Replace *path* by *data*; -1 leaves the owner or group to the system."""
        self.entries.append(File(path, data, mode, uid, gid))
        return self

    def link(self, path: str, target: str) -> "Batch":
        """Make *path* a symlink to *target*, replacing a symlink or file that is there."""
        self.entries.append(Link(path, target))
        return self

    def tree(self, path: str, files: Iterable[tuple[str, bytes, int]]) -> "Batch":
        """Make the new directory *path* (0700) with *files*: relative path, content, mode."""
        self.entries.append(Tree(path, tuple(File(f"/{n}", d, m, -1, -1) for n, d, m in files)))
        return self

    # What follows is done, and durable, before anything of the batch is renamed.

    def directory(self, path: str) -> "Batch":
        """Make *path* (0700) unless it is there; its parent is."""
        self.entries.append(Aside(path, "mkdir"))
        return self

    def gone(self, path: str) -> "Batch":
        """Remove the directory *path* with all that is in it, if it is there."""
        self.entries.append(Aside(path, "rmtree"))
        return self

    def kept(self, path: str) -> "Batch":
        """Let *path*, which a crash left, outlive a power cut, too."""
        self.entries.append(Aside(path, "fsync"))
        return self
