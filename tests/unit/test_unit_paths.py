"""What the systemd units may write: worked out, written as a drop-in, read again, and compared."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from certctl import config
from certctl.app import units
from certctl.cli.main import main
from certctl.deploy.lookup import shipped_dir
from certctl.doctor.units import check_units
from certctl.errors import CertctlError
from certctl.planning.spec import Spec
from certctl.servers.units import Unit, installed
from certctl.system.unit import SERVICES, dropin, mending
from tests.real.servers.require import program

CONFIG = """
state_dir = "/srv/state"

[issuer.le]
type = "acme"
directory = "letsencrypt-staging"
email = "hostmaster@example.org"
agree_tos = true
webroot = "/srv/www/"

[certificate.mx1]
names = ["mx1.example.org"]
announce = ["partners", "dane"]
[[certificate.mx1.file]]
path = "/etc/postfix/tls/mx1.pem"
[[certificate.mx1.file]]
path = "/opt/100% mail/mx1.pem"
hooks = ["own", "bare", "nothing", "outside"]

[dhparam.dh]
path = "/etc/postfix/tls/dh.pem"

[watch.sni]
paths = ["/etc/sni/table"]
hooks = ["tables"]

[announce.partners]
type = "feed"
path = "/srv/www/pins.jws"
[announce.dane]
type = "tlsa"
path = "/var/lib/bind/tlsa.zone"

[peer."thumb.example.net"]
feed = "https://thumb.example.net/pins.jws"
key = "AAAA"
nexthops = ["[thumb.example.net]"]
map = "/etc/maps/tls_policy"
hooks = ["tables"]

[hook.tables]
command = ["hook:postmap", "--config-dir", "/etc/postfix-out"]
[hook.own]
command = ["@BIN/deploy", "/srv/elsewhere"]
[hook.bare]
command = ["@BIN/postmap", "-F", "hash:/etc/tables/sni"]
[hook.outside]
command = ["systemctl", "reload", "postfix"]
[hook.nothing]
command = ["hook:dovecot"]
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spec:
    """All that is written anywhere; of Postfix's programs there are stand-ins."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, said in (
        ("deploy", ""),
        ("postmap", ""),
        ("postconf", "echo /var/spool/${2#/}; echo /var/lib/${2#/}"),
    ):
        (bin_ / name).write_text(f"#!/bin/sh\n{said}\n")
        (bin_ / name).chmod(0o755)
    monkeypatch.setattr("certctl.deploy.lookup.hook_path", lambda: f"{bin_}:/usr/bin:/bin")
    key = "c" * 43
    path = tmp_path / "certctl.toml"
    path.write_text(CONFIG.replace("@BIN", str(bin_)).replace("AAAA", key))
    return config.load(str(path))


def test_everything_that_is_written(spec: Spec) -> None:
    """Outputs, state, feeds, maps, webroots, and what hooks say; a hook that nobody knows is told as such."""
    found = units.look(spec)
    assert found.directories == {
        "/srv/state": ("state_dir",),
        "/etc/postfix/tls": ("certificate mx1", "dhparam dh"),
        "/opt/100% mail": ("certificate mx1",),
        "/srv/www": ("announce partners", "issuer le"),
        "/var/lib/bind": ("announce dane",),
        "/etc/maps": ("peer thumb.example.net", "hook tables"),
        "/etc/sni": ("hook tables",),
        "/etc/tables": ("hook bare",),
        **dict.fromkeys(("/var/spool/queue_directory", "/var/lib/queue_directory"), ("hook bare",)),
        **dict.fromkeys(("/var/spool/etc/postfix-out", "/var/lib/etc/postfix-out"), ("hook tables",)),
    }
    assert found.unknown == ("own",)


def test_a_hook_that_cannot_say(spec: Spec, tmp_path: Path) -> None:
    """Where a hook fails, there is no drop-in that lacks its directories."""
    (tmp_path / "bin/postconf").write_text("#!/bin/sh\necho fatal: no main.cf >&2\nexit 1\n")
    with pytest.raises(
        CertctlError, match=r"hook (bare|tables) cannot say what it writes: fatal: no main\.cf"
    ):
        units.look(spec)


def installed_at(home: Path, text: str = "") -> list[Unit]:
    """The shipped services below *home*, with *text* as what `systemctl edit` makes."""
    for service in SERVICES:
        (home / service).write_text(Path(shipped_dir("systemd"), service).read_text())
        if text:
            (home / f"{service}.d").mkdir(exist_ok=True)
            (home / f"{service}.d/override.conf").write_text(text)
    return installed([str(home)])


def test_the_drop_in_opens_what_is_written_and_no_more(spec: Spec, tmp_path: Path) -> None:
    """It takes the place of the unit's default, whatever the paths hold; `systemctl edit` adds to it."""
    writes = units.look(spec)
    before = installed_at(tmp_path)
    assert [unit.name for unit in before] == [*SERVICES]
    assert before[0].may_write("/etc/nginx/tls")
    units.write(spec, writes, str(tmp_path))
    for unit in installed_at(tmp_path, "[Service]\nReadWritePaths=/opt/mine\n"):
        assert unit.writable == ("/var/lib/certctl", *writes.directories, "/opt/mine")
        assert not unit.may_write("/etc/nginx/tls")
        assert not unit.may_write("/etc/postfix")
        assert unit.may_write("/opt/100% mail/below")


