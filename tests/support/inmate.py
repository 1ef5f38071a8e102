"""What the tests of child processes run in them."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from certctl.errors import UnreadableError
from certctl.issuers.acme.listening import Seen


class Shape(NamedTuple):
    """A value with a field of each kind."""

    text: str
    number: int
    part: float
    data: bytes
    moment: datetime
    perhaps: str | None
    several: tuple[str, ...]


def same(one: Shape, more: Mapping[str, tuple[Shape, ...]]) -> dict[str, tuple[Shape, ...]]:
    return {"one": (one,), **more}


def echo(text: str) -> str:
    return text


def speak(text: str, descriptors: Sequence[int]) -> None:
    for number in descriptors:
        os.write(number, text.encode())
        os.close(number)


def lie(value: Any) -> tuple[str, int]:
    return value  # type: ignore[no-any-return]


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def left(seconds: float) -> float:
    from certctl.system import deadline

    return deadline.left(seconds)


def pid() -> int:
    return os.getpid()


def environment() -> tuple[str, ...]:
    return tuple(os.environ)


def resolved(name: str) -> int:
    return len(socket.getaddrinfo(name, 25))


def roots() -> int:
    return len(ssl.create_default_context().get_ca_certs())


def fail(how: str) -> None:
    if how == "expected":
        raise UnreadableError("it cannot be read", 5, "ls")
    raise ZeroDivisionError("nobody thought of it")


def write(path: str) -> None:
    Path(path).write_text("written", encoding="ascii")


def _fork(_: str) -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


def _run(_: str) -> None:
    subprocess.run(["/bin/true"], check=True)


REACHES: Mapping[str, Callable[[str], object]] = {
    "read a file": lambda path: Path(path).read_text(encoding="ascii"),
    "write a file": lambda path: Path(f"{path}.new").write_text("new", encoding="ascii"),
    "list a directory": lambda path: os.listdir(os.path.dirname(path)),
    "list /etc": lambda _: os.listdir("/etc"),
    "read /etc/passwd": lambda _: Path("/etc/passwd").read_text(encoding="utf-8"),
    "make a link": lambda path: os.symlink(path, f"{path}.link"),
    "run a program": _run,
    "fork": _fork,
    "listen": lambda _: socket.create_server(("127.0.0.1", 0)).close(),
    "send a signal": lambda _: os.kill(os.getpid(), 0),
}


def reach(what: str, path: str) -> str:
    """Try it; "refused" where the system does."""
    try:
        REACHES[what](path)
    except PermissionError:
        return "refused"
    return "done"


def _frame(data: bytes) -> None:
    os.write(0, len(data).to_bytes(4, "big") + data)


ENDS: Mapping[str, Callable[[], object]] = {
    "exit": lambda: os._exit(3),
    "signal": lambda: signal.raise_signal(signal.SIGABRT),
    "babble": lambda: os.write(0, b"HTTP/1.1 200 OK\r\n\r\n"),
    "nested": lambda: _frame(b"[" * 100_000),
    "no error": lambda: _frame(b'{"call": 2, "error": "x"}'),
    "a call of nobody": lambda: _frame(b'{"call": 77, "result": 1}'),
    "too large": lambda: os.write(0, b"\xff\xff\xff\xff"),
    "hang up": lambda: socket.socket(fileno=os.dup(0)).shutdown(socket.SHUT_RDWR),
}


def end(how: str) -> None:
    ENDS[how]()
    time.sleep(30)


def started(module: str) -> int:
    """Start a child, and leave it alone."""
    from certctl.system.child import Child

    return Child("a test", module).call(pid, seconds=10)


def say_what_is_served(connection: socket.socket, served: Mapping[str, str], seen: Seen) -> None:
    connection.sendall(" ".join(sorted(served)).encode())
    seen(min(served))


def say_who_serves(connection: socket.socket, _: Mapping[str, str], __: Seen) -> None:
    connection.sendall(f"{os.getpid()} {os.getuid()}".encode())
