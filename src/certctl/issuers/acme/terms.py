"""The terms of service of a CA, for those who have to decide about them first."""

from __future__ import annotations

from urllib.parse import urlsplit

from certctl.issuers.acme.client import Client
from certctl.issuers.acme.pace import Pace
from certctl.issuers.acme.pause import Pause
from certctl.issuers.acme.transport import Transport

TIMEOUT = 30.0


def terms(url: str, ca_file: str = "") -> str:
    """Return where the terms of the CA with the directory *url* are (RFC 8555 §7.1.1); empty: it names none.

    *ca_file*: roots to trust in place of the system's. Nothing is kept. Raises `IssuerError`.
    """
    transport = Transport(url, ca_file, TIMEOUT, 1)
    name = urlsplit(url).hostname or url
    client = Client(name, url, transport, Pace(), Pause(name, url, ""))
    return client.directory().terms
