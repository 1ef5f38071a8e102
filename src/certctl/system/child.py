"""Processes that do what root should not: speak to strangers, and act in somebody else's directories.

What comes from the network is read by a child without root and without files (see
`confine`); what is written into a directory of somebody else is written by a child that
is its owner. A child is a new interpreter, so it has nothing of this process's memory,
and it gets no private key of a certificate; what it returns is built as the function's
annotations say, and nothing else. Without root it works the same in one user.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from certctl.errors import CertctlError, InternalError, StoreError
from certctl.system import deadline, wire
from certctl.system.text import bounded

Given = ParamSpec("Given")
Result = TypeVar("Result")

NOBODY = 65534
GRACE = 10.0
"""Seconds beyond its own limit after which a call is given up."""
_ENDING = 2.0
_ENVIRONMENT = ("TZ", "LANG", "LD_PRELOAD", "LD_LIBRARY_PATH", "RES_OPTIONS", "LOCALDOMAIN", "SSL_CERT_FILE",
                "SSL_CERT_DIR")  # fmt: skip
_ALWAYS = ("encodings.ascii", "encodings.latin_1", "encodings.idna", "traceback", "certctl.system.surprise")
"""What Python would load only when it is needed."""
_PREFIXES = ("FAKETIME", "LC_")


class Child:
    """One process, started by the first call, which serves calls side by side."""

    def __init__(self, task: str, *modules: str, uid: int | None = None, sealed: bool = True) -> None:
        """*task*: for messages; *modules*: whose functions may be called, and what these will
        import late. They are loaded before anything is given up; what they need of the file system
        is read then, by their `make_ready()`.

        *uid*: it becomes that user, and keeps the file system; None: nobody, confined. *sealed*: what was
        not loaded by then is not found any more, rather than here and there only.
        """
        self._task = task
        self._modules = modules
        self._uid = uid
        self._sealed = sealed
        self._lock = threading.Lock()
        self._running: _Running | None = None

    def runs(self, function: Callable[Given, Result]) -> Callable[Given, Result]:
        """Decorate a module's own *function*: it runs there, and raises here what it raises there.

        Its annotations say what may come and go: see `wire`. It ends within its argument *seconds*,
        and within the pass's deadline.
        """
        names = _names(function)

        @wraps(function)
        def outside(*arguments: Given.args, **named: Given.kwargs) -> Result:
            if _inside:
                return function(*arguments, **named)
            given: dict[str, Any] = {**dict(zip(names, arguments, strict=False)), **named}
            return self._ask(function, given, deadline.left(given["seconds"]))

        return outside

    def call(self, function: Callable[..., Result], *arguments: Any, seconds: float) -> Result:
        """Run any other *function* there, within *seconds* and the pass's deadline."""
        return self.insist(function, *arguments, seconds=deadline.left(seconds))

    def insist(
        self,
        function: Callable[..., Result],
        *arguments: Any,
        seconds: float,
        descriptors: Sequence[int] = (),
    ) -> Result:
        """The same, whatever the pass's deadline is: cleaning up comes after it, too.

        *descriptors*: *function* gets them by that name, as numbers of its own process.
        """
        given = dict(zip(_names(function), arguments, strict=False))
        return self._ask(function, given, seconds, descriptors)

    def start(self) -> None:
        """Begin now: by the time of the first call it has loaded what it needs."""
        self._started()

    def _ask(
        self,
        function: Callable[..., Result],
        given: dict[str, Any],
        seconds: float,
        descriptors: Sequence[int] = (),
    ) -> Result:
        answer = self._started().ask(function, wire.plain(given), descriptors)
        try:
            value = answer.result(seconds + GRACE)
        except TimeoutError:
            raise CertctlError(f"{self._task}: no answer within {seconds:.3g} s") from None
        try:
            found: Result = wire.result(function, value)
        except ValueError as error:
            raise CertctlError(f"{self._task}: its process answered nonsense: {error}") from error
        return found

    def _started(self) -> _Running:
        with self._lock:
            if self._running is not None and self._running.of != os.getpid():
                self._running = None  # fork(2) leaves it, and the thread that reads its answers, behind
            elif self._running is not None and self._running.over:
                self._running.end()
                self._running = None
            if self._running is None:
                self._running = _Running(self._task, self._modules, self._uid, sealed=self._sealed)
                _running.add(self)
            return self._running

    def end(self) -> None:
        """Let the process go; the next call starts another one."""
        with self._lock:
            running, self._running = self._running, None
            _running.discard(self)
        if running is not None:
            running.end()


