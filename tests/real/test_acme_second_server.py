"""The same client against acme2certifier: what holds for one server only is no protocol."""

from __future__ import annotations

from datetime import datetime, timezone

from certctl.issuers.acme.issuer import AcmeIssuer, account_rollover, account_show
from certctl.planning.spec import AcmeOptions, IssuerSpec
from certctl.store.keys import generate
from tests.real.acme2certifier import acme2certifier
from tests.real.acme_world import World, checked, serial
from tests.real.dns_world import own_address
from tests.real.servers.require import root
from tests.real.servers.start import Start


def test_issue_renew_and_advice(start: Start, scratch: str) -> None:
    """http-01 at port 80, a renewal of the same key, the CA's advice, a rollover, a revocation."""
    root("a responder at port 80")
    server = start(acme2certifier)
    address = own_address()
    options = AcmeOptions(
        server.directory_url, ("a@example.test",), agree_tos=True, listen=(f"{address}:80",)
    )
    issuer = AcmeIssuer(IssuerSpec("second", "acme", acme=options), f"{scratch}/home")
    key = generate("ecdsa-p256")
    request = World.request(World(None, scratch), address, key_pem=key)  # type: ignore[arg-type]
    first = checked(issuer.issue(request), request, server.root)
    issuer.finish(request)
    renewal = request._replace(replaces=first.chain[0])
    second = checked(issuer.issue(renewal), renewal, server.root)
    issuer.finish(renewal)
    assert serial(second.chain[0]) != serial(first.chain[0])
    now = datetime.now(timezone.utc)
    advice = issuer.renewal_info(second.chain[0], None, now)
    assert advice is not None
    assert advice.window_start <= advice.renew_at <= advice.window_end
    assert account_rollover(issuer).url == account_show(issuer).url
    issuer.revoke(second.chain[0], None, "superseded")
