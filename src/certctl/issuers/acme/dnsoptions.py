"""The table of a dns-01 method: ``[issuer.NAME.rfc2136]``, ``.command``, or a provider's of dns-lexicon.

The configuration has checked the values that it knows by the time they come here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from certctl.errors import IssuerError

PROPAGATION = 120.0
TTL = 60


class Address(NamedTuple):
    """Where a DNS server listens."""

    host: str
    port: int = 53

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


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

    def address(self, key: str) -> Address:
        """Return where one server is. Raises `IssuerError` where it is not said."""
        found = self.addresses(key)
        if len(found) != 1:
            raise self.wrong(key, "the address of one server")
        return found[0]

    def addresses(self, key: str) -> tuple[Address, ...]:
        """Return the servers that *key* lists: HOST, HOST:PORT, an IPv6 address, or [ADDRESS]:PORT."""
        return tuple(self._address(key, text) for text in self.texts(key))

    def others(self, known: tuple[str, ...]) -> dict[str, object]:
        """Return all values but those of *known*."""
        return {key: value for key, value in self._values.items() if key not in known}

    def wrong(self, key: str, kind: str) -> IssuerError:
        return IssuerError(f"{self.where}: {key} must be {kind}", "see docs/acme.md, dns-01", transient=False)

    def _address(self, key: str, text: str) -> Address:
        if text.startswith("[") or text.count(":") == 1:
            host, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", "53")
            if not port.isdigit():
                raise self.wrong(key, "an address such as 192.0.2.53 or [2001:db8::53]:5353")
            return Address(host.strip("[]"), int(port))
        return Address(text)
