"""For the processes that tests start: no name but those of this host is known there."""

from __future__ import annotations

import socket
from typing import Any


def make_ready() -> None:
    system = socket.getaddrinfo

    def at_home(host: str, *rest: Any, **options: Any) -> Any:
        if host != "127.0.0.1":
            raise socket.gaierror(socket.EAI_NONAME, "not known here")
        return system(host, *rest, **options)

    socket.getaddrinfo = at_home  # type: ignore[assignment]
