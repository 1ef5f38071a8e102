"""TXT records by dns-lexicon (the extra ``certctl[dns]``), which knows some eighty providers."""

from __future__ import annotations

import importlib
from typing import Any

from certctl.errors import CertctlError, IssuerError
from certctl.issuers.acme.dnslookup import Lookup, Record
from certctl.issuers.acme.dnsoptions import Table
from certctl.system.bounded import within
from certctl.system.secret import read_secret, strike

_OURS = ("ttl", "propagation", "resolver")
_OPEN = frozenset({"api_endpoint", "endpoint", "region", "server", "zone", "zone_id", "domain", "weight"})
"""Options of providers that an error may have to name; whatever else they have may be a secret."""
LONGEST = 120.0
"""Seconds for one change: the clients of many providers would wait for ever."""


class Lexicon:
    """Hands records to one provider; of its options, ``KEY_file`` names a file that holds KEY."""

    def __init__(self, provider: str, table: Table, lookup: Lookup, ttl: int) -> None:
        try:
            self._client = importlib.import_module("lexicon.client").Client
            self._resolver = importlib.import_module("lexicon.config").ConfigResolver
        except ImportError as error:
            raise IssuerError(
                f"dns = {provider!r} needs dns-lexicon, which is not installed",
                "pip install 'certctl[dns]'",
                transient=False,
            ) from error
        self._provider = provider
        self._options: dict[str, object] = {}
        for key, value in table.others(_OURS).items():
            if key.endswith("_file"):
                self._options[key.removesuffix("_file")] = _content(f"{table.where}: {key}", str(value))
            else:
                self._options[key] = value
        self._secrets = [str(value) for key, value in self._options.items() if key not in _OPEN]
        self._lookup = lookup
        self._ttl = ttl

    def add(self, record: Record) -> None:
        self._act("create", record)

    def remove(self, record: Record) -> None:
        self._act("delete", record)

    def _act(self, action: str, record: Record) -> None:
        zone = self._lookup.zone(record.name)
        wanted = {
            "provider_name": self._provider,
            "action": action,
            "domain": zone,
            # Otherwise it would fetch the public suffix list, and guess.
            "resolve_zone_name": True,
            "delegated": zone,
            "type": "TXT",
            "name": record.name,
            "content": record.value,
            "ttl": self._ttl,
            # A few providers (ddns) look for the zone among their own options.
            self._provider: {"domain": zone, **self._options},
        }
        try:
            done = within(LONGEST, lambda: self._call(wanted, record))
        except CertctlError:
            raise
        except Exception as error:  # noqa: BLE001  # each provider has exceptions of its own
            # They quote addresses and headers with the token in them, and so would a traceback.
            words = " ".join(strike(str(error), self._secrets).split()) or type(error).__name__
            raise IssuerError(
                f"{self._provider} could not {action} the TXT record of {record.name}: {words}"
            ) from None
        if not done:
            raise IssuerError(f"{self._provider} could not {action} the TXT record of {record.name}")

    def _call(self, wanted: dict[str, Any], record: Record) -> bool:
        with self._client(self._resolver().with_dict(wanted)) as operations:
            if wanted["action"] == "create":
                return bool(operations.create_record("TXT", record.name, record.value))
            return bool(operations.delete_record(None, "TXT", record.name, record.value))


def _content(where: str, path: str) -> str:
    try:
        return read_secret(path).strip()
    except CertctlError as error:
        raise IssuerError(f"{where}: {error.message}", error.hint, transient=False) from error