_running: set[Child] = set()
_inside = False
"""Whether this is such a process."""


def end_all() -> None:
    """Let all processes go."""
    for child in list(_running):
        child.end()


def as_user(uid: int, function: Callable[..., None], *arguments: Any, seconds: float = 30.0) -> None:
    """Call *function* as *uid*, in its own group alone; as root in a process that drops root for good.

    Raises the CertctlError that it raises.
    """
    if os.geteuid() != 0 or uid == 0:
        function(*arguments)
        return
    child = Child(f"what is done as user {uid}", function.__module__, uid=uid)
    try:
        child.insist(function, *arguments, seconds=seconds)
    finally:
        child.end()


class _Running:
    """This side of a process that runs."""

    def __init__(self, task: str, modules: tuple[str, ...], uid: int | None, *, sealed: bool = True) -> None:
        from subprocess import DEVNULL, Popen

        self.over = False
        self.of = os.getpid()
        self._task = task
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[Future[Any], Callable[..., Any]]] = {}
        self._count = 0
        start = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; main()"
        with contextlib.ExitStack() as opened:
            try:
                self._words = os.memfd_create("certctl-child", os.MFD_CLOEXEC)
                opened.callback(os.close, self._words)
                self._socket, theirs = socket.socketpair()
                opened.enter_context(self._socket)
                with theirs:
                    self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 30, 0))
                    self._process = Popen(
                        [sys.executable, "-I", "-c", start],
                        stdin=theirs.fileno(),
                        stdout=DEVNULL,
                        stderr=self._words,
                        env=_environment(),
                        cwd="/",
                    )
                opened.callback(self._wait)
                self._reader = threading.Thread(target=self._read, daemon=True, name="certctl-child")
                self._reader.start()
            except (OSError, RuntimeError) as error:  # the latter where there are no more threads
                why = (getattr(error, "strerror", None) or str(error)).lower()
                raise CertctlError(f"{task}: no process of its own can be started: {why}") from error
            try:
                begin = {"modules": modules, "user": _user(uid), "confined": uid is None, "sealed": sealed}
                wire.send(self._socket, begin)
            except OSError:
                raise self._gone() from None
            self._opened = opened.pop_all()

    def ask(
        self, function: Callable[..., Any], arguments: Any, descriptors: Sequence[int] = ()
    ) -> Future[Any]:
        answer: Future[Any] = Future()
        with self._lock:
            self._count += 1
            number = self._count
            if self.over:
                raise self._gone()
            self._waiting[number] = answer, function
            frame = {
                "call": number,
                "function": [function.__module__, function.__name__],
                "arguments": arguments,
                "deadline": deadline.current(),
                "descriptors": len(descriptors),
            }
            try:
                wire.send(self._socket, frame)
                if descriptors:
                    socket.send_fds(self._socket, [b"\0"], descriptors)
            except OSError:
                self.over = True
                del self._waiting[number]
                raise self._gone() from None
        return answer

    def _read(self) -> None:
        """Hand answers to those who wait for them, until there are no more."""
        try:
            while (frame := wire.receive(self._socket)) is not None:
                answer, function = self._waiting[frame["call"]]
                if "error" in frame:
                    answer.set_exception(_error(frame["error"], function))
                else:
                    answer.set_result(frame["result"])
                with self._lock:
                    del self._waiting[frame["call"]]
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._process.kill()  # whatever it says now is not to be believed
        with self._lock:
            self.over = True
            left, self._waiting = list(self._waiting.values()), {}
        for answer, _ in left:
            answer.set_exception(self._gone())

    def _gone(self) -> CertctlError:
        try:
            said = os.pread(self._words, 65536, 0).decode("utf-8", "replace").strip().splitlines()[-1:]
        except OSError:  # closed meanwhile
            said = []
        code = self._process.poll()
        how = "".join(said) or ("it hung up" if code is None else f"it ended with {code}")
        return CertctlError(f"{self._task}: the process that does this is gone: {how}")

    def end(self) -> None:
        """Hang up, which ends it."""
        self.over = True
        with contextlib.suppress(OSError):  # it hung up before
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(_ENDING)
        self._opened.close()

    def _wait(self) -> None:
        from subprocess import TimeoutExpired

        try:
            self._process.wait(_ENDING)
        except TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _names(function: Callable[..., Any]) -> list[str]:
    code = getattr(function, "__wrapped__", function).__code__
    return list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def _user(uid: int | None) -> tuple[int, int]:
    import pwd

    try:
        found = pwd.getpwnam("nobody") if uid is None else pwd.getpwuid(uid)
    except KeyError:
        return (NOBODY if uid is None else uid), NOBODY
    return found.pw_uid, found.pw_gid


