"""Sockets that answer a CA: open while somebody needs them, on IPv4 and IPv6, shared by all orders.

They are opened here, where root is, and served by a process without root and files: whoever
connects to them may be anybody.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from certctl.errors import CertctlError, IssuerError
from certctl.system.child import Child

Seen = Callable[[str], None]
Handler = Callable[[socket.socket, Mapping[str, str], Seen], None]
Asked = Callable[[str, float], bool]
CONNECTION_TIMEOUT = 10.0
CONNECTIONS = 64
"""Threads that answer at once: CAs validate from several places, and others knock, too."""
_CHANGE = 20.0
"""Seconds for the process to serve something else."""
_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


class Place(NamedTuple):
    """Where to listen."""

    what: str
    """For messages: "http-01", …"""
    addresses: tuple[str, ...]
    """"HOST:PORT"; none: *port* on all addresses of both families."""
    port: int


class Listener:
    """Serves what is held, by key.

    *handle*, a function of a module, gets each connection and all that is served at that moment, and
    tells which key it has served.
    """

    def __init__(self, place: Place, handle: Handler) -> None:
        self._place = place
        self._handle = handle.__module__, handle.__name__
        self._child = Child(f"answering for {place.what}", __name__, handle.__module__)
        self._lock = threading.Lock()
        self._held: dict[str, tuple[str, int]] = {}

    def start(self) -> None:
        """Let the process load what it needs, while other things are waited for."""
        self._child.start()

    @contextlib.contextmanager
    def serve(self, items: Mapping[str, str]) -> Iterator[Asked]:
        """Serve *items* within the context; the sockets are open while there are any of anybody's.

        What is yielded waits, for at most so many seconds, until a key was served; it returns True then.
        """
        with self._lock:
            for key, value in items.items():
                self._held[key] = (value, self._held.get(key, (value, 0))[1] + 1)
            try:
                self._show()
            except BaseException:
                self._drop(items)
                raise
        try:
            yield lambda key, seconds: self._child.insist(wait, key, seconds, seconds=seconds)
        finally:
            with self._lock:
                self._drop(items)
                try:
                    if self._held:
                        self._show()
                    else:
                        self._child.insist(close, seconds=_CHANGE)
                except CertctlError:
                    self._child.end()  # then it serves nothing any more, and the port is free

    def _show(self) -> None:
        """Have all that is held served; a process that has no sockets, a new one, gets them."""
        served = {key: value for key, (value, _) in self._held.items()}
        if self._child.insist(show, *self._handle, served, seconds=_CHANGE):
            return
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(one).fileno() for one in _open(self._place)]
            self._child.insist(show, *self._handle, served, seconds=_CHANGE, descriptors=opened)

    def _drop(self, keys: Mapping[str, str]) -> None:
        for key in keys:
            value, holders = self._held.pop(key)
            if holders > 1:
                self._held[key] = (value, holders - 1)


class Listeners:
    """The process's listeners of one kind: two issuers that name the same place share it."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._lock = threading.Lock()
        self._found: dict[Place, Listener] = {}

    def at(self, place: Place) -> Listener:
        with self._lock:
            if place not in self._found:
                self._found[place] = Listener(place, self._handle)
            return self._found[place]


def _open(place: Place) -> list[socket.socket]:
    every = [("0.0.0.0", place.port), ("::", place.port)]  # noqa: S104 (the CA comes from anywhere)
    opened: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for host, port in [_split(address, place.what) for address in place.addresses] or every:
            try:
                opened.append(stack.enter_context(_listen(host, port)))
            except OSError as error:
                # A machine without IPv6 (or IPv4) serves the other, unless it was asked for by address.
                if place.addresses or error.errno not in _NO_SUCH_FAMILY:
                    raise _refused(place.what, host, port, error) from error
        if not opened:
            raise IssuerError(f"{place.what}: this host has neither IPv4 nor IPv6", transient=False)
        stack.pop_all()
    return opened


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((host, port))
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    return listening


