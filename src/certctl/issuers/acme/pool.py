"""One pool of connections to a CA: every request ends in time, within a size, over verified TLS."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3._version import __version__ as urllib3_version
from urllib3.exceptions import HTTPError, LocationParseError, ProxyError, SSLError

from certctl import __version__
from certctl.errors import IssuerError
from certctl.issuers.acme.answer import Answer, UnreachableError, Way
from certctl.system import connect

LARGEST = 1 << 20
CONNECT = 10.0
"""Seconds to look up a name and connect to one of its addresses."""
USER_AGENT = f"certctl/{__version__} urllib3/{urllib3_version}"
_HEADERS = {"User-Agent": USER_AGENT, "Accept-Language": "en", "Accept-Encoding": "identity"}


def request(
    way: Way, method: str, url: str, body: bytes | None, headers: Mapping[str, str], seconds: float
) -> Answer:
    """Return the answer, whatever its status. Raises `UnreachableError` where there is none.

    Redirects are not followed: a signed request names its URL (RFC 8555 §6.4).
    """
    _limit.until = time.monotonic() + seconds
    try:
        pool = _pools(way).of(url)
        response = pool.request(
            method,
            url,
            body=body,
            headers={**_HEADERS, **headers},
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
        raise _unreachable(way, url, error) from error
    return Answer(url, response.status, tuple(response.headers.iteritems()), data, document(data))


def document(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


class _Pools:
    """The connections of one way, through each proxy that the environment names."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._context = _tls_context(way)
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._proxies: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def of(self, url: str) -> urllib3.PoolManager:
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
            "maxsize": self._way.connections,
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


def _unreachable(way: Way, url: str, error: Exception) -> IssuerError:
    untrusted = _find(error, ssl.SSLCertVerificationError)
    if untrusted:
        return UnreachableError(
            f"the TLS certificate of {_host(url)} is not trusted: {untrusted.verify_message}",
            f"look at what {way.ca_file} holds"
            if way.ca_file
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


@cache
def _pools(way: Way) -> _Pools:
    return _Pools(way)


@cache
def system_roots() -> ssl.SSLContext:
    """Trust what the system does."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not (paths.cafile or paths.capath):
        import certifi

        context.load_verify_locations(certifi.where())
    return _bounded(context)


def _tls_context(way: Way) -> ssl.SSLContext:
    if way.roots:
        return _bounded(ssl.create_default_context(cadata=way.roots))
    return system_roots()


def _bounded(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _Socket
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