def _environment() -> dict[str, str]:
    """What resolving, proxies and trust need; what else is there may be somebody's secret."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_PREFIXES) or name.lower().endswith("_proxy")
    }


def _error(told: Any, function: Callable[..., Any]) -> CertctlError:
    """The error that the other side raised, if it is one of ours; else one that quotes it."""
    module, name, message, rest = told
    message = bounded(str(message))
    for kind in _kinds(CertctlError):
        if (kind.__module__, kind.__name__) == (module, name):
            error = kind.__new__(kind, message)
            error.__dict__.update({key: bounded(v) if isinstance(v, str) else v for key, v in rest.items()})
            return error
    return InternalError(f"{function.__name__}: {message}")


def _kinds(kind: type[CertctlError]) -> list[type[CertctlError]]:
    return [kind, *(below for one in kind.__subclasses__() for below in _kinds(one))]


# --- in the child --------------------------------------------------------------------------------


def main() -> None:
    """Load the modules, give up what is not needed, then serve calls until the other side hangs up."""
    global _inside  # noqa: PLW0603
    import importlib
    import signal

    from certctl.system import confine

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which hangs up
    connection = socket.socket(fileno=os.dup(0))
    start = wire.receive(connection)
    if start is None:
        os._exit(0)
    # Before root is gone: certctl may be installed where only root can read.
    for name in (*_ALWAYS, *start["modules"]):
        module = importlib.import_module(name)
        if hasattr(module, "make_ready"):
            module.make_ready()
    if start["sealed"]:
        sys.meta_path.insert(0, _Sealed())
    confine.drop_root(*start["user"])
    if start["confined"]:
        confine.confine()
    _inside = True
    modules, lock = frozenset(start["modules"]), threading.Lock()
    while (frame := wire.receive(connection)) is not None:
        if frame["descriptors"]:
            _, frame["arguments"]["descriptors"], _, _ = socket.recv_fds(connection, 1, frame["descriptors"])
        arguments = (connection, lock, modules, frame)
        try:
            threading.Thread(target=_serve, args=arguments, daemon=True, name="certctl-call").start()
        except RuntimeError:  # there are no more threads
            _serve(*arguments)
    os._exit(0)  # whatever still waits for somebody outside


class _Sealed:
    """Refuses what was not loaded in time: it would be found on some hosts, and not on others."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        raise ModuleNotFoundError(f"{name} was not loaded before root was given up", name=name)


def _serve(
    connection: socket.socket, lock: threading.Lock, modules: frozenset[str], frame: dict[str, Any]
) -> None:
    from certctl.system import surprise

    answer: dict[str, Any] = {"call": frame["call"]}
    try:
        deadline.adopt(frame["deadline"])
        function = _function(modules, *frame["function"])
        answer["result"] = wire.plain(function(**wire.arguments(function, frame["arguments"])))
    except Exception as error:  # noqa: BLE001  # it is raised where somebody waits for it
        found = surprise.told(error)
        rest = {key: v for key, v in vars(found).items() if isinstance(v, str | int | float | None)}
        answer["error"] = [type(found).__module__, type(found).__name__, found.message, rest]
    with lock:
        wire.send(connection, answer)


def _function(modules: frozenset[str], module: str, name: str) -> Callable[..., Any]:
    if module not in modules:
        raise StoreError(f"{module} is not for this process")
    found: Callable[..., Any] = getattr(sys.modules[module], name)
    return found
