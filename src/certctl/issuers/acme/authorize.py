"""Proves the names of an order to the CA (RFC 8555 §7.5): all of them at once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, NamedTuple

from certctl.errors import CertctlError, IssuerError
from certctl.issuers.acme.account import Account
from certctl.issuers.acme.answer import (
    Answer,
    Problem,
    RefusedError,
    UnreachableError,
    hint,
    parse_problem,
    permanent,
    shorten,
)
from certctl.issuers.acme.order import Order
from certctl.issuers.acme.pace import Patience
from certctl.issuers.acme.proof import Asked, Proof, Solver, at_once
from certctl.planning.spec import CHALLENGES
from certctl.x509.names import address

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,}")
"""RFC 8555 §8.1 forbids anything else, and it becomes a file name."""

MOST_CHALLENGES = 32
"""Of one authorization that are looked at."""

UNSEEN = 2.0
"""Seconds after which the CA is asked although it has not come: it may never, or may not need to."""

GRACE = 2.0
"""Seconds that proofs stay up after an error that left the CA's verdict open."""


class Challenge(NamedTuple):
    type: str
    url: str
    token: str
    status: str
    error: Problem | None


class Authorization(NamedTuple):
    """RFC 8555 §7.1.4."""

    url: str
    name: str
    is_ip: bool
    wildcard: bool
    status: str
    challenges: tuple[Challenge, ...]
    retry_after: float | None

    @property
    def title(self) -> str:
        return f"*.{self.name}" if self.wildcard else self.name


class OrderFailedError(IssuerError):
    """The CA gave its last word on an order: it cannot be gone on with."""


class Prover:
    """Answers the challenges of one kind."""

    def __init__(self, ca: str, account: Account, solver: Solver, kind: str) -> None:
        """*ca*: the issuer's name; *kind*: "http-01", …"""
        self._ca = ca
        self._account = account
        self._solver = solver
        self._kind = kind

    def prove(self, order: Order, names: Collection[str], patience: Patience) -> None:
        """Return when all authorizations are valid. Raises `OrderFailedError` with the CA's words.

        *names*: what was ordered. An authorization for anything else is an error, before any proof is
        put up: whoever can ask for proofs of other names could get certificates for them elsewhere. One
        for each name is not demanded: which are needed is the CA's policy (RFC 8555 §7.1.3).
        """
        if len(order.authorizations) > len(names):
            count, ordered = len(order.authorizations), len(names)
            raise OrderFailedError(f"{self._ca} wants {count} authorizations for an order of {ordered} names")
        found = at_once(self._look, order.authorizations)
        self._check_names(found, names)
        self._check(found)
        open_ones = [one for one in found if one.status == "pending"]
        if not open_ones:
            return
        answers = [(one, self._challenge(one)) for one in open_ones]
        thumbprint = self._account.signer().thumbprint()
        proofs = [
            Proof(one.name, one.is_ip, challenge.token, f"{challenge.token}.{thumbprint}")
            for one, challenge in answers
        ]
        with self._solver.present(proofs) as asked:
            try:
                wishes = at_once(self._answer, answers)
                visit = partial(_wait_for_visit, asked, time.monotonic() + UNSEEN, patience)
                waiting = list(zip(open_ones, proofs, wishes, strict=True))
                self._check(at_once(lambda one: self._verdict(*one, visit, patience), waiting))
            except OrderFailedError:
                raise
            except CertctlError:
                # The CA may be looking at this moment; finding nothing would cost the whole order.
                time.sleep(GRACE)
                raise

    def _look(self, url: str) -> Authorization:
        return _read(self._account.get(url, what="to show an authorization"), url)

    def _answer(self, pair: tuple[Authorization, Challenge]) -> float | None:
        """Tell the CA to look (§7.5.1), unless it does so already; return when it wants to be asked."""
        one, challenge = pair
        if challenge.status != "pending":
            return one.retry_after
        # What came with an authorization that nobody works at yet is no advice on polling.
        try:
            what = f"the answer to {self._kind} for {one.title}"
            return self._account.post(challenge.url, {}, what=what).retry_after()
        except RefusedError as refusal:
            # Another order may have settled the same authorization, or the first of two tries got through.
            if refusal.retry_after or self._look(one.url).status == "pending":
                raise
            return None

    def _verdict(
        self,
        one: Authorization,
        proof: Proof,
        wish: float | None,
        visit: Callable[[Proof], None],
        patience: Patience,
    ) -> Authorization:
        """Return the authorization with the CA's verdict."""
        if not wish:
            visit(proof)
        return patience.poll(
            lambda: self._look(one.url),
            lambda seen: seen.status != "pending",
            lambda seen: seen.retry_after,
            first=wish,
            dear=bool(one.retry_after),
        )

    def _check_names(self, found: list[Authorization], names: Collection[str]) -> None:
        ordered = {_canonical(name) for name in names}
        for one in found:
            if _canonical(one.title) not in ordered or one.is_ip != (address(one.name) is not None):
                raise OrderFailedError(
                    f"{self._ca} wants a proof for {one.title[:255]!r}, which was not ordered",
                    "nothing was published for it; ask the CA, or give the certificate another issuer",
                )

    def _check(self, found: list[Authorization]) -> None:
        """Raise `OrderFailedError` if one can never become valid any more."""
        lost = [one for one in found if one.status not in ("pending", "valid")]
        if not lost:
            return
        problems = [_problem(one) for one in lost]
        words = shorten("; ".join(f"{o.title}: {problem}" for o, problem in zip(lost, problems, strict=True)))
        whole = Problem(0, "", "", subproblems=tuple(problems))
        raise OrderFailedError(
            f"{self._ca} could not validate {words}", hint(whole), transient=not permanent(whole)
        )

    def _challenge(self, one: Authorization) -> Challenge:
        for challenge in one.challenges:
            if challenge.type == self._kind:
                if not _TOKEN.fullmatch(challenge.token):
                    raise OrderFailedError(
                        f"{self._ca} gave the token {challenge.token[:80]!r}, which is none"
                    )
                return challenge
        offered = sorted(challenge.type for challenge in one.challenges) or ["nothing"]
        possible = [kind for kind in CHALLENGES if kind in offered]
        why = " (wildcards are proven by DNS only)" if one.wildcard and self._kind != "dns-01" else ""
        raise IssuerError(
            f"{self._ca} does not offer {self._kind} for {one.title}, but {', '.join(offered)}{why}",
            f"set challenge to {' or '.join(possible)} in [issuer.{self._ca}]"
            if possible
            else "give the certificate another issuer",
            transient=False,
        )