def _refused(what: str, host: str, port: int, error: OSError) -> IssuerError:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        other = (
            "set webroot to the directory that it serves" if what == "http-01" else "use another challenge"
        )
        return IssuerError(
            f"{what} cannot listen on {address}: another program has the port",
            f"see which: ss -ltnp 'sport = :{port}'; then stop it for good, or {other}",
        )
    if error.errno == errno.EACCES:
        return IssuerError(
            f"{what} cannot listen on {address}: ports below 1024 are root's",
            "run certctl as root, or give its unit AmbientCapabilities=CAP_NET_BIND_SERVICE",
            transient=False,
        )
    why = (error.strerror or str(error)).lower()
    return IssuerError(f"{what} cannot listen on {address}: {why}", "check the issuer's listen")


def _split(address: str, what: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise IssuerError(
            f"{what}: listen has {address!r}",
            'write "HOST:PORT", such as "0.0.0.0:80" or "[::]:80"',
            transient=False,
        )
    return host or "0.0.0.0", int(port)  # noqa: S104 (":80" means all addresses)


# --- in the child --------------------------------------------------------------------------------


def show(module: str, name: str, served: Mapping[str, str], descriptors: Sequence[int] = ()) -> bool:
    """Serve exactly *served*, at these sockets, too; False: there are none to serve it at."""
    return _server.show(getattr(sys.modules[module], name), served, descriptors)


def wait(key: str, seconds: float) -> bool:
    """Return whether *key* was served, as soon as it was."""
    return _server.wait(key, seconds)


def close() -> None:
    """Serve nothing; when this returns, the port is free."""
    _server.close()


def hang_up(connection: socket.socket) -> None:
    """End a connection in order: a reset could take away from the CA what it was told."""
    connection.shutdown(socket.SHUT_WR)
    for _ in range(16):
        if not connection.recv(4096):
            break


class _Server:
    """What this process serves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered = threading.Condition(self._lock)
        self._asked: set[str] = set()
        self._served: Mapping[str, str] = {}
        self._doors: list[_Door] = []
        self._inside: dict[socket.socket, None] = {}
        """Connections that are being answered, the oldest first: each by a second descriptor of it."""

    def show(self, handle: Handler, served: Mapping[str, str], descriptors: Sequence[int]) -> bool:
        with self._lock:
            self._handle = handle
            self._served = served
            self._asked &= served.keys()
            self._doors += [_Door(socket.socket(fileno=number), self._enter) for number in descriptors]
            return bool(self._doors)

    def wait(self, key: str, seconds: float) -> bool:
        with self._answered:
            return self._answered.wait_for(lambda: key in self._asked, seconds)

    def close(self) -> None:
        with self._lock:
            self._served, doors, self._doors = {}, self._doors, []
            self._asked.clear()
        for door in doors:
            door.close()

    def _enter(self, connection: socket.socket) -> None:
        """Answer in a thread; where there are too many, the oldest has to go: a CA does not sit and wait."""
        try:
            guard = connection.dup()
        except OSError:  # out of file descriptors
            connection.close()
            return
        with self._lock:
            oldest = next(iter(self._inside)) if len(self._inside) >= CONNECTIONS else None
            if oldest is not None:
                del self._inside[oldest]
                # Its thread wakes up, and closes both.
                with contextlib.suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)
            self._inside[guard] = None
        threading.Thread(target=self._answer, args=(connection, guard), daemon=True).start()

    def _answer(self, connection: socket.socket, guard: socket.socket) -> None:
        with self._lock:
            handle, served = self._handle, self._served
        try:
            # Whoever hangs up in the middle has harmed nobody.
            with connection, contextlib.suppress(OSError):
                connection.settimeout(CONNECTION_TIMEOUT)
                handle(connection, served, self._note)
        finally:
            with self._lock:
                self._inside.pop(guard, None)
                guard.close()

    def _note(self, key: str) -> None:
        with self._answered:
            if key in self._served:
                self._asked.add(key)
                self._answered.notify_all()


class _Door:
    """One listening socket with the thread that accepts from it."""

    def __init__(self, listening: socket.socket, enter: Callable[[socket.socket], None]) -> None:
        self._socket = listening
        self._enter = enter
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the socket; when this returns, the port is free."""
        self._closing.set()
        # close(2) alone would leave accept(2) in the other thread waiting.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                self._closing.wait(0.05)  # closed, or out of file descriptors for a while
                continue
            self._enter(connection)


_server = _Server()
