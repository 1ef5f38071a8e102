"""A CA of a few lines on plain HTTP at loopback, that says whatever a test wants it to say."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.real.servers.ports import free_port


class Said(NamedTuple):
    """An answer."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Speaker = Callable[[BaseHTTPRequestHandler], Said | None]


class TinyCa(NamedTuple):
    url: str
    requests: list[tuple[str, str, str]]
    """Method, path and User-Agent of each."""


@contextlib.contextmanager
def tiny_ca(paths: dict[str, Speaker]) -> Iterator[TinyCa]:
    """Serve a directory at /dir, and *paths* by their beginning; None as an answer: it is written already."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    seen: list[tuple[str, str, str]] = []
    names = ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo")
    directory = json.dumps({name: f"{url}/{name}" for name in names}).encode()
    known: dict[str, Speaker] = {"/dir": lambda _: Said(directory), **paths}

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            seen.append((self.command, self.path, self.headers.get("User-Agent", "")))
            speaker = next((known[path] for path in known if self.path.startswith(path)), None)
            said = speaker(self) if speaker else Said(b"", 404)
            if said is None:
                return
            self.send_response(said.status)
            for name, value in said.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_HEAD = do_POST = do_CONNECT = _any  # noqa: N815 (the library's names)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield TinyCa(url, seen)
    finally:
        server.shutdown()
        server.server_close()
