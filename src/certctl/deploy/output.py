"""What a hook writes: collected in memory, bounded, its end kept."""

from __future__ import annotations

import os

_KEPT = 1 << 20
"""Bytes that may lie in memory between two calls of `bound`."""


class Output:
    """A memory file that a child gets as its standard output.

    A file and not a pipe: a daemon that inherits a pipe would hang us as a
    reader, and would die of SIGPIPE once we had stopped reading.
    """

    def __init__(self) -> None:
        import fcntl

        self.descriptor = os.memfd_create("hook output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        # Else a hook's own `> /dev/stderr`, which cuts the file, would leave holes in it.
        flags = fcntl.fcntl(self.descriptor, fcntl.F_GETFL)
        fcntl.fcntl(self.descriptor, fcntl.F_SETFL, flags | os.O_APPEND)
        self._dropped = b""

    def bound(self) -> None:
        """Give memory back once there is too much; called often enough, a flood costs little."""
        if os.fstat(self.descriptor).st_blocks * 512 > _KEPT:
            self._dropped = self._end(_KEPT // 16)
            os.ftruncate(self.descriptor, 0)

    def tail(self, length: int) -> str:
        """Return the last *length* bytes as printable text, from the start of a line."""
        data = self._dropped + self._end(length + 1)
        text = _printable(data[-length:].decode("utf-8", "replace"))
        return text if len(data) <= length else "[…]\n" + text[text.find("\n") + 1 :]

    def close(self) -> None:
        """Let go of the file; whoever still writes to it gets an error instead of memory."""
        import fcntl

        try:
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
        finally:
            os.close(self.descriptor)

    def _end(self, length: int) -> bytes:
        size = os.fstat(self.descriptor).st_size
        return os.pread(self.descriptor, length, max(0, size - length))


def _printable(text: str) -> str:
    """Drop what could drive the terminal that shows *text* later."""
    return "".join(c for c in text.replace("\r\n", "\n") if c.isprintable() or c in "\n\t")
