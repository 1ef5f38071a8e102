"""Requests to a CA, made by a process of their own: no answer is parsed where the keys are."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from certctl.errors import CertctlError, IssuerError, UnreadableError
from certctl.issuers.acme.answer import Answer, Way
from certctl.planning.spec import IssuerSpec
from certctl.system.child import Child
from certctl.system.deadline import left
from certctl.system.files import read_given

_child = Child("speaking to the CA", __name__)


class Transport:
    """Sends requests; shared by all threads that speak to one CA."""

    def __init__(self, directory: str, ca_file: str, timeout: float, connections: int) -> None:
        """*directory*: the CA's URL, which says what else it may name; *ca_file*: roots to trust in place
        of the system's; *timeout*: seconds for one whole request."""
        self._bounds = Bounds(directory)
        self._timeout = timeout
        self._way = Way(ca_file, roots(ca_file), connections)

    def request(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Return the answer, whatever its status. Raises `UnreachableError` where there is none.

        It ends within the pass's deadline, too.
        """
        self.check(url)
        return exchange(self._way, method, url, body, headers or {}, left(self._timeout))

    def check(self, url: str) -> str:
        """Return *url* if the CA may name it; see `Bounds.check`."""
        return self._bounds.check(url)


def roots(ca_file: str) -> str:
    """Return the certificates in *ca_file*; empty where there is none. Raises `IssuerError`."""
    if not ca_file:
        return ""
    import ssl

    try:
        text = read_given(ca_file).decode("ascii", "replace")
        ssl.create_default_context(cadata=text)
    except UnreadableError as error:
        raise IssuerError(error.message, "ca_file must hold PEM certificates", transient=False) from error
    except (OSError, ssl.SSLError, ValueError) as error:
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise IssuerError(
            f"cannot read ca_file {ca_file}: {why}", "it must hold PEM certificates", transient=False
        ) from error
    return text


# --- in the child --------------------------------------------------------------------------------


def make_ready() -> None:
    """Load what speaks to CAs, and the roots that the system trusts."""
    from certctl.issuers.acme import pool

    pool.system_roots()


@_child.runs
def exchange(
    way: Way, method: str, url: str, body: bytes | None, headers: Mapping[str, str], seconds: float
) -> Answer:
    """Make one request."""
    from certctl.issuers.acme import pool

    return pool.request(way, method, url, body, headers, seconds)


NAMED = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
STAGING = {
    NAMED["letsencrypt"]: NAMED["letsencrypt-staging"],
    "https://dv.acme-v02.api.pki.goog/directory": "https://dv.acme-v02.test-api.pki.goog/directory",
}


def directory_url(directory: str) -> str:
    """Return the URL that *directory* (a URL, or one of the words of `NAMED`) stands for."""
    return NAMED.get(directory, directory)


def staging(spec: IssuerSpec) -> IssuerSpec:
    """Return *spec* with its CA's staging directory in place of the real one, for ``--dry-run``.

    An issuer that already points to a staging directory, or to loopback, is returned as it is. Raises
    `CertctlError` where the CA is not known to have one. The caller gives the result's `AcmeIssuer` a
    home of its own: an account of the real directory does not exist at the other.
    """
    assert spec.acme is not None
    url = directory_url(spec.acme.directory)
    if url in STAGING.values() or is_loopback(url):
        return spec
    if url not in STAGING:
        raise CertctlError(
            f"issuer {spec.name}: no staging directory is known for {url}",
            "rehearse with an issuer whose directory is the CA's test server",
            transient=False,
        )
    return spec._replace(acme=spec.acme._replace(directory=STAGING[url]))


LONGEST_URL = 4096
"""Characters of a URL."""


def is_loopback(url: str) -> bool:
    """True if *url* cannot leave this host: its host is localhost, or a loopback address."""
    return _is_loopback(_split(url))


class Bounds:
    """Which addresses a CA with this directory may name: in its directory, orders, Location and Link."""

    def __init__(self, directory: str) -> None:
        """*directory*: the URL that is configured. Raises `IssuerError` where it is none."""
        self._here = _is_loopback(_split(directory))

    def check(self, url: str) -> str:
        """Return *url* if it may be spoken to. Raises `IssuerError`.

        https everywhere but at this host, which only a CA at this host may name; plain http there alone.
        """
        parts = _split(url)
        loopback = _is_loopback(parts)
        if parts.scheme != "https" and not (parts.scheme == "http" and loopback and self._here):
            raise _bad(
                url,
                "is not https",
                "give the directory's https:// address; plain http is taken only for this host itself",
            )
        if loopback and not self._here:
            raise _bad(url, "is one of this host, which no CA elsewhere may name")
        return url


def _split(url: str) -> SplitResult:
    """Return the parts of *url*, every one of which can be looked at. Raises `IssuerError`."""
    if len(url) <= LONGEST_URL and url.isascii() and url.isprintable() and " " not in url:
        with contextlib.suppress(ValueError):  # a port beyond 65535, a bracket that is not closed
            parts = urlsplit(url)
            if parts.hostname and parts.port != 0 and "@" not in parts.netloc:
                return parts
    raise _bad(url, "is no address")


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def _bad(url: str, why: str, hint: str | None = None) -> IssuerError:
    return IssuerError(f"the CA's address {url[:200]!r} {why}", hint, transient=False)
