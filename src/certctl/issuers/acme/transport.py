"""One pool of connections to a CA: every request ends in time, within a size, over verified TLS."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3._version import __version__ as urllib3_version
from urllib3.exceptions import HTTPError, LocationParseError, ProxyError, SSLError

from certctl import __version__
from certctl.errors import IssuerError, UnreadableError
from certctl.issuers.acme.directory import Bounds
from certctl.issuers.acme.linkheader import links
from certctl.issuers.acme.problem import Problem, UnreachableError, parse_problem
from certctl.issuers.acme.retryafter import seconds_to_wait
from certctl.system import connect
from certctl.system.deadline import left
from certctl.system.files import read_given

LARGEST = 1 << 20
CONNECT = 10.0
"""Seconds to look up a name and connect to one of its addresses."""
USER_AGENT = f"certctl/{__version__} urllib3/{urllib3_version}"
_HEADERS = {"User-Agent": USER_AGENT, "Accept-Language": "en", "Accept-Encoding": "identity"}


class Answer(NamedTuple):
    """What came back, whole."""

    url: str
    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes

    def header(self, name: str) -> str | None:
        return self.headers.get(name)

    def document(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises `UnreachableError`, quoting what came instead."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            return found
        raise UnreachableError(f"{self.url} answered {self.status} with {self.excerpt()} where JSON was due")

    def problem(self) -> Problem:
        """Return what an error status came with; where it is no problem document, one that quotes it."""
        try:
            found = parse_problem(json.loads(self.body), self.status)
        except (ValueError, RecursionError):
            found = None
        if found:
            return found
        reason = http.client.responses.get(self.status, "")
        return Problem(self.status, "", f"{self.status} {reason}, {self.excerpt()}".replace(" ,", ","))

    def retry_after(self) -> float | None:
        """Seconds that the CA asks to wait, if it does."""
        now = datetime.now(timezone.utc)
        return seconds_to_wait(self.header("Retry-After"), self.header("Date"), now)

    def links(self, relation: str) -> list[str]:
        """Return the targets of all Link header fields of this *relation* (RFC 8288)."""
        return links(self.headers.getlist("Link"), relation)

    def excerpt(self) -> str:
        """Say what kind of body it is, with its beginning."""
        if not self.body.strip():
            return "an empty body"
        kind = (self.header("Content-Type") or "").split(";")[0].strip() or "no content type"
        text = " ".join(self.body[:400].decode("utf-8", "replace").split())
        return f"{kind} {text[:80]!r}"


class Transport:
    """Sends requests; shared by all threads that speak to one CA."""

    def __init__(self, directory: str, ca_file: str, timeout: float, connections: int) -> None:
        """*directory*: the CA's URL, which says what else it may name; *ca_file*: roots to trust in place
        of the system's; *timeout*: seconds for one whole request."""
        self._bounds = Bounds(directory)
        self._timeout = timeout
        self._context = _tls_context(ca_file)
        self._ca_file = ca_file
        self._connections = connections
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._proxies: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def request(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Return the answer, whatever its status. Raises `UnreachableError` where there is none.

        It ends within the pass's deadline, too. Redirects are not followed: a signed request names
        its URL (RFC 8555 §6.4).
        """
        self.check(url)
        seconds = left(self._timeout)
        _limit.until = time.monotonic() + seconds
        try:
            response = self._pool(url).request(
                method,
                url,
                body=body,
                headers={**_HEADERS, **(headers or {})},
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=min(seconds, CONNECT), read=seconds),
                preload_content=False,
            )
            try:
                data = _read(response)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except (HTTPError, OSError, http.client.HTTPException, LocationParseError) as error:
            raise self._unreachable(url, error) from error
        return Answer(url, response.status, response.headers, data)

    def check(self, url: str) -> str:
        """Return *url* if the CA may name it; see `Bounds.check`."""
        return self._bounds.check(url)

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        host = parts.scheme, parts.netloc
        with self._lock:
            if host not in self._proxies:
                self._proxies[host] = _proxy(url)
            proxy = self._proxies[host]
            if proxy not in self._pools:
                self._pools[proxy] = self._new_pool(proxy)
            return self._pools[proxy]

    def _new_pool(self, proxy: str) -> urllib3.PoolManager:
        options: dict[str, Any] = {
            "num_pools": 4,
            "maxsize": self._connections,
            "ssl_context": self._context,
        }
        if not proxy:
            return _pooled(urllib3.PoolManager(**options))
        parts = urlsplit(proxy)
        if parts.scheme not in ("http", "https"):
            raise IssuerError(
                f"the environment's proxy {parts.scheme}://{parts.hostname} is of no supported kind",
                "set https_proxy to an http:// address",
                transient=False,
            )
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        extra = urllib3.make_headers(proxy_basic_auth=credentials) if credentials else None
        return _pooled(urllib3.ProxyManager(proxy, proxy_headers=extra, **options))

    def _unreachable(self, url: str, error: Exception) -> IssuerError:
        untrusted = _find(error, ssl.SSLCertVerificationError)
        if untrusted:
            return UnreachableError(
                f"the TLS certificate of {_host(url)} is not trusted: {untrusted.verify_message}",
                f"look at what {self._ca_file} holds"
                if self._ca_file
                else "set ca_file if the CA's server has a root of its own; check this host's clock",
                by_chance=False,
            )
        where = "the proxy before " if isinstance(error, ProxyError) else ""
        kind = "TLS with " if isinstance(error, SSLError) else ""
        return UnreachableError(
            f"no answer from {where}{kind}{_host(url)}: {_reason(error)}", f"try: curl -v {url}"
        )


class _Limit(threading.local):
    """When the request of this thread must be over (time.monotonic)."""

    until = float("inf")

    def left(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        return left


_limit = _Limit()


class _Socket(ssl.SSLSocket):
    """Counts all reads of one request against its one limit: a byte now and then must not hold it open."""

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(_limit.left())
        return super().recv_into(buffer, nbytes, flags)


class _Plain(urllib3.connection.HTTPConnection):
    """Connects as everything here does."""

    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _Tls(urllib3.connection.HTTPSConnection):
    """The same over TLS."""

    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Tls


def _pooled(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
    return manager


def _connected(connection: urllib3.connection.HTTPConnection) -> socket.socket:
    port = connection.port or connection.default_port
    made = connect.connect(connection._dns_host, port, min(_limit.left(), CONNECT))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.settimeout(_limit.left())
    return made


def _tls_context(ca_file: str) -> ssl.SSLContext:
    try:
        if ca_file:
            read_given(ca_file)  # what is no file, or has no end, is not for OpenSSL to read
        context = ssl.create_default_context(cafile=ca_file or None)
    except UnreadableError as error:
        raise IssuerError(error.message, "ca_file must hold PEM certificates", transient=False) from error
    except (OSError, ssl.SSLError) as error:
        raise IssuerError(
            f"cannot read ca_file {ca_file}: {(getattr(error, 'strerror', None) or str(error)).lower()}",
            "it must hold PEM certificates",
            transient=False,
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _Socket
    paths = ssl.get_default_verify_paths()
    if not ca_file and not (paths.cafile or paths.capath):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    coding = response.headers.get("Content-Encoding", "identity")
    if coding.strip().lower() not in ("", "identity"):
        raise OSError(f"the answer is encoded ({coding[:40]!r}), which nobody asked for")
    data = bytearray()
    while True:
        _limit.left()
        piece = response.read1(65536) if hasattr(response, "read1") else response.read(65536)
        if not piece:
            return bytes(data)
        data += piece
        if len(data) > LARGEST:
            raise OSError(f"the answer has more than {LARGEST} bytes")


def _proxy(url: str) -> str:
    """Return the proxy that the environment has for *url* (https_proxy, no_proxy, …), or an empty string."""
    parts = urlsplit(url)
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all") or ""
    if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and what it wraps, outermost first: urllib3 wraps what the system said several times."""
    inner: BaseException | None = error
    seen: list[BaseException] = []
    while inner and inner not in seen:
        yield inner
        seen.append(inner)
        wrapped = next((found for found in inner.args if isinstance(found, BaseException)), None)
        inner = wrapped or inner.__cause__ or inner.__context__


_Cause = TypeVar("_Cause", bound=BaseException)


def _find(error: BaseException, kind: type[_Cause]) -> _Cause | None:
    return next((cause for cause in _causes(error) if isinstance(cause, kind)), None)


def _reason(error: BaseException) -> str:
    """Return the innermost words."""
    if _find(error, TimeoutError):
        return "it takes too long"
    texts = [getattr(cause, "strerror", None) or str(cause) for cause in _causes(error)]
    return next((text for text in reversed(texts) if text), type(error).__name__).lower().rstrip(".")
