"""The CA's side of every conversation: directory, signed requests, manners."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from josepy.interfaces import JSONDeSerializable

from certctl.errors import IssuerError
from certctl.issuers.acme.answer import Answer, RefusedError, UnreachableError
from certctl.issuers.acme.pace import Pace, Pause
from certctl.issuers.acme.signing import NoncePool, Signer, dump, sign
from certctl.issuers.acme.transport import LONGEST_URL, Transport
from certctl.planning.times import after, minute_text

NONCE_TRIES = 40
"""A CA that rejects every second nonce refuses a request this often once in 10^12 times."""
WAITS = (0.2, 1.0)
"""Seconds between the tries of a request that got no answer, or a 5xx without a Retry-After."""
SHORT = 5.0
"""A Retry-After up to this many seconds with a 5xx is waited for on the spot."""
DIRECTORY_AGE = 3600.0
MOST_PROFILES = 32
TERMS_TIMEOUT = 30.0
FAILURE_AGE = 10.0
"""Twenty orders that wait for the directory of a dead CA learn of it together, not one after the other."""

JSON = "application/json"
ANYTHING = "*/*"
Payload = JSONDeSerializable | dict[str, Any] | None


class Directory(NamedTuple):
    """What the CA can do, and where (RFC 8555 §7.1.1)."""

    new_nonce: str
    new_account: str
    new_order: str
    revoke_cert: str
    key_change: str
    renewal_info: str
    """Empty where the CA has no ARI (RFC 9773)."""
    terms: str
    external_account_required: bool
    profiles: tuple[str, ...] | None
    """None where the CA knows no profiles."""


class Client:
    """Speaks to one CA: one pool of connections, one of nonces, for all threads."""

    def __init__(self, name: str, directory: str, transport: Transport, pace: Pace, pause: Pause) -> None:
        """*name*: the issuer's, for messages; *directory*: the URL."""
        self.name = name
        self.url = directory
        self.pause = pause
        self._transport = transport
        self._pace = pace
        self._nonces = NoncePool()
        self._directory_lock = threading.Lock()
        self._directory: tuple[Directory, float] | None = None
        self._failure: tuple[IssuerError, float] | None = None

    def directory(self) -> Directory:
        """Return the directory, at most an hour old."""
        with self._directory_lock:
            now = time.monotonic()
            if self._directory and now - self._directory[1] < DIRECTORY_AGE:
                return self._directory[0]
            if self._failure and now - self._failure[1] < FAILURE_AGE:
                raise self._failure[0]
            try:
                found = _directory(self.get(self.url), self._transport.check)
            except IssuerError as error:
                self._failure = (error, time.monotonic())
                raise
            self._directory, self._failure = (found, time.monotonic()), None
            return found

    def get(self, url: str, *, patient: bool = True) -> Answer:
        """GET a JSON object without a signature; *patient*: try again what may have failed by chance.

        Raises `RefusedError` or `UnreachableError`.
        """
        return self._patiently(
            lambda: _checked(self._transport.request("GET", url), JSON), url, repeatable=patient
        )

    def post(
        self,
        url: str,
        signer: Signer,
        payload: Payload,
        *,
        what: str,
        accept: str = JSON,
        repeatable: bool = True,
    ) -> Answer:
        """POST *payload* signed; None is POST-as-GET. *what* names the deed in the error's message.

        Where `JSON` is accepted, nothing else is. *repeatable* says that sending it twice does no
        harm. Raises `RefusedError` or `UnreachableError`.
        """
        body = b"" if payload is None else dump(_plain(payload))
        return self._patiently(
            lambda: _checked(self._post(url, signer, body, accept), accept), what, repeatable=repeatable
        )

    def _post(self, url: str, signer: Signer, body: bytes, accept: str) -> Answer:
        """Send until the CA takes the nonce: each refusal brings the one for the next try (§6.5)."""
        headers = {"Content-Type": "application/jose+json", "Accept": accept}
        nonce = self._nonces.take() or self._new_nonce()
        for _ in range(NONCE_TRIES):
            data = dump(sign(signer, url, body, nonce))
            started = time.monotonic()
            answer = self._transport.request("POST", url, data, headers)
            self._pace.note(time.monotonic() - started)
            fresh = answer.header("Replay-Nonce")
            if answer.status < 400 or answer.problem().code != "badNonce":
                self._nonces.put(fresh)
                return answer
            nonce = fresh or self._new_nonce()
        raise UnreachableError(
            f"{self.name} refused {NONCE_TRIES} nonces of its own in a row, the last time at {url}"
        )

    def _new_nonce(self) -> str:
        answer = self._transport.request("HEAD", self.directory().new_nonce)
        if answer.status >= 400:
            raise _StatusError(answer)
        self._nonces.put(answer.header("Replay-Nonce"))
        nonce = self._nonces.take()
        if nonce is None:
            raise UnreachableError(f"{answer.url} answered {answer.status} without a Replay-Nonce")
        return nonce

    def _patiently(self, send: Callable[[], Answer], what: str, *, repeatable: bool = True) -> Answer:
        """Try again, a little later, what may have failed by chance."""
        waits = list(WAITS) if repeatable else []
        while True:
            try:
                answer = send()
            except _StatusError as again:
                answer = again.answer
            except UnreachableError as error:
                if not waits or not error.by_chance:
                    raise
                time.sleep(waits.pop(0))
                continue
            if answer.status < 300:
                return answer
            wanted = answer.retry_after()
            if answer.status >= 500 and waits and (wanted or 0.0) <= SHORT:
                time.sleep(max(waits.pop(0), wanted or 0.0))
                continue
            raise self._refusal(answer, what, wanted)

    def _refusal(self, answer: Answer, what: str, wanted: float | None) -> IssuerError:
        if answer.status < 400:
            return UnreachableError(
                f"{answer.url} redirects to {(answer.header('Location') or 'nowhere')[:LONGEST_URL]}",
                "set the issuer's directory to the address that the CA documents",
            )
        problem = answer.problem()
        if answer.status == 429 or (answer.status >= 500 and wanted):
            self.pause.note(wanted, str(problem))
        message = f"{self.name} refused {what}" if problem.type else f"{self.name}: {what} failed"
        if not wanted:
            return RefusedError(message, problem)
        until = minute_text(after(datetime.now(timezone.utc), wanted))
        return RefusedError(f"{message}, and wants no more before {until}", problem, retry_after=wanted)


