"""Connections that saw nothing: what that means, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.deploy.probe.findings import Found
from certctl.deploy.probe.values import ERROR, WARNING, Served

_FIX = {
    "refused": "see that the service runs and listens there: ss -ltn",
    "timeout": "see that the service answers there, and that no packet filter is in between",
    "no-starttls": "switch TLS on: postconf -e smtpd_tls_security_level=may in Postfix, ssl = yes in Dovecot",
    "tls-unavailable": "key and certificate differ, or a file is missing: see certctl doctor, and the log",
    "handshake": "read the server's log: it may have no usable certificate: certctl doctor",
    "not-tls": "use smtp://, imap:// or pop3:// there, or let the server speak TLS at once (wrapper mode)",
    "no-address": "check the name, and the resolver: getent ahosts NAME",
}


def explain_failure(look: Served, all_looks: Sequence[Served]) -> Found:
    """Name the failure of *look*, in the light of what the other connections saw."""
    failure = look.failure
    assert failure is not None
    others = [one for one in all_looks if one.url == look.url and one.failure is None]
    if failure.kind == "handshake" and look.offered and any(one.address == look.address for one in others):
        return Found(
            ERROR,
            "no-algorithm",
            f"no {look.offered} certificate is served: {failure.message}",
            f"give the server the {look.offered} certificate too: smtpd_tls_chain_files takes several files",
        )
    if failure.kind == "no-route" and others:
        return Found(
            WARNING, "no-route", f"not asked: {failure.message}", "probe from a host with that network"
        )
    return Found(ERROR, failure.kind, failure.message, _FIX.get(failure.kind, ""))
