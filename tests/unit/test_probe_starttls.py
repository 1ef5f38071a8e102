"""The words before TLS, with servers that follow their protocol and servers that do not."""

from __future__ import annotations

import socket

import pytest

from certctl.deploy.probe import Expected, probe
from tests.unit.probe_server import Play, script, serving

HELLO = (b"", b"220 mx\r\n")
OFFERS = b"250-mx.example.org\r\n250-SIZE 10240000\r\n250-starttls\r\n250 SMTPUTF8\r\n"
EHLO = (b"EHLO [127.0.0.1]\r\n", OFFERS)
LHLO = (b"LHLO [127.0.0.1]\r\n", OFFERS)
IMAP = (b"", b"* OK hello\r\n")
CAPABILITY = (b"a1 CAPABILITY\r\n", b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK done\r\n")
POP3 = (b"", b"+OK hello <1@mx>\r\n")
CAPA = (b"CAPA\r\n", b"+OK\r\nTOP\r\nSTLS\r\n.\r\n")
TLS = (b"\x16", b"\x15\x03\x01\x00\x02\x02\x28")
LOCAL_PROBLEM = b"454 4.7.0 TLS not available due to local problem\r\n"


def quiet(connection: socket.socket) -> None:
    """Take what comes and never answer."""
    while connection.recv(4096):
        pass


def look(scheme: str, play: Play, timeout: float = 5.0) -> tuple[str, str]:
    """Return kind and message of the failure that the probe meets."""
    with serving(play) as port:
        (served,) = probe(f"{scheme}://127.0.0.1:{port}", Expected(), connections=1, timeout=timeout)
    assert served.failure is not None
    return served.failure


@pytest.mark.parametrize(
    ("scheme", "steps"),
    [
        ("smtp", [(b"", b"220-mx\r\n220 welcome\r\n"), EHLO, (b"STARTTLS\r\n", b"220 2.0.0 go\r\n")]),
        ("lmtp", [(b"", b"220 mx LMTP\r\n"), LHLO, (b"STARTTLS\r\n", b"220 go\r\n")]),
        ("imap", [IMAP, CAPABILITY, (b"a2 STARTTLS\r\n", b"* OK by the way\r\na2 OK go\r\n")]),
        ("imap", [(b"", b"* PREAUTH\r\n"), CAPABILITY, (b"a2 STARTTLS", b"A2 OK go\r\n")]),
        ("pop3", [POP3, CAPA, (b"STLS\r\n", b"+OK go\r\n")]),
        ("pop3", [POP3, (b"CAPA", b"-ERR unknown\r\n"), (b"STLS", b"+OK go\r\n")]),
    ],
)
def test_dialogue_leads_to_the_handshake(scheme: str, steps: list[tuple[bytes, bytes]]) -> None:
    """Multi-line greetings and replies, tags and untagged lines, any case: then comes the TLS hello."""
    kind, message = look(scheme, script(*steps, TLS))
    assert kind == "handshake", message
    assert "handshake_failure" in message


@pytest.mark.parametrize(
    ("scheme", "steps", "kind", "words"),
    [
        ("smtp", [HELLO, (b"EHLO", b"250-mx\r\n250 SIZE\r\n")], "no-starttls", "does not offer STARTTLS"),
        ("smtp", [HELLO, (b"EHLO", b"502 what\r\n")], "no-starttls", "refuses EHLO: 502 what"),
        ("smtp", [HELLO, EHLO, (b"STARTTLS", LOCAL_PROBLEM)], "tls-unavailable", "454 4.7.0 TLS not av"),
        ("smtp", [(b"", b"554-go\r\n554 away\r\n")], "greeting", "554-go away"),
        ("smtp", [(b"", b"hello?\r\n")], "protocol", "no SMTP reply: hello?"),
        ("smtp", [HELLO, EHLO, (b"STARTTLS", b"220 go\r\n250 more\r\n")], "protocol", "in clear text after"),
        ("smtp", [(b"", b"220-x\r\n" * 300)], "protocol", "more than 200 lines"),
        ("smtp", [(b"", b"220 " + b"x" * 70_000)], "protocol", "more than 65536 bytes"),
        ("imap", [(b"", b"* BYE too many\r\n")], "greeting", "* BYE too many"),
        ("imap", [IMAP, (b"a1", b"* CAPABILITY ID\r\na1 OK\r\n")], "no-starttls", "does not offer STARTTLS"),
        ("imap", [IMAP, CAPABILITY, (b"a2", b"a2 BAD no TLS\r\n")], "tls-unavailable", "a2 BAD no TLS"),
        ("pop3", [(b"", b"-ERR busy\r\n")], "greeting", "-ERR busy"),
        ("pop3", [POP3, (b"CAPA", b"+OK\r\nUIDL\r\n.\r\n")], "no-starttls", "does not offer STLS"),
        ("pop3", [POP3, CAPA, (b"STLS", b"-ERR no TLS\r\n")], "tls-unavailable", "-ERR no TLS"),
        ("smtps", [(b"", b"220 mx ESMTP\r\n")], "not-tls", "'220 mx ESMTP'"),
    ],
)
def test_what_goes_wrong_is_named(
    scheme: str, steps: list[tuple[bytes, bytes]], kind: str, words: str
) -> None:
    """Each way of not getting to TLS has its kind, and the message has the server's own words."""
    seen, message = look(scheme, script(*steps))
    assert (seen, words in message) == (kind, True), message


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        ("lmtp", "a port that wants TLS from the start is silent"),
        ("https", "the end of the TLS handshake did"),
    ],
)
def test_server_that_says_nothing(scheme: str, words: str) -> None:
    """Silence ends with the time limit, and the message says what was waited for."""
    kind, message = look(scheme, quiet, timeout=0.3)
    assert (kind, words in message) == ("timeout", True), message


def test_server_that_hangs_up() -> None:
    """A connection that is closed in the middle says in the middle of what."""
    kind, message = look("smtp", lambda connection: connection.close())
    assert (kind, "instead of a greeting" in message) == ("closed", True), message