class _StatusError(Exception):
    """An error status on the way to the request proper."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def _checked(answer: Answer, accept: str) -> Answer:
    """Return *answer*; raise `UnreachableError` where its success is not what a CA says."""
    if answer.status < 300 and accept == JSON:
        answer.document()
    if answer.status < 300 and accept == ANYTHING and "html" in (answer.header("Content-Type") or ""):
        raise UnreachableError(f"{answer.url} answered {answer.status} with {answer.excerpt()}")
    return answer


def _plain(payload: JSONDeSerializable | dict[str, Any]) -> dict[str, Any]:
    if isinstance(payload, dict):
        return payload
    found: dict[str, Any] = payload.to_json()
    return found


def _directory(answer: Answer, check: Callable[[str], str]) -> Directory:
    found = answer.document()
    meta = found.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    missing = [key for key in ("newNonce", "newAccount", "newOrder") if not isinstance(found.get(key), str)]
    if missing:
        raise UnreachableError(
            f"{answer.url} is no ACME directory, it lacks {', '.join(missing)}: {answer.excerpt()}",
            "set the issuer's directory to the address that the CA documents",
        )
    profiles = meta.get("profiles")

    def url(key: str) -> str:
        value = found.get(key)
        return check(value) if isinstance(value, str) else ""

    return Directory(
        new_nonce=url("newNonce"),
        new_account=url("newAccount"),
        new_order=url("newOrder"),
        revoke_cert=url("revokeCert"),
        key_change=url("keyChange"),
        renewal_info=url("renewalInfo"),
        terms=str(meta.get("termsOfService") or "")[:LONGEST_URL],
        external_account_required=meta.get("externalAccountRequired") is True,
        profiles=tuple(profiles)[:MOST_PROFILES] if isinstance(profiles, dict) else None,
    )


def terms(url: str, ca_file: str = "") -> str:
    """Return where the terms of the CA with the directory *url* are (RFC 8555 §7.1.1); empty: it names none.

    *ca_file*: roots to trust in place of the system's. Nothing is kept. Raises `IssuerError`.
    """
    transport = Transport(url, ca_file, TERMS_TIMEOUT, 1)
    name = urlsplit(url).hostname or url
    client = Client(name, url, transport, Pace(), Pause(name, url, ""))
    return client.directory().terms
