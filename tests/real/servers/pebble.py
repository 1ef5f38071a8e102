"""Pebble, the ACME test server, with a DNS of its own (challtestsrv) that says 127.0.0.1 to every name."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tests.real.servers.pki import make_authority, make_identity
from tests.real.servers.ports import free_port
from tests.real.servers.process import accepts, daemon
from tests.real.servers.require import program
from tests.real.servers.scratch import write

DEFAULT_PROFILES = {"default": {"description": "90 days", "validityPeriod": 90 * 86400}}


class Pebble(NamedTuple):
    """A running server. The TLS certificate of its directory and management is verified with *ca_file*."""

    directory_url: str
    management_url: str
    dns_url: str  # management of challtestsrv over http, "" when another DNS server is used
    ca_file: str
    http_port: int  # where it validates http-01
    tls_port: int  # where it validates tls-alpn-01
    log_file: str

    def get(self, url: str) -> bytes:
        """GET from the directory or management port."""
        trust = ssl.create_default_context(cafile=self.ca_file)
        with urllib.request.urlopen(url, timeout=5, context=trust) as answer:
            return bytes(answer.read())

    def directory(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get(self.directory_url))
        return found

    @property
    def has_renewal_info(self) -> bool:
        """True if it speaks ARI (RFC 9773)."""
        return "renewalInfo" in self.directory()

    @property
    def has_profiles(self) -> bool:
        return "profiles" in self.directory().get("meta", {})

    def root(self, number: int = 0) -> bytes:
        """The PEM of the root that issues; alternate roots have numbers from 1."""
        return self.get(f"{self.management_url}/roots/{number}")

    def set_renewal_info(self, certificate_pem: str, answer: Mapping[str, Any]) -> None:
        """Let ARI say *answer* (a document of RFC 9773) for a certificate; needs has_renewal_info."""
        self._post(f"{self.management_url}/set-renewal-info/",
                   {"certificate": certificate_pem, "ariResponse": json.dumps(answer)})  # fmt: skip

    def dns(self, verb: str, **record: Any) -> None:
        """Change challtestsrv's DNS: `dns("add-a", host="x.test.", addresses=["127.0.0.2"])`, set-txt, …"""
        self._post(f"{self.dns_url}/{verb}", record)

    def _post(self, url: str, document: Mapping[str, Any]) -> None:
        trust = ssl.create_default_context(cafile=self.ca_file)
        request = urllib.request.Request(url, json.dumps(document).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=5, context=trust) as answer:
            assert answer.status == 200, (url, answer.status)


@contextlib.contextmanager
def _challtestsrv(directory: str, ipv6: str) -> Iterator[tuple[str, str]]:
    """Run the DNS alone; yield its address and its management URL."""
    binary = program("pebble-challtestsrv")
    dns, management = free_port(), free_port()
    argv = [binary, "-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1",
            "-defaultIPv6", ipv6, "-management", f"127.0.0.1:{management}"]  # fmt: skip
    with open(binary, "rb") as file:  # the flag was renamed, and DNS over https added, in 2.7
        newer = b"dnsserver" in file.read()
    argv += ["-dnsserver", f"127.0.0.1:{dns}", "-doh", ""] if newer else ["-dns01", f"127.0.0.1:{dns}"]
    log = os.path.join(directory, "challtestsrv.log")
    with daemon(argv, log=log, ready=lambda: accepts(dns) and accepts(management)):
        yield f"127.0.0.1:{dns}", f"http://127.0.0.1:{management}"


@contextlib.contextmanager
def pebble(
    directory: str,
    *,
    nonce_reject: int = 0,
    always_valid: bool = False,
    eab: Mapping[str, str] | None = None,
    profiles: Mapping[str, Mapping[str, Any]] | None = None,
    alternate_roots: int = 0,
    chain_length: int = 1,
    retry_after: tuple[int, int] = (0, 0),
    authorization_reuse: int = 0,
    blocklist: Sequence[str] = (),
    dns: str | None = None,
    ipv6: str = "",
    environment: Mapping[str, str] | None = None,
    binary: str | None = None,
) -> Iterator[Pebble]:
    """Run Pebble below *directory*, without its pauses before a validation.

    *nonce_reject* and *authorization_reuse*: per cent. *eab*: kid → base64url MAC key; then it is required.
    *retry_after*: seconds, of authorizations and of orders; 0: it names none. *dns*: `host:port` of a DNS
    server in place of challtestsrv. *ipv6*: what challtestsrv answers to AAAA, by default nothing.
    *environment*: more PEBBLE_…. *binary*: another Pebble than the one that tests/run unpacks.
    """
    binary = binary or program("pebble")
    authority = make_authority("Pebble's own")
    identity = make_identity(["localhost", "127.0.0.1"], authority=authority)
    api, management, http_port, tls_port = free_port(), free_port(), free_port(), free_port()
    config = {
        "listenAddress": f"127.0.0.1:{api}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": write(f"{directory}/pebble.crt", identity.fullchain_pem),
        "privateKey": write(f"{directory}/pebble.key", identity.key_pem, 0o600),
        "httpPort": http_port,
        "tlsPort": tls_port,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": bool(eab),
        "externalAccountMACKeys": dict(eab or {}),
        "domainBlocklist": list(blocklist),
        "retryAfter": {"authz": retry_after[0], "order": retry_after[1]},
        "keyAlgorithm": "ecdsa",
        "profiles": profiles or DEFAULT_PROFILES,
    }
    variables = {
        "PEBBLE_VA_NOSLEEP": "1",
        "PEBBLE_WFE_NONCEREJECT": str(nonce_reject),
        "PEBBLE_AUTHZREUSE": str(authorization_reuse),
        "PEBBLE_ALTERNATE_ROOTS": str(alternate_roots),
        "PEBBLE_CHAIN_LENGTH": str(chain_length),
        **({"PEBBLE_VA_ALWAYS_VALID": "1"} if always_valid else {}),
        **(environment or {}),
    }
    file = write(f"{directory}/pebble.json", json.dumps({"pebble": config}))
    log = os.path.join(directory, "pebble.log")
    with contextlib.ExitStack() as stack:
        dns, dns_url = (dns, "") if dns else stack.enter_context(_challtestsrv(directory, ipv6))
        server = Pebble(
            f"https://localhost:{api}/dir", f"https://localhost:{management}", dns_url,
            write(f"{directory}/pebble-ca.pem", authority.root_pem), http_port, tls_port, log,
        )  # fmt: skip
        argv = [binary, "-config", file, "-dnsserver", dns]
        ready = lambda: server.directory() and accepts(management)  # noqa: E731
        stack.enter_context(daemon(argv, log=log, env=variables, ready=ready))
        yield server
