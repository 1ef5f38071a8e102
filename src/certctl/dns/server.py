"""Where a DNS server is, and how long it may be asked."""

from __future__ import annotations

import time

from certctl.errors import CertctlError
from certctl.system import deadline as whole_pass
from certctl.system.connect import resolve

PORT = 53


class Deadline:
    """The time that several questions may take together; the pass's deadline holds, too."""

    def __init__(self, seconds: float, what: str) -> None:
        """*what*: the subject of the message where it is not enough."""
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._what = what

    def left(self, most: float | None = None) -> float:
        """Seconds for what comes next, *most* of them. Raises CertctlError when none is left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise CertctlError(
                f"{self._what} took longer than {self._seconds:.3g} s",
                "set a longer timeout, if it is only slow",
            )
        return whole_pass.left(left if most is None else min(left, most))


def place(server: str) -> tuple[str, int]:
    """Host and port of HOST, HOST:PORT, an IPv6 address, or [ADDRESS]:PORT. Raises CertctlError."""
    if not server.startswith("[") and server.count(":") != 1:
        return server, PORT
    host, _, port = server.rpartition(":") if not server.endswith("]") else (server, "", str(PORT))
    if not port.isdecimal():
        raise CertctlError(
            f"{server!r} is no DNS server",
            "write an address such as 192.0.2.53 or [2001:db8::53]:5353",
            transient=False,
        )
    return host.strip("[]"), int(port)


def locate(server: str, seconds: float) -> tuple[str, int]:
    """IP address and port of *server*, written as for `place`. Raises CertctlError."""
    host, port = place(server)
    try:
        return str(resolve(host, port, seconds)[0].sockaddr[0]), port
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CertctlError(f"{host} has no address: {why}", f"look with: getent ahosts {host}") from error
