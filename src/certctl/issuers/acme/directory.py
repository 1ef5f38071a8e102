"""Directory URLs that have a name, and where a rehearsal goes."""

from __future__ import annotations

from urllib.parse import urlsplit

from certctl.core.spec import IssuerSpec
from certctl.errors import CertctlError, IssuerError

NAMED = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
STAGING = {
    NAMED["letsencrypt"]: NAMED["letsencrypt-staging"],
    "https://dv.acme-v02.api.pki.goog/directory": "https://dv.acme-v02.test-api.pki.goog/directory",
}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


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


def is_loopback(url: str) -> bool:
    """True if *url* cannot leave this host."""
    host = urlsplit(url).hostname or ""
    return host in LOOPBACK or host.startswith("127.")


def check_url(url: str) -> str:
    """Return *url* if it may be spoken to: https, or http to this host. Raises `IssuerError`."""
    scheme = urlsplit(url).scheme
    if scheme == "https" or (scheme == "http" and is_loopback(url)):
        return url
    raise IssuerError(
        f"the CA's address {url!r} is not https",
        "give the directory's https:// address; plain http is taken only for this host itself",
        transient=False,
    )
