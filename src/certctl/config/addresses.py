"""URLs, listening addresses, servers, mailboxes, next-hops: whatever has a host and perhaps a port in it.

Taken apart by hand: urllib.parse would cost every start a few milliseconds.
"""

from __future__ import annotations

from certctl.config.names import host, is_address
from certctl.config.problems import BadValueError, suggestion
from certctl.config.values import path, text
from certctl.planning.spec import PROBE_SCHEMES

DIRECTORIES = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}


def url(value: object) -> str:
    """Take an https URL; http only where the host is this machine's loopback."""
    found = text(value)
    scheme, separator, rest = found.partition("://")
    if not separator or scheme.lower() not in ("https", "http"):
        raise BadValueError("must be a URL that starts with https://", value)
    if not found.isascii() or " " in found:
        raise BadValueError("a URL has no spaces, and only ASCII characters", value)
    authority = _until(rest, "/?#")
    if "@" in authority:
        raise BadValueError("a URL with a user name or password in it is not accepted", value)
    name, _ = host_and_port(authority, value)
    if scheme.lower() == "http" and not is_loopback(name):
        raise BadValueError("must be https, save for a host on loopback", value)
    return found


def acme_directory(value: object) -> str:
    """Take a directory's URL, or one of the words that stand for one."""
    found = text(value)
    known = DIRECTORIES.get(found)
    if known is not None:
        return known
    if "://" not in found:
        raise BadValueError(
            f"neither a URL nor one of {', '.join(DIRECTORIES)}{suggestion(found, DIRECTORIES)}", value
        )
    return url(value)


def probe(value: object) -> str:
    """Take SCHEME://HOST[:PORT][?sni=NAME], a NAME that is empty means that none is sent."""
    found = text(value)
    scheme, separator, rest = found.partition("://")
    if not separator or scheme not in PROBE_SCHEMES:
        near = suggestion(scheme, PROBE_SCHEMES, '"{}://…"') if separator else ""
        schemes = " ".join(f"{one}://" for one in PROBE_SCHEMES)
        raise BadValueError(f"must start with one of {schemes}{near}", value)
    authority, _, query = rest.partition("?")
    name, _, server_name = query.partition("=")
    if name not in ("", "sni") or any(c in found for c in " #@&%"):
        raise BadValueError("only SCHEME://HOST:PORT can be probed, with ?sni=NAME if need be", value)
    if server_name:
        host_and_port(server_name, value)
    _, port = host_and_port(authority.removesuffix("/"), value)
    if scheme == "tls" and port is None:
        raise BadValueError('tls has no port of its own: add one, as in "tls://127.0.0.1:4433"', value)
    return found


def listen(value: object) -> str:
    """Take HOST:PORT, HOST an address of this machine."""
    found = text(value)
    name, port = ("", None) if found[0] == ":" else host_and_port(found, value)
    if port is None:
        raise BadValueError('an address and a port are expected, as in "0.0.0.0:80" or "[::]:80"', value)
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def server(value: object) -> str:
    """Take a server: HOST or HOST:PORT, an IPv6 address with a port in brackets."""
    found = text(value)
    if found.count(":") > 1 and found[0] != "[":
        return host(found)
    name, port = host_and_port(found, value)
    shown = f"[{name}]" if ":" in name and port is not None else name
    return shown if port is None else f"{shown}:{port}"


def resolver(value: object) -> str:
    """Take a server by its address: it is what names are looked up with."""
    found = server(value)
    name = found.partition("]")[0].removeprefix("[") if found.count(":") > 1 else found.partition(":")[0]
    if not is_address(name):
        raise BadValueError('an IP address is expected, with a port if need be, as in "127.0.0.1:53"', value)
    return found


def zone(value: object) -> str:
    """Take a DNS zone's name; underscores may be in it, a last dot is dropped."""
    found = text(value).lower().removesuffix(".")
    canonical = host(found.replace("_", "x"))
    if is_address(canonical):
        raise BadValueError("a zone's name is expected, not an address", value)
    return found if found.isascii() else canonical


def name_constraint(value: object) -> str:
    """Take a DNS suffix or an IP network (RFC 5280 §4.2.1.10)."""
    found = text(value)
    if "/" in found or ":" in found or found.rpartition(".")[2].isdigit():
        import ipaddress

        try:
            return str(ipaddress.ip_network(found))
        except ValueError:
            raise BadValueError(
                'not an IP network, such as "192.0.2.0/24" or "2001:db8::/32"', value
            ) from None
    dot = "." if found[0] == "." else ""
    return dot + host(found.removeprefix("."))


def email(value: object) -> str:
    """Take a mailbox, without mailto:."""
    found = text(value)
    local, _, domain = found.rpartition("@")
    if found.lower().startswith("mailto:"):
        raise BadValueError(f'write the address alone: "{found[7:]}"', value)
    if not local or not domain or any(c in found for c in " ,;<>") or "@" in local:
        raise BadValueError('not an e-mail address, such as "hostmaster@example.org"', value)
    return found


def nexthop(value: object) -> str:
    """Take a next-hop as it stands in a Postfix policy table: domain, [host], either with :port."""
    found = text(value).lower()
    inner = found.removeprefix("[")
    bracketed = inner != found
    if bracketed:
        inner, closed, port = inner.partition("]")
        bad_port = not closed or (port != "" and (port[0] != ":" or not port[1:].isalnum()))
    else:
        inner, colon, port = inner.partition(":")
        bad_port = bool(colon) and not port.isalnum()
    plain = found.isascii() and not any(c in found for c in ' ,#"=|@')
    if not plain or bad_port or not inner or "[" in inner or "]" in inner:
        raise BadValueError(
            'not a next-hop: such as "example.org", "[mx.example.org]" or "[mx.example.org]:25"', value
        )
    return found


def feed(value: object) -> str:
    """Take the place of a peer's feed: an https URL, or a file."""
    found = text(value)
    return url(value) if "://" in found else path(value)


def feed_at(found: str, base: str) -> str:
    """Make a feed's file absolute; a URL stays."""
    from certctl.config.values import at

    return found if "://" in found else at(found, base)


def host_and_port(authority: str, whole: object) -> tuple[str, int | None]:
    """Split HOST[:PORT] or [IPV6][:PORT]; faults show *whole*."""
    if authority[:1] == "[":
        inside, closed, port = authority[1:].partition("]")
        if not closed or ":" not in inside or (port and port[0] != ":"):
            raise BadValueError(
                'not a host: an IPv6 address goes into brackets, as in "[2001:db8::1]:25"', whole
            )
        name = inside
    else:
        name, colon, digits = authority.partition(":")
        port = colon + digits
        if ":" in digits:
            raise BadValueError('an IPv6 address goes into brackets, as in "[2001:db8::1]:25"', whole)
    if not name:
        raise BadValueError("names no host", whole)
    try:
        name = host(name)
    except BadValueError as bad:
        raise BadValueError(bad.faults[0][0], whole) from None
    return name, _port(port[1:], whole) if port else None


def is_loopback(name: str) -> bool:
    """Tell whether a canonical host is this machine by name or address (RFC 6761 §6.3)."""
    if name in ("localhost", "::1") or name.endswith(".localhost"):
        return True
    return name.startswith("127.") and is_address(name)


def _port(digits: str, whole: object) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) < 6 and 0 < int(digits) < 65536):
        raise BadValueError("its port is not a number from 1 to 65535", whole)
    return int(digits)


def _until(text: str, stops: str) -> str:
    """Give what comes before the first of *stops*."""
    for stop in stops:
        text = text.partition(stop)[0]
    return text
