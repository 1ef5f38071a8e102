"""One certificate, from its names to its chain; an order that a crash left half-way is gone on with."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from acme import messages
from cryptography import x509

from certctl.errors import IssuerError
from certctl.issuers.acme import http01
from certctl.issuers.acme.account import Account
from certctl.issuers.acme.answer import RefusedError, UnreachableError, permanent
from certctl.issuers.acme.authorize import OrderFailedError, Prover
from certctl.issuers.acme.certificate import Adviser, UnusableError, certificate_id, download
from certctl.issuers.acme.client import Client
from certctl.issuers.acme.order import (
    Note,
    Order,
    check_profile,
    drop_note,
    look,
    new_order,
    read_note,
    read_order,
    write_note,
)
from certctl.issuers.acme.pace import Pace, Patience, Pause
from certctl.issuers.acme.proof import Leftovers, Remover, Solver
from certctl.issuers.acme.transport import Transport, directory_url
from certctl.planning.spec import AcmeOptions, IssuerSpec
from certctl.ports import Issued, IssueRequest
from certctl.x509 import pem
from certctl.x509.certificate import certificate_facts
from certctl.x509.keys import key_facts, make_csr

FINALIZE_TRIES = 3
DOWNLOAD_TRIES = 3
REFUSALS = 3
"""After so many passes with an unusable certificate for one order, another order is placed."""
_pace = Pace()
"""The process's one: its orders share one processor, whatever the CA."""
_log = logging.getLogger("certctl.acme")


def obtain(session: Session, request: IssueRequest) -> Issued:
    """Return the chain for *request*. Raises `CertctlError`; an order that is not lost goes on later."""
    what = f"the order of {session.name} for {request.certificate}"
    patience = Patience(session.options.validation_timeout, what, session.pace)
    session.solver()  # what is wrong with its configuration shows before anything is ordered
    note, order = _resume(session, request) or _place(session, request)
    try:
        issued = _finish(session, request, order, patience)
        if _is_old(issued, request):
            drop_note(request)
            _log.info("%s: the order %s led to the certificate that is to be replaced: a new one is placed",
                      request.certificate, order.url)  # fmt: skip
            note, order = _place(session, request)
            issued = _finish(session, request, order, patience)
        return issued
    except OrderFailedError:
        drop_note(request)
        raise
    except UnusableError:
        _count_refusal(request, note)
        raise


def _finish(session: Session, request: IssueRequest, order: Order, patience: Patience) -> Issued:
    if order.status == "pending":
        prover = Prover(session.name, session.account, session.solver(), session.options.challenge)
        prover.prove(order, request.names, patience)
        order = order._replace(status="ready")  # if the CA sees it otherwise, it will say so
    order = _finalize(session, request, order, patience)
    for left in reversed(range(DOWNLOAD_TRIES)):
        try:
            return download(
                session.account, session.name, order.certificate, request, session.options.preferred_chain
            )
        except UnusableError as error:
            if not left:
                raise
            _log.info("%s: %s; it is downloaded again", request.certificate, error)
            patience.wait(0.3)
    raise AssertionError


def _finalize(session: Session, request: IssueRequest, order: Order, patience: Patience) -> Order:
    """Return the order once it is valid (RFC 8555 §7.4)."""
    tries = FINALIZE_TRIES
    refused: IssuerError | None = None
    while order.status != "valid":
        if order.status == "invalid":
            raise _invalid(session, request, order, refused)
        if order.status == "ready" and tries:
            tries -= 1
            order, refused = _submit(session, request, order)
            if order.status in ("valid", "invalid"):
                continue
        awaited = ("valid", "invalid", "ready") if tries else ("valid", "invalid")
        order = _await(session, order, awaited, patience)
    if not order.certificate:
        raise UnreachableError(f"{session.name} calls the order {order.url} valid, but names no certificate")
    return order


def _await(session: Session, order: Order, statuses: Sequence[str], patience: Patience) -> Order:
    return patience.poll(
        lambda: look(session.account, order),
        lambda seen: seen.status in statuses,
        lambda seen: seen.retry_after,
        first=order.retry_after,
    )


def _submit(
    session: Session, request: IssueRequest, order: Order
) -> tuple[Order, RefusedError | UnreachableError | None]:
    """Send the certificate request. Without a clear answer the order itself tells what came of it."""
    csr = x509.load_pem_x509_csr(make_csr(request.key_pem, request.names))
    try:
        answer = session.account.post(
            order.finalize,
            messages.CertificateRequest(csr=csr),
            what="the certificate request",
            repeatable=False,
        )
        return read_order(answer, order.url), None
    except RefusedError as refusal:
        if refusal.retry_after or (refusal.problem.status < 500 and refusal.problem.code != "orderNotReady"):
            raise
        unclear: RefusedError | UnreachableError = refusal
    except UnreachableError as error:
        unclear = error
    _log.info("%s: %s", request.certificate, unclear)
    return order._replace(status="processing", retry_after=None), unclear


def _invalid(
    session: Session, request: IssueRequest, order: Order, refused: IssuerError | None
) -> OrderFailedError:
    what = f"{session.name} gave up the order for {request.certificate}"
    if order.error is None:
        why = f": {refused}" if refused else f" and does not say why: {order.url}"
        return OrderFailedError(what + why)
    words = RefusedError(what, order.error)
    return OrderFailedError(words.message, words.hint, transient=words.transient)


