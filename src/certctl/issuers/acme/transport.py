"""Requests to a CA, made by a process of their own: no answer is parsed where the keys are."""

from __future__ import annotations

from collections.abc import Mapping

from certctl.errors import IssuerError, UnreadableError
from certctl.issuers.acme.answer import Answer, Way
from certctl.issuers.acme.directory import Bounds
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