@pytest.mark.real
def test_systemd_reads_the_drop_in(spec: Spec, tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say of it, and without it would have."""
    units.write(spec, units.look(spec), str(tmp_path))
    unit = tmp_path / SERVICES[0]
    unit.write_text("[Service]\nExecStart=/bin/true\n")

    def verified() -> str:
        done = subprocess.run(
            [program("systemd-analyze"), "verify", str(unit)], capture_output=True, text=True, timeout=60
        )
        return done.stderr

    assert verified() == ""
    with open(dropin(SERVICES[0], str(tmp_path)), "a") as file:
        file.write("ReadWritePaths=relative\n")
    assert "relative" in verified()


@pytest.mark.parametrize("path", ["/a\nb", "/a'\"b", "/a'b\x07"])
def test_a_path_that_systemd_cannot_be_told(path: str) -> None:
    """It is refused, rather than another one opened."""
    with pytest.raises(CertctlError, match="cannot be told"):
        units.render(Spec("/c.toml"), units.Writes({path: ("state_dir",)}))


def test_doctor_compares(spec: Spec, tmp_path: Path) -> None:
    """What a unit keeps read-only is found, with what to type; in the units of this configuration only."""
    written = {"/srv/tls": ("certificate mx1",), "/etc/postfix/tls": ("dhparam dh",)}
    found = list(check_units(installed_at(tmp_path), "/etc/certctl/certctl.toml", written))
    assert [(one.severity, one.check, one.fix) for one in found] == [
        ("warning", "unit-paths", "certctl systemd --write && systemctl daemon-reload"),
        ("warning", "unit-paths", mending("certctl-daemon.service")),
    ]
    assert (
        "certctl.service may not write in /srv/tls (certificate mx1): its passes will fail"
        in found[0].message
    )
    assert not list(check_units(installed_at(tmp_path), spec.path, written))
    there = installed_at(tmp_path, f"[Service]\nEnvironment=A=b CERTCTL_CONFIG={spec.path}\n")
    (one, _) = check_units(there, spec.path, written)
    assert one.fix == f"certctl --config {spec.path} systemd --write && systemctl daemon-reload"
    assert not list(check_units(there, spec.path, {"/etc/postfix/tls": ("dhparam dh",)}))


def test_a_unit_that_closes_nothing_may_write_everywhere(tmp_path: Path) -> None:
    """A person who took the hardening away is not told to open more."""
    assert all(unit.may_write("/x") for unit in installed_at(tmp_path, "[Service]\nProtectSystem=full\n"))


def test_links_are_followed(tmp_path: Path) -> None:
    """systemd opens what a link leads to, so that counts."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    text = f"[Service]\nReadWritePaths=-{tmp_path}/link\n"
    assert installed_at(tmp_path, text)[0].may_write(f"{tmp_path}/real")
    assert not installed_at(tmp_path, text)[0].may_write(f"{tmp_path}/other")


def test_the_command(spec: Spec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed by default; with --write beside both units; as JSON; what is not known or not there is said."""
    assert main(["--config", spec.path, "systemd"]) == 0
    printed = capsys.readouterr()
    assert "[Service]\nReadWritePaths=\n# state_dir\nReadWritePaths=-/srv/state\n" in printed.out
    assert 'ReadWritePaths="-/opt/100%% mail"\n' in printed.out
    assert "what hook own writes is not known" in printed.err
    assert "/srv/state is not there yet" in printed.err
    assert main(["--config", spec.path, "systemd", "--write", str(tmp_path / "units"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["unknown_hooks"] == ["own"]
    assert document["directories"][0] == {"path": "/srv/state", "by": ["state_dir"]}
    assert document["written"] == [dropin(service, str(tmp_path / "units")) for service in SERVICES]
    assert [Path(path).read_text() for path in document["written"]] == [printed.out] * 2
