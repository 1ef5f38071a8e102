"""What the disk takes: files replaced durably one at a time, as is usually done."""

from __future__ import annotations

import os
import shutil
import sys

from tests.bench.measure import Command, Contestant, run
from tests.bench.setting import Setting

_WRITE = """
import os, sys
directory, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = b"x" * size
for number in range(count):
    path = f"{directory}/{number}"
    fd = os.open(path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, data)
    os.fsync(fd)
    os.close(fd)
    os.rename(path + ".tmp", path)
    fd = os.open(directory, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
"""


def durable(setting: Setting, count: int, size: int = 1500) -> Contestant:
    """Put *count* files of *size* bytes in place: temporary file, fsync, rename, fsync of the directory.

    What is more than a thousand is counted by a thousand.
    """
    directory = setting.directory("floor")
    sample = min(count, 1000)

    def prepare() -> None:
        shutil.rmtree(directory, ignore_errors=True)
        os.mkdir(directory)

    command = Command([sys.executable, "-I", "-S", "-c", _WRITE, directory, str(sample), str(size)])
    return Contestant(f"{count} durable files", lambda: run(command).times(count / sample), prepare)
