"""Everything that the orders of one issuer share: connections, nonces, account, solver."""

from __future__ import annotations

import threading

from certctl.issuers.acme import webroot
from certctl.issuers.acme.account import Account
from certctl.issuers.acme.ari import Adviser
from certctl.issuers.acme.client import Client
from certctl.issuers.acme.directory import directory_url
from certctl.issuers.acme.leftovers import Leftovers
from certctl.issuers.acme.pace import Pace
from certctl.issuers.acme.pause import Pause
from certctl.issuers.acme.proof import Solver
from certctl.issuers.acme.transport import Transport
from certctl.planning.spec import AcmeOptions, IssuerSpec

_pace = Pace()
"""The process's one: its orders share one processor, whatever the CA."""


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
                removers = {webroot.KIND: webroot.remove}
                self._solver = _solver(self.name, self.options, self.leftovers)
                if self.options.challenge == "dns-01":
                    from certctl.issuers.acme import dns01

                    assert isinstance(self._solver, dns01.Dns01)
                    removers[dns01.KIND] = self._solver.remove
                self.leftovers.sweep(removers)
            return self._solver


def _solver(name: str, options: AcmeOptions, leftovers: Leftovers) -> Solver:
    if options.challenge == "dns-01":
        from certctl.issuers.acme.dns01 import Dns01

        return Dns01(name, options, leftovers)
    if options.challenge == "tls-alpn-01":
        from certctl.issuers.acme.tlsalpn01 import TlsAlpn

        return TlsAlpn(options.listen)
    if options.webroot:
        return webroot.Webroot(options.webroot, leftovers)
    from certctl.issuers.acme.http01 import Standalone

    return Standalone(options.listen)
