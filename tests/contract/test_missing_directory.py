"""A directory that is to be made by a person: told before the pass, and tried as soon as it is there."""

from __future__ import annotations

from tests.contract.home import Home

CONFIG = """
[certificate.a]
names = ["a.example"]
announce = ["partners"]
[[certificate.a.file]]
path = "tls/a.pem"
[dhparam.d]
path = "dh/d.pem"
source = "ffdhe"
[announce.partners]
type = "feed"
path = "www/pins.jws"
"""


def test_told_and_tried_at_once(home: Home) -> None:
    """plan names the directory with what to type; once that is made, the next run repeats no old error."""
    home.config(CONFIG)
    plan = home("plan").out
    assert f"tls/a.pem is missing, and so is its directory: install -d -m 0755 {home / 'tls'}" in plan
    assert f"install -d -m 0755 {home / 'dh'}" in plan
    home("run", code=1)
    plan = home("plan").out + home("status").out
    for name in ("tls", "dh", "www"):
        assert str(home / name) in plan
    for name in ("tls", "dh", "www"):
        (home / name).mkdir()
    told = home("run").err
    assert "error" not in told
    assert "held" not in told
    assert home.json("plan")["steps"] == []
