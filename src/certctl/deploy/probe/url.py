"""Where to connect and how to begin: smtp://mx.example.org:25?sni=other.example.org."""

from __future__ import annotations

from typing import NamedTuple

from certctl.errors import UsageError

STARTTLS = {"smtp": 25, "lmtp": 24, "imap": 143, "pop3": 110}
DIRECT = {"smtps": 465, "imaps": 993, "pop3s": 995, "https": 443, "tls": 0}
_PORTS = STARTTLS | DIRECT


class Target(NamedTuple):
    """A URL, taken apart."""

    url: str
    scheme: str
    host: str
    """Without brackets."""
    port: int
    sni: str | None = None
    """From `?sni=`, empty for none at all; None: not said."""


def parse_url(url: str) -> Target:
    """Take *url* apart. Raises UsageError that says what is wrong with it."""
    from urllib.parse import parse_qs, urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _bad(url, str(error).lower()) from error
    if parts.scheme not in _PORTS:
        raise _bad(url, f"the scheme is one of {' '.join(_PORTS)}")
    if not parts.hostname or parts.username or parts.fragment or parts.path not in ("", "/"):
        raise _bad(url, "it is SCHEME://HOST[:PORT][?sni=NAME]")
    query = parse_qs(parts.query, keep_blank_values=True)
    if set(query) - {"sni"}:
        raise _bad(url, "only ?sni=NAME may follow the host")
    port = port or _PORTS[parts.scheme]
    if not port:
        raise _bad(url, "tls:// has no port of its own: tls://HOST:PORT")
    # RFC 6874: a zone is written %25eth0 in a URL.
    host = parts.hostname.replace("%25", "%")
    return Target(url, parts.scheme, host, port, query["sni"][-1] if query else None)


def is_address(host: str) -> bool:
    """Whether *host* is an IP address and not a name."""
    import ipaddress

    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def server_name(target: Target, names: tuple[str, ...]) -> str:
    """Return what goes into SNI (RFC 6066 §3, never an address); empty for nothing."""
    if target.sni is not None:
        return target.sni
    if not is_address(target.host):
        return target.host
    return next((name for name in names if not is_address(name) and not name.startswith("*.")), "")


def _bad(url: str, why: str) -> UsageError:
    return UsageError(f"cannot probe {url!r}: {why}", hint="for example smtp://127.0.0.1:25 or imaps://[::1]")
