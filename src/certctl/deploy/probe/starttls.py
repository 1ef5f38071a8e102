"""The words before TLS begins: SMTP and LMTP (RFC 3207, 2033), IMAP (RFC 9051 §6.2.1), POP3 (RFC 2595 §4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from certctl.deploy.probe.link import Failed, Link

Words = TypeVar("Words")

_LINES = 200
"""Longest reply that is taken."""


def begin_tls(scheme: str, link: Link) -> None:
    """Bring *link* to the point where the server awaits a TLS hello. Raises Failed."""
    begin = _BEGIN.get(scheme)
    if begin is None:
        return
    try:
        begin(link)
    except Failed:
        link.try_to_send(say_goodbye(scheme))
        raise
    if link.unread:
        # RFC 3207 §4.2: what comes in clear text after the go-ahead could be injected by anybody.
        raise Failed("protocol", "the server sent more in clear text after it had agreed to TLS")


def say_goodbye(scheme: str) -> bytes:
    """What ends a session politely, so that the server's log shows no broken connection."""
    if scheme.startswith("imap"):
        return b"a9 LOGOUT\r\n"
    return b"QUIT\r\n" if scheme in _GREETED else b""


def greets_inside(scheme: str) -> bool:
    """Whether the server speaks first once TLS stands."""
    return scheme in ("smtps", "imaps", "pop3s")


def _smtp(link: Link) -> None:
    _esmtp(link, "EHLO")


def _lmtp(link: Link) -> None:
    _esmtp(link, "LHLO")


def _esmtp(link: Link, hello: str) -> None:
    greeting = _greeting(link, _reply)
    _expect(greeting, "220", "greeting", "the server does not want to talk")
    link.waiting_for = f"the answer to {hello}"
    link.send(f"{hello} {_literal(link.local_address)}\r\n".encode())
    offers = _reply(link)
    _expect(offers, "250", "no-starttls", f"the server refuses {hello}")
    if "STARTTLS" not in (line[4:].strip().upper() for line in offers):
        raise Failed("no-starttls", "the server does not offer STARTTLS")
    link.waiting_for = "the answer to STARTTLS"
    link.send(b"STARTTLS\r\n")
    answer = _reply(link)
    if not answer[-1].startswith("220"):
        # RFC 3207 §4: 454 TLS not available due to temporary reason.
        raise Failed("tls-unavailable", f"the server offers STARTTLS but refuses it: {_text(answer)}")


def _imap(link: Link) -> None:
    greeting = _greeting(link, Link.line)
    if not greeting.upper().startswith(("* OK", "* PREAUTH")):
        raise Failed("greeting", f"the server does not want to talk: {greeting}")
    capabilities = _imap_command(link, "a1", "CAPABILITY")
    words = " ".join(line for line in capabilities if line.upper().startswith("* CAPABILITY")).upper().split()
    if "STARTTLS" not in words:
        raise Failed("no-starttls", "the server does not offer STARTTLS")
    answer = _imap_command(link, "a2", "STARTTLS")[-1]
    if not answer.upper().startswith("A2 OK"):
        raise Failed("tls-unavailable", f"the server offers STARTTLS but refuses it: {answer}")


def _imap_command(link: Link, tag: str, command: str) -> list[str]:
    """Send a command; return the untagged lines, and the tagged one last."""
    link.waiting_for = f"the answer to {command}"
    link.send(f"{tag} {command}\r\n".encode())
    return _lines(link, lambda line: line.lower().startswith(f"{tag} "))


def _pop3(link: Link) -> None:
    greeting = _greeting(link, Link.line)
    if not greeting.upper().startswith("+OK"):
        raise Failed("greeting", f"the server does not want to talk: {greeting}")
    link.waiting_for = "the answer to CAPA"
    link.send(b"CAPA\r\n")
    # A server that does not know CAPA (RFC 2449) may still know STLS.
    if link.line().upper().startswith("+OK"):
        offers = _lines(link, lambda line: line == ".")
        if "STLS" not in (line.strip().upper() for line in offers):
            raise Failed("no-starttls", "the server does not offer STLS")
    link.waiting_for = "the answer to STLS"
    link.send(b"STLS\r\n")
    answer = link.line()
    if not answer.upper().startswith("+OK"):
        raise Failed("tls-unavailable", f"the server refuses STLS: {answer}")


def _greeting(link: Link, read: Callable[[Link], Words]) -> Words:
    link.waiting_for = "a greeting"
    try:
        return read(link)
    except Failed as failed:
        if failed.failure.kind != "timeout":
            raise
        silent = f"{failed.failure.message}; a port that wants TLS from the start is silent like that"
        raise Failed("timeout", silent) from None


def _reply(link: Link) -> list[str]:
    """Return one SMTP reply: `250-…` lines, and a last one without the hyphen (RFC 5321 §4.2.1)."""
    lines = _lines(link, lambda line: line[3:4] != "-" or not line[:3].isdigit())
    if not lines[-1][:3].isdigit():
        raise Failed("protocol", f"this is no SMTP reply: {lines[-1][:200]}")
    return lines


def _lines(link: Link, is_last: Callable[[str], bool]) -> list[str]:
    lines: list[str] = []
    while len(lines) < _LINES:
        lines.append(link.line())
        if is_last(lines[-1]):
            return lines
    raise Failed("protocol", f"more than {_LINES} lines came as {link.waiting_for}")


def _expect(reply: list[str], code: str, kind: str, trouble: str) -> None:
    if not reply[-1].startswith(code):
        raise Failed(kind, f"{trouble}: {_text(reply)}")


def _text(reply: list[str]) -> str:
    return " ".join([reply[0], *(line[4:] for line in reply[1:])])


def _literal(address: str) -> str:
    """The address literal (RFC 5321 §4.1.3) with which a client without a name says hello."""
    return f"[IPv6:{address.partition('%')[0]}]" if ":" in address else f"[{address}]"


_BEGIN = {"smtp": _smtp, "lmtp": _lmtp, "imap": _imap, "pop3": _pop3}
_GREETED = ("smtp", "lmtp", "smtps", "pop3", "pop3s")
