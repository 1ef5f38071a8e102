"""A CA of one's own: leaves below an intermediate below a root that peers can be handed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from certctl.errors import IssuerError
from certctl.issuers.authority import CONFIRM, Authority, Need, ensure, is_due
from certctl.issuers.authority_files import fingerprint, new_ca
from certctl.issuers.leaf import as_server, certificate, lifetime
from certctl.planning.spec import IssuerSpec, PrivateCaOptions
from certctl.planning.times import minute_text
from certctl.ports import Issued, IssueRequest
from certctl.x509.keys import load_private_key, signature_hash, signing
from certctl.x509.names import Constraints, closed, common_name, describe, outside, subject

# By home: two objects for one CA must not both make its keys.
_locks: dict[str, threading.Lock] = {}


class PrivateCaIssuer:
    """Signs at once, with the CA in *home*, which is made on first use (see `authority`).

    Another process must not use the same *home* at the same time: certctl's lock
    keeps it out.
    """

    def __init__(self, spec: IssuerSpec, home: str, kept: Callable[[], Sequence[str]] = tuple) -> None:
        """*kept*: which certificates of this CA there are already; asked only before a root is made."""
        self.spec = spec
        self.home = home
        self._kept = kept
        self._options = spec.private_ca or PrivateCaOptions()
        self._lock = _locks.setdefault(os.path.abspath(home), threading.Lock())
        self._known: tuple[object, Authority] | None = None

    def issue(self, request: IssueRequest) -> Issued:
        """Return a leaf that ends *validity* seconds after *now*, or with the intermediate if that is first.

        Raises CertctlError for names outside the name constraints, those of the
        configuration and those that the CA was made with.
        """
        from cryptography.hazmat.primitives.serialization import Encoding

        options = self._options
        self._check(request.names, closed(Constraints(options.permitted_names, options.excluded_names)), "")
        ca = self._authority(request)
        for above in (ca.root, ca.intermediate):
            self._check(request.names, above.constraints or Constraints(), above.label)
        key = load_private_key(request.key_pem).public_key()
        common = common_name(request.names)
        valid = lifetime(request.now, request.validity, request.sure)
        valid = valid._replace(
            not_before=max(valid.not_before, ca.intermediate.not_before),
            not_after=min(valid.not_after, ca.intermediate.not_after),
        )
        if valid.not_after <= max(valid.not_before, request.now):
            raise IssuerError(
                f"{ca.intermediate.label} ends {minute_text(ca.intermediate.not_after)}, and is not renewed "
                "while it is not sure what time it is",
                CONFIRM,
            )
        builder = certificate(key, subject(common), ca.intermediate.parsed.subject, ca.key, valid)
        builder = as_server(builder, key, request.names, named=common is not None)
        with signing(f"{self.home}/intermediate.key"):
            leaf = builder.sign(ca.key, signature_hash(ca.key))
        return Issued((leaf.public_bytes(Encoding.PEM), ca.intermediate.pem), ca.root.pem)

    def finish(self, request: IssueRequest) -> None:
        """There are no notes to take away."""

    def _authority(self, request: IssueRequest) -> Authority:
        need = Need(
            self.home,
            self._title(),
            self._options,
            request.now,
            request.validity,
            self._kept,
            request.sure is None,
        )
        with self._lock:
            if self._known is not None and self._known[0] == fingerprint(self.home):
                ca = self._known[1]
                if not is_due(ca, need):
                    return ca
            ca = ensure(need)
            self._known = (fingerprint(self.home), ca)
            return ca

    def _title(self) -> str:
        """What the subjects begin with, cut so that " Intermediate" still fits into 64 characters."""
        title = self._options.common_name or f"certctl {self.spec.name} of {os.uname().nodename}"
        return title[:51].rstrip()

    def _check(self, names: tuple[str, ...], limits: Constraints, owner: str) -> None:
        lost = outside(names, limits)
        if lost:
            raise IssuerError(
                f"the private CA may not issue for {', '.join(lost)} "
                f"({owner or 'its configuration'}: {describe(limits)})",
                f"limits do not change: {new_ca(self.home)}"
                if owner
                else f"mend permitted_names and excluded_names of [issuer.{self.spec.name}]",
                transient=False,
            )
