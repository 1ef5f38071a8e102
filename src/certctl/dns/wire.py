"""One message to one DNS server, and its answer, which leaves this package as text."""

from __future__ import annotations

import errno

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.tsig

from certctl.dns.tsig import Key
from certctl.errors import CertctlError
from certctl.system.connect import NO_ROUTE

QUERY_TIMEOUT = 5.0
FAILURES = (dns.exception.DNSException, OSError, EOFError)
"""Whatever dnspython raises where a question has no answer."""
SAYS = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
"""The answers that say what there is."""
_NO_ROUTE = (*NO_ROUTE, errno.EHOSTUNREACH)


class UnansweredError(CertctlError):
    """There is no answer; the message says why. *unrouted*: this host has no way to that address at all."""

    unrouted = False


def absolute(name: str) -> dns.name.Name:
    """*name*, which has its last dot or lacks it. Raises CertctlError."""
    try:
        return dns.name.from_text(name)
    except dns.exception.DNSException as error:
        raise CertctlError(f"{name!r} is no domain name: {words(error)}", transient=False) from error


def question(name: str, kind: str, key: Key | None = None) -> dns.message.QueryMessage:
    """A question for who knows by itself: without recursion."""
    query = dns.message.make_query(absolute(name), kind)
    query.flags &= ~dns.flags.RD
    sign(query, key)
    return query


def sign(message: dns.message.Message, key: Key | None) -> None:
    """Sign with *key*, where there is one."""
    if key is not None:
        message.use_tsig(dns.tsig.Key(key["name"], key["secret"], key["algorithm"]))


def send(
    message: dns.message.Message, address: str, port: int, seconds: float, *, tcp: bool = False
) -> dns.message.Message:
    """The answer to *message*. Raises UnansweredError."""
    try:
        if tcp:
            return dns.query.tcp(message, address, timeout=seconds, port=port)
        return dns.query.udp_with_fallback(message, address, timeout=seconds, port=port)[0]
    except FAILURES as error:
        failed = UnansweredError(words(error))
        if isinstance(error, OSError) and error.errno in _NO_ROUTE:
            failed = UnansweredError("this host has no route to it")
            failed.unrouted = True
        raise failed from error


def words(error: Exception) -> str:
    """What went wrong with a question, on one line."""
    return " ".join((str(error) or type(error).__name__).split()).rstrip(".").lower()


def refusal(answer: dns.message.Message) -> str:
    """What *answer* says instead of what there is; empty where it does say that."""
    return "" if answer.rcode() in SAYS else f"it answers {dns.rcode.to_text(answer.rcode())}"


def texts(answer: dns.message.Message, kind: str) -> list[str]:
    """The data of its records of one kind, see `text`."""
    wanted = dns.rdatatype.from_text(kind)
    return [text(record) for rrset in answer.answer if rrset.rdtype == wanted for record in rrset]


def text(record: dns.rdata.Rdata) -> str:
    """The data of a record in presentation form; that of TXT as the one string that it stands for."""
    if isinstance(record, dns.rdtypes.ANY.TXT.TXT):
        return b"".join(record.strings).decode("utf-8", "backslashreplace")
    return str(record.to_text())
