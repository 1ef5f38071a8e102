"""Order objects (RFC 8555 §7.1.3), and the note of one under way that must survive a crash."""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from acme import messages
from josepy.json_util import field

from certctl.errors import IssuerError
from certctl.issuers.acme.account import Account
from certctl.issuers.acme.answer import Answer, Problem, UnreachableError, parse_problem
from certctl.issuers.acme.client import Client
from certctl.planning.spec import AcmeOptions
from certctl.ports import IssueRequest
from certctl.store import atomic
from certctl.x509.names import address


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


class Note(NamedTuple):
    """One order under way, and what it was for.

    It is durable before anything is asked of the CA that could lead to a certificate.
    """

    order: str
    """Its URL."""
    directory: str
    account: str
    names: tuple[str, ...]
    key_sha256: str
    """Of the key's SubjectPublicKeyInfo: the request for the certificate is made from the key again."""
    profile: str
    refusals: int = 0
    """How often what the CA gave for it was not what was ordered."""


def note_path(request: IssueRequest) -> str:
    """Return where the note of *request* is: each algorithm of a generation has an order of its own."""
    return os.path.join(request.work_dir, f"acme-order-{request.algorithm}.json")


def read_note(request: IssueRequest) -> Note | None:
    """Return the note; None if there is none that can be read: then there is no order to go on with."""
    try:
        with open(note_path(request), "rb") as file:
            found = json.load(file)
        return Note(**{**found, "names": tuple(found["names"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_note(request: IssueRequest, note: Note) -> None:
    """Durably write the note, 0600."""
    atomic.make_directory(request.work_dir)
    atomic.write(note_path(request), (json.dumps(note._asdict(), indent=2) + "\n").encode(), 0o600)


def drop_note(request: IssueRequest) -> None:
    """Forget the order."""
    atomic.remove(note_path(request))
