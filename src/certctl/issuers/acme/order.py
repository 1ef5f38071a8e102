"""Order objects (RFC 8555 §7.1.3): placed, looked at, waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from acme import messages
from josepy.json_util import field

from certctl.errors import IssuerError
from certctl.issuers.acme.account import Account
from certctl.issuers.acme.answer import Answer
from certctl.issuers.acme.client import Client
from certctl.issuers.acme.pace import Pace, longer
from certctl.issuers.acme.problem import Problem, UnreachableError, parse_problem
from certctl.planning.spec import AcmeOptions
from certctl.system.deadline import left
from certctl.x509.names import address

Seen = TypeVar("Seen")


class NewOrder(messages.NewOrder):
    """acme's message with the field that RFC 9773 §5 adds."""

    replaces: str | None = field("replaces", omitempty=True)


class Order(NamedTuple):
    """An order as it was last seen."""

    url: str
    status: str
    authorizations: tuple[str, ...]
    finalize: str
    certificate: str
    error: Problem | None
    retry_after: float | None


def read_order(answer: Answer, url: str) -> Order:
    """Read an order object. Raises `UnreachableError` for anything else."""
    found = answer.document()
    status, urls, finalize = found.get("status"), found.get("authorizations"), found.get("finalize")
    if (
        not isinstance(status, str)
        or not isinstance(finalize, str)
        or not isinstance(urls, list)
        or not all(isinstance(item, str) for item in urls)
    ):
        raise UnreachableError(f"{answer.url} answered with {answer.excerpt()} where an order was due")
    certificate = found.get("certificate")
    return Order(
        url=url,
        status=status,
        authorizations=tuple(urls),
        finalize=finalize,
        certificate=certificate if isinstance(certificate, str) else "",
        error=parse_problem(found.get("error"), answer.status),
        retry_after=answer.retry_after(),
    )


def new_order(names: tuple[str, ...], profile: str, replaces: str | None) -> NewOrder:
    """Return the message that orders *names* (RFC 8555 §7.4, RFC 8738 §4)."""
    kinds = {True: messages.IDENTIFIER_FQDN, False: messages.IDENTIFIER_IP}
    identifiers = [messages.Identifier(typ=kinds[address(name) is None], value=name) for name in names]
    return NewOrder(identifiers=identifiers, profile=profile or None, replaces=replaces)


def check_profile(client: Client, options: AcmeOptions) -> None:
    """Raise `IssuerError` where the CA does not list the profile that is configured."""
    known = client.directory().profiles
    if options.profile and options.profile not in (known or ()):
        raise IssuerError(
            f"{client.name} has no profile {options.profile!r}",
            f"it offers {', '.join(known)}" if known else "it offers none: take profile out",
            transient=False,
        )


def look(account: Account, order: Order) -> Order:
    """Return *order* as it is now."""
    return read_order(account.get(order.url, what="to show the order"), order.url)


class Patience:
    """Paces the polls of one order: soon at first, then as the CA says, and not for ever."""

    def __init__(self, seconds: float, what: str, pace: Pace) -> None:
        """*seconds* until it ends; *what* is waited for, for the message."""
        self._pace = pace
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._what = what

    def poll(
        self,
        ask: Callable[[], Seen],
        done: Callable[[Seen], bool],
        wish: Callable[[Seen], float | None],
        *,
        first: float | None = None,
        dear: bool = False,
    ) -> Seen:
        """Return the first answer of *ask* that is *done*; *wish* is the Retry-After of one that is not.

        *first*: the Retry-After that came with the request whose outcome is asked for; *dear*: the CA is
        known to name one with answers that are not *done*. Nothing is asked for sooner than the CA said
        with the answer before (RFC 8555 §7.4, §7.5.1).
        """
        pause = first or self._pace.soon(dear=dear)
        began = time.monotonic()
        while True:
            self.wait(pause)
            seen = ask()
            if done(seen):
                return seen
            pause = wish(seen) or longer(pause, time.monotonic() - began)

    def until(self, event: Callable[[float], object], seconds: float) -> None:
        """Let *event* wait, for at most *seconds* and never beyond the end."""
        event(max(min(seconds, self._deadline - time.monotonic()), 0.0))

    def wait(self, seconds: float) -> None:
        """Wait; raise `IssuerError` instead if the time would be over."""
        if left(seconds) < seconds:
            raise IssuerError(
                f"{self._what} is not done, and this pass has no time left to wait for it",
                "the next pass goes on with the same order",
                retry_after=seconds,
            )
        if time.monotonic() + seconds > self._deadline:
            raise IssuerError(
                f"{self._what} was not done after {self._seconds:g} s",
                "the next pass goes on with the same order; a slow CA wants a longer validation_timeout",
                retry_after=seconds,
            )
        time.sleep(seconds)
