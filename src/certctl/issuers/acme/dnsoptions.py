"""The table of a dns-01 method: ``[issuer.NAME.rfc2136]``, ``.command``, or a provider's of dns-lexicon.

The configuration has checked the values that it knows by the time they come here.
"""

from __future__ import annotations

from collections.abc import Mapping

from certctl.dns.server import place
from certctl.errors import CertctlError, IssuerError

PROPAGATION = 120.0
TTL = 60


class Table:
    """One table with its name, for messages."""

    def __init__(self, where: str, values: Mapping[str, object]) -> None:
        self.where = where
        self._values = values

    def text(self, key: str) -> str:
        """Return a string; empty where there is none."""
        return str(self._values.get(key) or "")

    def seconds(self, key: str, default: float) -> float:
        """Return a number; raises `IssuerError` for anything else."""
        value = self._values.get(key, default)
        if isinstance(value, int | float):
            return float(value)
        raise self.wrong(key, "a number of seconds")

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings; one string alone is a list of one."""
        value = self._values.get(key, ())
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list | tuple):
            return tuple(str(item) for item in value)
        raise self.wrong(key, "a list of strings")

    def server(self, key: str) -> str:
        """Return one DNS server. Raises `IssuerError` where there is none."""
        found = self.servers(key)
        if len(found) != 1:
            raise self.wrong(key, "the address of one server")
        return found[0]

    def servers(self, key: str) -> tuple[str, ...]:
        """Return the DNS servers that *key* lists, all of a form that can be one (see `place`)."""
        found = self.texts(key)
        for server in found:
            try:
                place(server)
            except CertctlError as error:
                raise self.wrong(key, "an address such as 192.0.2.53 or [2001:db8::53]:5353") from error
        return found

    def others(self, known: tuple[str, ...]) -> dict[str, object]:
        """Return all values but those of *known*."""
        return {key: value for key, value in self._values.items() if key not in known}

    def wrong(self, key: str, kind: str) -> IssuerError:
        return IssuerError(f"{self.where}: {key} must be {kind}", "see docs/acme.md, dns-01", transient=False)
