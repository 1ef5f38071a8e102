"""Every address of a name, within a time limit."""

from __future__ import annotations

import socket
import threading

from certctl.deploy.probe.link import Failed


def resolve(host: str, port: int, timeout: float) -> list[tuple[int, str]]:
    """Return (address family, address) for each address of *host*, IPv6 and IPv4, in the resolver's order.

    getaddrinfo(3) knows no time limit, so it runs in a thread that is left behind when it takes too long.
    """
    answer: list[tuple[int, str]] = []
    problem: list[OSError] = []

    def ask() -> None:
        try:
            for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                if family in (socket.AF_INET, socket.AF_INET6):
                    answer.append((family, str(address[0])))
        except (OSError, UnicodeError) as error:
            problem.append(error if isinstance(error, OSError) else OSError(str(error)))

    thread = threading.Thread(target=ask, daemon=True, name="certctl-resolve")
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        raise Failed("no-address", f"the name {host} was not resolved within {timeout:g} s")
    if problem:
        reason = (problem[0].strerror or str(problem[0])).lower()
        raise Failed("no-address", f"the name {host} has no address: {reason}")
    return list(dict.fromkeys(answer))
