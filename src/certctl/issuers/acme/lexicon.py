"""TXT records by dns-lexicon (the extra ``certctl[dns]``), which knows some eighty providers.

What a provider answers is read by a process without root and files; it gets this provider's
options and nothing else.
"""

from __future__ import annotations

import base64
import importlib
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from certctl.errors import CertctlError, IssuerError
from certctl.system.bounded import within
from certctl.system.child import Child
from certctl.system.secret import read_secret, strike

if TYPE_CHECKING:
    from certctl.issuers.acme.dns01 import Lookup, Record, Table

_OURS = ("ttl", "propagation", "resolver")
_OPEN = frozenset({"api_endpoint", "endpoint", "region", "server", "zone", "zone_id", "domain", "weight"})
"""Options of providers that an error may have to name; whatever else they have may be a secret."""
_PATHS = {"googleclouddns": "auth_service_account_info", "transip": "auth_api_key"}
"""Options that name a file, unless they begin with _ENCODED: it is read here, where it can be read."""
_ENCODED = "base64::"
_HERE = "localzone"
"""It speaks to nobody: it writes a zone file of this host."""
LONGEST = 120.0
"""Seconds for one change: the clients of many providers would wait for ever."""


class Lexicon:
    """Hands records to one provider; of its options, ``KEY_file`` names a file that holds KEY."""

    def __init__(self, provider: str, table: Table, lookup: Lookup, ttl: int) -> None:
        _check(provider)
        self._provider = provider
        self._options: dict[str, object] = {}
        for key, value in table.others(_OURS).items():
            self._options[key.removesuffix("_file")] = _option(f"{table.where}: {key}", provider, key, value)
        self._lookup = lookup
        self._ttl = ttl
        self._child = Child(f"speaking to {provider}", __name__, _module(provider), sealed=False)

    def add(self, record: Record) -> None:
        self._act("create", record)

    def remove(self, record: Record) -> None:
        self._act("delete", record)

    def _act(self, action: str, record: Record) -> None:
        zone = self._lookup.zone(record.name)
        config = {
            "provider_name": self._provider,
            "action": action,
            "domain": zone,
            "type": "TXT",
            "name": record.name,
            "content": record.value,
            "ttl": self._ttl,
            # A few providers (ddns) look for the zone among their own options.
            self._provider: {"domain": zone, **self._options},
        }
        secrets = [str(value) for key, value in self._options.items() if key not in _OPEN]
        if self._provider == _HERE:
            change(config, secrets, LONGEST)
        else:
            self._child.insist(change, config, secrets, LONGEST, seconds=LONGEST)


def _module(provider: str) -> str:
    return f"lexicon._private.providers.{provider}"


def _check(provider: str) -> None:
    """Raise `IssuerError` where dns-lexicon, or what it needs for *provider*, is not there."""
    try:
        known = importlib.import_module("lexicon._private.discovery").find_providers()
    except ImportError as error:
        raise IssuerError(
            f"dns = {provider!r} needs dns-lexicon, which is not installed",
            "pip install 'certctl[dns]'",
            transient=False,
        ) from error
    if provider not in known:
        raise IssuerError(
            f"dns-lexicon knows no provider {provider!r}", "lexicon --help lists them", transient=False
        )
    if not known[provider]:
        raise IssuerError(
            f"dns = {provider!r} needs more than dns-lexicon alone",
            f"pip install 'dns-lexicon[{provider}]'",
            transient=False,
        )


def _option(where: str, provider: str, key: str, value: object) -> object:
    if key.endswith("_file"):
        value = _content(where, str(value))
        key = key.removesuffix("_file")
    elif key == _PATHS.get(provider) and not str(value).startswith(_ENCODED):
        path = str(value).removeprefix("file::")
        try:
            value = _content(where, path)
        except IssuerError as error:  # it may be no path, but the secret itself
            raise IssuerError(strike(error.message, [path]), transient=False) from None
    if key == _PATHS.get(provider) and not str(value).startswith(_ENCODED):
        return _ENCODED + base64.b64encode(str(value).encode()).decode()
    return value


def _content(where: str, path: str) -> str:
    try:
        return read_secret(path).strip()
    except CertctlError as error:
        raise IssuerError(f"{where}: {error.message}", error.hint, transient=False) from error


# --- in the child --------------------------------------------------------------------------------


def make_ready() -> None:
    """Load what providers' clients load late."""
    for name in ("lexicon.config", "requests"):
        importlib.import_module(name)


def change(config: Mapping[str, Any], secrets: Iterable[str], seconds: float) -> None:
    """Create or delete the record of *config*. Raises IssuerError, without *secrets*."""
    provider, name = config["provider_name"], config["name"]
    failed = f"{provider} could not {config['action']} the TXT record of {name}"
    try:
        done = within(seconds, lambda: _changed(provider, config))
    except CertctlError:
        raise
    except Exception as error:  # noqa: BLE001  # each provider has exceptions of its own
        # They quote addresses and headers with the token in them, and so would a traceback.
        words = " ".join(strike(str(error), secrets).split()) or type(error).__name__
        raise IssuerError(f"{failed}: {words}") from None
    if not done:
        raise IssuerError(failed)


def _changed(provider: str, config: Mapping[str, Any]) -> bool:
    """Without lexicon's own client, which would look for the zone that is known already."""
    _trust()
    resolver = importlib.import_module("lexicon.config").ConfigResolver
    operations = importlib.import_module(_module(provider)).Provider(resolver().with_dict(config))
    operations.authenticate()
    try:
        if config["action"] == "create":
            return bool(operations.create_record("TXT", config["name"], config["content"]))
        return bool(operations.delete_record(None, "TXT", config["name"], config["content"]))
    finally:
        operations.cleanup()


def _trust() -> None:
    """Where the roots that requests brings along cannot be read, those of the system are trusted."""
    import ssl

    import certifi

    if not os.access(certifi.where(), os.R_OK):
        system = ssl.get_default_verify_paths()
        os.environ.setdefault("REQUESTS_CA_BUNDLE", system.cafile or system.capath or "")
