"""The tables of dns-01."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.issuers.acme.dns01 import Dns01
from certctl.issuers.acme.proof import Leftovers
from certctl.planning.spec import AcmeOptions


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("", {}, "challenge dns-01 needs dns"),
        ("rfc2136", {}, r"\[issuer\.ca\.rfc2136\]: server must be the address of one server"),
        ("rfc2136", {"server": "192.0.2.53:x"}, "server must be an address such as"),
        ("rfc2136", {"server": "192.0.2.53", "propagation": "5m"}, "propagation must be a number"),
        ("command", {}, r"\[issuer\.ca\.command\]: command must be the program"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, method: str, options: dict[str, object], message: str
) -> None:
    """A table that cannot work is refused before anything is ordered."""
    chosen = AcmeOptions("https://ca.test/", challenge="dns-01", dns=method, dns_options=options)
    with pytest.raises(CertctlError, match=message) as caught:
        Dns01("ca", chosen, Leftovers(str(tmp_path)))
    assert not caught.value.transient
