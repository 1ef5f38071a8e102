"""Connections: proxies from the environment, limits, redirects, and what the CA learns of us."""

from __future__ import annotations

import gzip
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from certctl import __version__
from certctl.errors import CertctlError
from certctl.issuers.acme.client import Client
from certctl.issuers.acme.issuer import AcmeIssuer
from certctl.issuers.acme.pace import Pace, Pause
from certctl.issuers.acme.pool import LARGEST
from certctl.issuers.acme.transport import Transport
from certctl.planning.spec import AcmeOptions, IssuerSpec
from certctl.system import deadline
from certctl.system.child import end_all
from tests.unit.acme_tiny_ca import Said, tiny_ca


def client(url: str, home: Path) -> Client:
    return Client("ca", url, transport(), Pace(), Pause("ca", url, str(home)))


def transport(timeout: float = 5.0) -> Transport:
    return Transport("http://127.0.0.1/dir", "", timeout, 4)


def test_user_agent() -> None:
    """Every request says who asks (RFC 8555 §6.1)."""
    with tiny_ca({}) as ca:
        transport().request("GET", f"{ca.url}/dir")
        assert ca.requests[0][2].startswith(f"certctl/{__version__} urllib3/")


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
def test_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Requests go to the proxy, which sees the whole address, unless no_proxy names the host."""
    with tiny_ca({"http://127.0.0.1:9/": lambda _: Said(b"by proxy")}) as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert transport().request("GET", "http://127.0.0.1:9/x").body == b"by proxy"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        end_all()  # a process keeps the environment that it started with
        with pytest.raises(CertctlError, match=r"no answer from 127\.0\.0\.1:9"):
            transport().request("GET", "http://127.0.0.1:9/x")


def test_proxy_with_a_password_and_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    """https goes through CONNECT, with the credentials of the proxy's address; a refusal names the proxy."""
    seen: list[str] = []

    def refuse(handler: BaseHTTPRequestHandler) -> Said:
        seen.append(handler.headers.get("Proxy-Authorization", ""))
        return Said(b"", 407)

    with tiny_ca({"ca.test:443": refuse}) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("http://", "http://user:p%40ss@"))
        with pytest.raises(CertctlError, match=r"no answer from the proxy before ca\.test: .*407"):
            transport().request("GET", "https://ca.test/dir")
    assert seen == ["Basic dXNlcjpwQHNz"]


def test_proxy_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy is refused by name, not passed by."""
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(CertctlError, match=r"socks5://127\.0\.0\.1 is of no supported kind"):
        transport().request("GET", "http://127.0.0.1:9/")


def test_answer_without_end() -> None:
    """A body that grows for ever ends the request."""

    def pour(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(LARGEST // 65536 + 2):
            handler.wfile.write(b"x" * 65536)

    with tiny_ca({"/pour": pour}) as ca, pytest.raises(CertctlError, match="more than 1048576 bytes"):
        transport().request("GET", f"{ca.url}/pour")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip"])
def test_answer_that_is_compressed(coding: str) -> None:
    """Nobody asked for a body that may grow a thousandfold when it is unpacked: it is not."""
    asked: list[str] = []

    def pack(handler: BaseHTTPRequestHandler) -> Said:
        asked.append(handler.headers.get("Accept-Encoding", ""))
        return Said(gzip.compress(b"{}"), 200, (("Content-Encoding", coding),))

    with tiny_ca({"/packed": pack}) as ca, pytest.raises(CertctlError, match=r"encoded .*nobody asked for"):
        transport().request("GET", f"{ca.url}/packed")
    assert asked == ["identity"]


def test_deadline_of_the_pass() -> None:
    """A CA that is slow is left alone when the pass's time for others is over, whatever `timeout` says."""
    began = time.monotonic()
    with tiny_ca({"/slow": lambda _: time.sleep(20), "/quick": lambda _: Said(b"{}")}) as ca:
        transport(60).request("GET", f"{ca.url}/quick")  # the process that asks has started
        with deadline.limit(0.5):
            with pytest.raises(CertctlError, match="it takes too long"):
                transport(60).request("GET", f"{ca.url}/slow")
            with pytest.raises(CertctlError):
                transport(60).request("GET", f"{ca.url}/slow")
    assert time.monotonic() - began < 10


def test_answer_that_trickles() -> None:
    """A byte now and then does not hold a request open beyond its time."""

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    started = time.monotonic()
    with tiny_ca({"/trickle": trickle}) as ca, pytest.raises(CertctlError, match="it takes too long"):
        transport(0.3).request("GET", f"{ca.url}/trickle")
    assert time.monotonic() - started < 2


def test_answer_that_ends_early() -> None:
    """Less than Content-Length promised is no answer."""

    def tear(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"x" * 50)

    with tiny_ca({"/tear": tear}) as ca, pytest.raises(CertctlError, match="no answer from"):
        transport().request("GET", f"{ca.url}/tear")


def test_redirect(tmp_path: Path) -> None:
    """A directory that moved is said, not followed: signed requests name their address."""
    moved = Said(b"", 301, (("Location", "https://ca.test/new"),))
    words = r"/old redirects to https://ca\.test/new"
    with tiny_ca({"/old": lambda _: moved}) as ca, pytest.raises(CertctlError, match=words):
        client(f"{ca.url}/old", tmp_path).directory()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>hello", "text/html '<html>hello' where JSON was due"),
        (b"{}", "is no ACME directory, it lacks newNonce, newAccount, newOrder"),
        (
            b'{"newNonce": "http://ca.test/n", "newAccount": "https://x", "newOrder": "https://x"}',
            "is not https",
        ),
        (
            b'{"newNonce": "https://x:99999/", "newAccount": "https://x", "newOrder": "https://x"}',
            "is no address",
        ),
    ],
)
def test_directory_that_is_none(tmp_path: Path, body: bytes, message: str) -> None:
    """What came instead is quoted, and an address outside that is not https is not used."""
    html = (("Content-Type", "text/html"),)
    with (
        tiny_ca({"/other": lambda _: Said(body, 200, html)}) as ca,
        pytest.raises(CertctlError, match=message),
    ):
        client(f"{ca.url}/other", tmp_path).directory()


def test_ca_file_that_cannot_be_read(tmp_path: Path) -> None:
    """It is named; so is one that holds no certificates."""
    (tmp_path / "empty.pem").write_text("nothing\n")
    for name, words in (("none.pem", "no such file"), ("empty.pem", "")):
        options = AcmeOptions("https://127.0.0.1:9/", ca_file=str(tmp_path / name))
        with pytest.raises(CertctlError, match=f"cannot read .*{name}.*{words}"):
            AcmeIssuer(IssuerSpec("ca", "acme", acme=options), str(tmp_path)).session()
