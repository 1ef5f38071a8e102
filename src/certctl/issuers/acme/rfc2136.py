"""TXT records by DNS update (RFC 2136), signed with TSIG (RFC 8945)."""

from __future__ import annotations

import base64
import re
from typing import NamedTuple

import dns.exception
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.update

from certctl.errors import CertctlError, IssuerError
from certctl.issuers.acme.dnslookup import Lookup, Record
from certctl.issuers.acme.dnsoptions import Address, Table
from certctl.system.connect import resolve
from certctl.system.deadline import left
from certctl.system.secret import read_secret

TIMEOUT = 20.0
_KEY = re.compile(r'\bkey\s+"?([^"\s{]+)"?\s*\{([^}]*)\}', re.IGNORECASE)
_COMMENT = re.compile(r'("[^"]*")|/\*.*?\*/|//[^\n]*|#[^\n]*', re.DOTALL)
"""A quoted string is none: a secret in base64 may have // in it."""
_ALGORITHMS = frozenset(
    {"hmac-md5.sig-alg.reg.int", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"}
)
_HINTS = {
    dns.rcode.REFUSED: "the zone must grant it, such as: update-policy { grant KEY subdomain NAME TXT; };",
    dns.rcode.NOTAUTH: "is it the zone's primary, and does it know the key?",
    dns.rcode.NOTZONE: "set zone to the one that holds the name",
    dns.rcode.SERVFAIL: "look into the server's log: a journal that it may not write is the usual reason",
}


class TsigKey(NamedTuple):
    name: str
    algorithm: str
    secret: str


class Rfc2136:
    """Adds and removes records at the zone's primary."""

    def __init__(self, table: Table, lookup: Lookup, ttl: int) -> None:
        self._server = table.address("server")
        self._zone = table.text("zone").rstrip(".")
        self._key_file = table.text("tsig_key_file")
        self._lookup = lookup
        self._ttl = ttl

    def add(self, record: Record) -> None:
        update = self._update(record)
        update.add(f"{record.name}.", self._ttl, "TXT", f'"{record.value}"')
        self._send(update, record)

    def remove(self, record: Record) -> None:
        update = self._update(record)
        update.delete(f"{record.name}.", "TXT", f'"{record.value}"')
        self._send(update, record)

    def _update(self, record: Record) -> dns.update.UpdateMessage:
        update = dns.update.UpdateMessage(f"{self._zone or self._lookup.zone(record.name)}.")
        if self._key_file:
            key = read_tsig_key(self._key_file)
            update.use_tsig(dns.tsig.Key(key.name, key.secret, key.algorithm))
        return update

    def _send(self, update: dns.update.UpdateMessage, record: Record) -> None:
        try:
            # Over TCP: there is no doubt afterwards whether it arrived.
            answer = dns.query.tcp(update, _ip(self._server), timeout=left(TIMEOUT), port=self._server.port)
        except (dns.exception.DNSException, OSError) as error:
            words = " ".join((str(error) or type(error).__name__).split()).rstrip(".").lower()
            raise IssuerError(
                f"the DNS update of {record.name} at {self._server} failed: {words}",
                f"check server and tsig_key_file ({self._key_file or 'none is set'}), and both hosts' clocks",
            ) from error
        if answer.rcode() != dns.rcode.NOERROR:
            raise IssuerError(
                f"{self._server} refused to update {record.name}: {dns.rcode.to_text(answer.rcode())}",
                _HINTS.get(answer.rcode()),
            )


def read_tsig_key(path: str) -> TsigKey:
    """Read the first ``key`` clause in *path*, as tsig-keygen(8) prints it. Raises `IssuerError`."""
    try:
        found = _KEY.search(_COMMENT.sub(r"\1", read_secret(path)))
    except CertctlError as error:
        raise _no_key(path, error.message, error.hint) from error
    if not found:
        raise _no_key(path, "there is no key clause in it")
    pairs = [part.split(None, 1) for part in found[2].split(";")]
    values = {pair[0].lower(): pair[1].strip().strip('"') for pair in pairs if len(pair) == 2}
    key = TsigKey(
        found[1],
        values.get("algorithm", "hmac-sha256").lower().removesuffix("."),
        "".join(values.get("secret", "").split()),
    )
    if key.algorithm not in _ALGORITHMS:
        raise _no_key(path, f"the algorithm {key.algorithm} is not known")
    try:
        secret = base64.b64decode(key.secret, validate=True)
    except ValueError as error:
        raise _no_key(path, "its secret is no base64") from error
    if not secret:
        raise _no_key(path, "its key clause has no secret")
    return key


def _no_key(path: str, why: str, hint: str | None = None) -> IssuerError:
    return IssuerError(
        f"cannot read a TSIG key from {path}: {why}",
        hint or f"make one with `tsig-keygen certctl >{path}` (umask 077) and include it in named.conf",
        transient=False,
    )


def _ip(address: Address) -> str:
    """Return the server's IP address; dnspython takes no names here."""
    return str(resolve(address.host, address.port, TIMEOUT)[0].sockaddr[0])
