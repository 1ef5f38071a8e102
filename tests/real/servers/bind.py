"""BIND of its own: a zone that takes updates by TSIG, signed if wanted, with secondaries if wanted."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsigkeyring
import dns.update

from tests.real.servers.ports import free_port
from tests.real.servers.process import daemon, until
from tests.real.servers.require import program
from tests.real.servers.scratch import write

_KEY = """\
key "{key_name}" {{
  algorithm hmac-sha256;
  secret "{secret}";
}};
"""
_OPTIONS = """\
include "{key_file}";
options {{
  directory "{directory}";
  pid-file "{directory}/named.pid";
  session-keyfile "{directory}/session.key";
  managed-keys-directory "{directory}";
  listen-on port {port} {{ {address}; }};
  listen-on-v6 {{ none; }};
  recursion no;
  dnssec-validation no;
  notify explicit;
  notify-delay 0;
  allow-transfer {{ key "{key_name}"; }};
  minimal-responses yes;
  query-source address {address};
  notify-source {address};
  transfer-source {address};
}};
controls {{ }};
"""
_PRIMARY = """\
zone "{zone}" {{
  type primary;
  file "zone.db";
  update-policy {{ grant "{key_name}" zonesub ANY; }};
  also-notify {{ {notify} }};
{signing}
}};
"""
_SECONDARY = """\
zone "{zone}" {{
  type secondary;
  file "zone.db";
  primaries {{ {address} port {primary_port} key "{key_name}"; }};
  allow-notify {{ {address}; }};
}};
"""
_ZONE = """\
$TTL {ttl}
@ IN SOA ns1 hostmaster 1 3600 600 86400 {ttl}
@ IN NS ns1
ns1 IN A {address}
@ IN MX 10 mx
mx IN A 127.0.0.1
{records}
"""


class Bind(NamedTuple):
    """A running server. *key_file* is a `key` clause as tsig-keygen prints it; *secret* is base64."""

    directory: str
    address: str
    port: int
    zone: str
    key_name: str
    secret: str
    key_file: str
    log_file: str

    def query(self, name: str, kind: str) -> dns.message.Message:
        """Ask this server over TCP, with the DO bit; *name* may be relative to the zone."""
        full = dns.name.from_text(name, dns.name.from_text(self.zone))
        question = dns.message.make_query(full, kind, want_dnssec=True)
        return dns.query.tcp(question, self.address, port=self.port, timeout=5)

    def records(self, name: str, kind: str) -> list[str]:
        """Return the data of the records *name* *kind* as text, without signatures."""
        wanted = dns.rdatatype.from_text(kind)
        answer = self.query(name, kind).answer
        return sorted(record.to_text() for rrset in answer if rrset.rdtype == wanted for record in rrset)

    def update(self) -> dns.update.UpdateMessage:
        """Return an empty update of the zone that is signed with the key; send it with *send*."""
        keyring = dns.tsigkeyring.from_text({self.key_name: self.secret})
        return dns.update.UpdateMessage(self.zone, keyring=keyring, keyalgorithm="hmac-sha256.")

    def send(self, update: dns.update.UpdateMessage) -> None:
        """Send an update and insist on NOERROR."""
        rcode = dns.query.tcp(update, self.address, port=self.port, timeout=5).rcode()
        assert rcode == dns.rcode.NOERROR, dns.rcode.to_text(rcode)

    def trust_anchors(self) -> list[str]:
        """Return the key signing keys of a signed zone, as Unbound's trust-anchor takes them."""
        keys = self.records("@", "DNSKEY")
        return [f"{self.zone}. IN DNSKEY {key}" for key in keys if key.startswith("257 ")]

    def is_signed(self) -> bool:
        """True once the zone has its keys and signatures."""
        return bool(self.trust_anchors()) and len(self.query("@", "SOA").answer) > 1


@contextlib.contextmanager
def _named(server: Bind, zone: str) -> Iterator[Bind]:
    """Run named in *server*'s directory with the statement *zone*, until it answers for the zone."""
    values = {**server._asdict(), "log": server.log_file}
    write(server.key_file, _KEY.format(**values), 0o600)
    config = write(os.path.join(server.directory, "named.conf"), _OPTIONS.format(**values) + zone)
    argv = [program("named"), "-g", "-n", "1", "-c", config]
    with daemon(argv, log=server.log_file, ready=lambda: server.records("@", "SOA")):
        yield server


@contextlib.contextmanager
def bind(
    directory: str,
    *,
    zone: str = "example.test",
    records: str = "",
    ttl: int = 1,
    signed: bool = False,
    notify: Sequence[str] = (),
    address: str = "127.0.0.1",
    port: int | None = None,
) -> Iterator[Bind]:
    """Run a primary below *directory* for *zone*: SOA, NS (ns1), MX (mx), their addresses, and *records*.

    *signed*: DNSSEC, with BIND's own keys; waits until the zone is signed. *notify*: `127.0.0.1 port 5300` of
    secondaries. *port* is a free one unless given (53 in a network namespace, say).
    """
    secret = base64.b64encode(os.urandom(32)).decode()
    server = Bind(directory, address, port or free_port(), zone, "certctl", secret,
                  os.path.join(directory, "tsig.key"), os.path.join(directory, "named.log"))  # fmt: skip
    write(os.path.join(directory, "zone.db"), _ZONE.format(ttl=ttl, address=address, records=records))
    signing = "  dnssec-policy default;\n  inline-signing yes;" if signed else ""
    told = "".join(f"{target}; " for target in notify)
    statement = _PRIMARY.format(zone=zone, key_name=server.key_name, notify=told, signing=signing)
    with _named(server, statement):
        if signed:
            until(server.is_signed, "the zone is signed", log=server.log_file)
        yield server


@contextlib.contextmanager
def secondary(directory: str, primary: Bind, *, port: int | None = None) -> Iterator[Bind]:
    """Run a secondary of *primary* below *directory*. It lags unless the primary notifies its port."""
    server = primary._replace(
        directory=directory, port=port or free_port(),
        key_file=os.path.join(directory, "tsig.key"), log_file=os.path.join(directory, "named.log"),
    )  # fmt: skip
    statement = _SECONDARY.format(zone=primary.zone, address=primary.address, primary_port=primary.port,
                                  key_name=primary.key_name)  # fmt: skip
    with _named(server, statement):
        yield server
