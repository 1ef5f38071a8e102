"""Look at a URL from every side: each address, each algorithm, several connections at once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from certctl.deploy.probe.addresses import resolve
from certctl.deploy.probe.certificates import read_chain
from certctl.deploy.probe.handshake import FAMILIES, Session, shake_hands
from certctl.deploy.probe.link import Failed, Link, connect
from certctl.deploy.probe.starttls import begin_tls, greets_inside, say_goodbye
from certctl.deploy.probe.url import Target, parse_url, server_name
from certctl.deploy.probe.values import Expected, Served
from certctl.errors import CertctlError
from certctl.system.child import Child
from certctl.system.deadline import left
from certctl.x509 import certificate

_LATE = (
    *(
        "certctl.system.pool",
        "encodings.punycode",
        "idna.uts46data",
        "ipaddress",
        "urllib.parse",
        "OpenSSL.SSL",
    ),
    *certificate.LATE,
)
_child = Child("looking at what is served", __name__, *_LATE)

_FAREWELL = 1.0
"""Seconds that a server gets for its goodbye, so that it does not log a lost connection."""
_HOLD = 2.0
"""Seconds for which a connection stays open for the others' sake; a small server never has them all."""
_NO_MATTER_WHAT_IS_OFFERED = frozenset(
    {"refused", "timeout", "unreachable", "no-route", "greeting", "no-starttls", "tls-unavailable", "not-tls"}
)


class _Look(NamedTuple):
    """One connection that is to be made."""

    target: Target
    family: int
    address: str
    sni: str
    offered: str
    timeout: float


class _Open(NamedTuple):
    """What was seen, and what has to be closed."""

    served: Served
    link: Link | None = None
    session: Session | None = None


def probe(url: str, expected: Expected, *, timeout: float = 10.0, connections: int = 5) -> list[Served]:
    """Connect to *url* and return what each connection saw; nothing is judged and nothing verified.

    Every address of the name is asked. If *expected* has keys of more than one family, each family is
    offered alone. For each of these, *connections* are held open at the same time: a server process serves
    one or a few at once, so that old processes beside new ones show. *timeout* (seconds) holds for each
    connection with its handshake, and for the resolution of the name. Failures are in the values.

    What servers say is read by a process without root and files. Raises UsageError for a bad URL,
    CertctlError where there can be no such process.
    """
    target = parse_url(url)
    try:
        _time(timeout)
    except Failed as failed:
        sni = server_name(target, expected.names)
        return [Served(url, target.host, target.port, sni, "", failed.failure)]
    longest = timeout + (timeout + _HOLD + _FAREWELL) * len(_families(expected))
    return _child.insist(look, url, expected, timeout, connections, seconds=longest)


def look(url: str, expected: Expected, timeout: float, connections: int) -> list[Served]:
    """Do what `probe` does, in whatever process this is."""
    target = parse_url(url)
    sni = server_name(target, expected.names)
    try:
        addresses = resolve(target.host, target.port, _time(timeout))
    except Failed as failed:
        return [Served(url, target.host, target.port, sni, "", failed.failure)]
    everywhere = [_Look(target, family, address, sni, "", timeout) for family, address in addresses]
    families = _families(expected)
    return _in_threads(lambda look: _look_at_families(look, families, connections), everywhere)


def _families(expected: Expected) -> Sequence[str]:
    wanted = {key.algorithm.partition("-")[0] for key in expected.keys}
    return [family for family in FAMILIES if family in wanted] if len(wanted) > 1 else [""]


def _look_at_families(look: _Look, families: Sequence[str], connections: int) -> list[Served]:
    """Ask one address for each family; a server that is not there is not asked again and again."""
    seen: list[Served] = []
    together = threading.Barrier(connections)
    for family in families:
        together.reset()
        looks = [look._replace(offered=family)] * connections
        new = _in_threads(lambda one: [_look_and_hold(one, together)], looks)
        seen += new
        if all(one.failure and one.failure.kind in _NO_MATTER_WHAT_IS_OFFERED for one in new):
            return [one._replace(offered="") for one in seen] if len(seen) == len(new) else seen
    return seen


def _in_threads(see: Callable[[_Look], list[Served]], looks: Sequence[_Look]) -> list[Served]:
    from certctl.system.pool import Pool

    with Pool(max_workers=len(looks), thread_name_prefix="certctl-probe") as threads:
        return [served for seen in threads.map(see, looks) for served in seen]


def _look_and_hold(look: _Look, together: threading.Barrier) -> Served:
    opened = _look(look)
    try:
        # As long as this one is open, the next goes to another process.
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(_HOLD)
    finally:
        _close(look.target.scheme, opened)
    return opened.served


def _look(look: _Look) -> _Open:
    target = look.target
    nothing = Served(target.url, look.address, target.port, look.sni, look.offered)
    link = None
    try:
        deadline = time.monotonic() + _time(look.timeout)
        link = connect((look.address, target.port), look.family, look.timeout, deadline)
        begin_tls(target.scheme, link)
        done = shake_hands(link, look.sni, look.offered, "http/1.1" if target.scheme == "https" else "")
        chain = read_chain(done.chain)
    except Failed as failed:
        if link is not None:
            link.close()
        return _Open(nothing._replace(failure=failed.failure))
    except BaseException:
        if link is not None:
            link.close()
        raise
    seen = nothing._replace(
        protocol=done.protocol,
        cipher=done.cipher,
        group=done.group.name,
        group_bits=done.group.bits,
        chain=chain,
        note=done.note,
    )
    return _Open(seen, link, done.session)


def _time(timeout: float) -> float:
    """Return the seconds for one connection: *timeout*, or what the pass has left for others."""
    try:
        return left(timeout)
    except CertctlError as error:
        raise Failed("timeout", error.message) from error


def _close(scheme: str, opened: _Open) -> None:
    if opened.link is None or opened.session is None:
        return
    with _closing(opened.link):
        opened.link.shorten(_FAREWELL)
        if greets_inside(scheme):
            opened.session.receive()
        goodbye = say_goodbye(scheme)
        if goodbye:
            opened.session.send(goodbye)
            while opened.session.receive():
                pass
        opened.session.close()


@contextlib.contextmanager
def _closing(link: Link) -> Iterator[None]:
    """Close *link* at the end; that a server hangs up first, or never, is no matter any more."""
    from OpenSSL import SSL

    try:
        yield
    except (Failed, SSL.Error):
        return
    finally:
        link.close()