def _canonical(name: str) -> str:
    """Return *name* such that equal ones are equal: CAs spell IPv6 addresses in their own way."""
    known = address(name)
    return name.lower() if known is None else str(known)


def _wait_for_visit(asked: Asked | None, until: float, patience: Patience, proof: Proof) -> None:
    """Wait for the CA to look at *proof*, where that can be seen: a poll before it can only be too early."""
    if asked:
        patience.until(partial(asked, proof), until - time.monotonic())


def _problem(one: Authorization) -> Problem:
    errors = [challenge.error for challenge in one.challenges if challenge.error]
    return errors[0] if errors else Problem(0, "", f"the authorization is {one.status}")


def _read(answer: Answer, url: str) -> Authorization:
    found = answer.document()
    try:
        identifier = found["identifier"]
        challenges = found["challenges"][:MOST_CHALLENGES]
        return Authorization(
            url=url,
            name=str(identifier["value"]),
            is_ip=identifier["type"] == "ip",
            wildcard=found.get("wildcard") is True,
            status=str(found["status"]),
            challenges=tuple(_challenge(item, answer.status) for item in challenges),
            retry_after=answer.retry_after(),
        )
    except (KeyError, TypeError) as error:
        raise UnreachableError(
            f"{url} answered with {answer.excerpt()} where an authorization was due"
        ) from error


def _challenge(item: dict[str, Any], status: int) -> Challenge:
    return Challenge(
        type=str(item["type"]),
        url=str(item.get("url") or ""),
        token=str(item.get("token") or ""),
        status=str(item.get("status") or "pending"),
        error=parse_problem(item.get("error"), status),
    )