def _place(session: Session, request: IssueRequest) -> tuple[Note, Order]:
    """Order anew; the note is durable when this returns."""
    check_profile(session.client, session.options)
    replaces = None
    if request.replaces and session.options.ari and session.client.directory().renewal_info:
        replaces = certificate_id(request.replaces)
    try:
        order = _new(session, request, replaces)
    except RefusedError as refusal:
        if refusal.problem.code == "accountDoesNotExist":
            order = _new(session, request, replaces)  # under the account that the first try has found missing
        elif replaces is None or refusal.retry_after or _is_about_more(refusal):
            raise
        else:
            _log.info("%s: ordered again without naming what it replaces: %s", request.certificate, refusal)
            order = _new(session, request, None)
    note = _wanted(session, request, order.url)
    write_note(request, note)
    return note, order


def _is_about_more(refusal: RefusedError) -> bool:
    """True if the order would be refused without `replaces`, too."""
    return refusal.problem.code == "rateLimited" or permanent(refusal.problem)


def _new(session: Session, request: IssueRequest, replaces: str | None) -> Order:
    url = session.client.directory().new_order
    message = new_order(request.names, session.options.profile, replaces)
    what = f"the order for {request.certificate}"
    answer = session.account.post(url, message, what=what, repeatable=replaces is None)
    location = answer.header("Location")
    if not location:
        raise UnreachableError(f"{session.name} answered an order without a Location: {answer.excerpt()}")
    return read_order(answer, location)


def _resume(session: Session, request: IssueRequest) -> tuple[Note, Order] | None:
    """Return the order that an earlier pass left; None where there is none that can be gone on with."""
    note = read_note(request)
    if note is None:
        return None
    why = _difference(note, _wanted(session, request, note.order))
    order = None
    if not why:
        try:
            order = read_order(session.account.get(note.order, what="to show the order"), note.order)
        except RefusedError as refusal:
            if refusal.retry_after or refusal.problem.status >= 500:
                raise
            why = str(refusal)
    if order and order.status in ("invalid", "expired", "deactivated"):
        why = f"it is {order.status}" + (f": {order.error}" if order.error else "")
    if order is None or why:
        _log.info("%s: the order %s cannot be gone on with: %s", request.certificate, note.order, why)
        drop_note(request)
        return None
    _log.info("%s: going on with the order %s, which is %s", request.certificate, note.order, order.status)
    return note, order


def _wanted(session: Session, request: IssueRequest, order: str) -> Note:
    account = session.account.signer().account
    return Note(
        order=order,
        directory=session.client.url,
        account=account or "",
        names=request.names,
        key_sha256=key_facts(request.key_pem).key.sha256,
        profile=session.options.profile,
    )


def _difference(note: Note, wanted: Note) -> str:
    """Say what the order in *note* was for that is not wanted now; empty if it is the same."""
    titles = {"directory": "CA", "account": "account", "key_sha256": "key", "profile": "profile"}
    for field, title in titles.items():
        if getattr(note, field) != getattr(wanted, field):
            return f"it is for another {title}"
    return "" if set(note.names) == set(wanted.names) else "it is for other names"


def _is_old(issued: Issued, request: IssueRequest) -> bool:
    """True if an order that an earlier pass had finished was found again."""
    leaf = pem.blocks(issued.chain[0])[0].der
    replaced = pem.blocks(request.replaces)[0].der if request.replaces else b""
    return leaf == replaced or certificate_facts(issued.chain[0]).not_after <= request.now


def _count_refusal(request: IssueRequest, note: Note) -> None:
    if note.refusals + 1 >= REFUSALS:
        _log.info(
            "%s: the order %s is given up: its certificate is of no use", request.certificate, note.order
        )
        drop_note(request)
    else:
        write_note(request, note._replace(refusals=note.refusals + 1))


class Session:
    """One issuer's conversation with its CA, for as long as the process lives."""

    def __init__(self, spec: IssuerSpec, home: str) -> None:
        assert spec.acme is not None
        self.name = spec.name
        self.options = options = spec.acme
        url = directory_url(options.directory)
        transport = Transport(url, options.ca_file, options.timeout, options.max_orders + 2)
        self.client = Client(spec.name, url, transport, _pace, Pause(spec.name, url, home))
        self.account = Account(self.client, options, home)
        self.adviser = Adviser(self.client)
        self.pace = _pace
        self.leftovers = Leftovers(home)
        self._lock = threading.Lock()
        self._solver: Solver | None = None

    def solver(self) -> Solver:
        """Return the one solver; what processes that died had put up is taken away first."""
        with self._lock:
            if self._solver is None:
                removers: dict[str, Remover] = {http01.KIND: http01.remove}
                self._solver = _new_solver(self.name, self.options, self.leftovers, removers)
                self.leftovers.sweep(removers)
            return self._solver


def _new_solver(
    name: str, options: AcmeOptions, leftovers: Leftovers, removers: dict[str, Remover]
) -> Solver:
    """The solver that is configured; it adds to *removers* how its leftovers are taken away."""
    if options.challenge == "dns-01":
        from certctl.issuers.acme import dns01

        solver = dns01.Dns01(name, options, leftovers)
        removers[dns01.KIND] = solver.remove
        return solver
    if options.challenge == "tls-alpn-01":
        from certctl.issuers.acme.tlsalpn01 import TlsAlpn

        return TlsAlpn(options.listen)
    if options.webroot:
        return http01.Webroot(options.webroot, leftovers)
    return http01.Standalone(options.listen)
