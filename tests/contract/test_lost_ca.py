"""A private CA whose directory is gone: no new root comes in its place unless somebody types so."""

from __future__ import annotations

import shlex
import shutil
import subprocess

from tests.contract.home import Home

COUNTED = "lost-state cases"

CONFIG = """
[certificate.mx1]
names = ["mx1.example.test"]
issuer = "private-ca"
[certificate.mx2]
names = ["mx2.example.test"]
issuer = "private-ca"
"""


def test_a_lost_ca_is_made_anew_only_on_purpose(home: Home) -> None:
    """Renewals and new certificates are refused with what to restore and what to type; first use is not."""
    home.config(CONFIG)
    home("run")
    root = home / "state/issuers/private-ca/root.pem"
    served = (home / "state/live/mx1/bundle.pem").read_bytes()
    old = root.read_bytes()
    shutil.rmtree(root.parent)
    failed = home("renew", "mx1", code=1)
    assert f"{root} is gone, but certificates below it are kept: mx1, mx2" in failed.err
    assert f"restore {root.parent} from a backup" in failed.err
    assert (home / "state/live/mx1/bundle.pem").read_bytes() == served
    home.edit('issuer = "private-ca"\n[certificate.mx2]', 'issuer = "private-ca"\n[certificate.mx3]')
    assert "is gone" in home("run", code=1).err
    assert not root.parent.exists()
    command = failed.err.partition("peers then need: ")[2].splitlines()[0]
    assert str(root.parent) in shlex.split(command)
    subprocess.run(["sh", "-c", command], check=True)
    home("run")
    assert root.read_bytes() != old


def test_an_issuer_of_another_type_had_the_name(home: Home) -> None:
    """Where the certificates of that name came without a root of their own, this is the CA's first use."""
    home.config(CONFIG.replace('"private-ca"', '"office"') + '[issuer.office]\ntype = "self-signed"\n')
    home("run")
    home.edit('type = "self-signed"', 'type = "private-ca"')
    home("renew", "mx1")
    assert (home / "state/issuers/office/root.pem").exists()
