"""What `certctl init` writes: it loads as it is, and every setting in its comments can be switched on."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from certctl.config.loading import build
from certctl.errors import UsageError
from certctl.onboarding import starter
from certctl.onboarding.names import default_name
from certctl.planning.spec import DAY, FileSpec, Spec
from certctl.servers.detect import Found
from tests.unit.config_files import load_text

POSTFIX = Found(
    "postfix",
    "Postfix",
    "/etc/postfix/main.cf",
    "/usr/sbin/postfix",
    "/etc/postfix/tls",
    probes=("smtp://127.0.0.1:25",),
    usage=("postconf -e 'smtpd_tls_chain_files = {bundle}'",),
)
EXIM = Found(
    "exim", "Exim", "/etc/exim4/exim4.conf", "/usr/sbin/exim4", "/etc/exim4/tls", 0o640, "Debian-exim"
)


def switched_on(text: str) -> str:
    """Take away the # before each setting."""
    return re.sub(r"^#(?=[\[a-z])", "", text, flags=re.MULTILINE)


def system(names: list[str], found: list[Found]) -> Spec:
    """Load what init would write in /etc/certctl."""
    import tomllib

    text = starter.starter(names, found, "/etc/certctl")
    return build("/etc/certctl/certctl.toml", tomllib.loads(text))


def test_newcomer(tmp_path: Path) -> None:
    """Anywhere but in /etc/certctl all is inside the directory, and a hook can be seen to run."""
    spec = load_text(tmp_path, starter.starter(["mx1.example.org", "192.0.2.25"], [], str(tmp_path)))
    certificate = spec.certificates["mx1.example.org"]
    here = str(tmp_path)
    assert spec.state_dir == f"{here}/state"
    assert certificate.names == ("mx1.example.org", "192.0.2.25")
    assert certificate.issuers == ("private-ca",)
    assert certificate.hold_down == 7 * DAY
    assert certificate.files == (FileSpec(f"{here}/tls/mx1.example.org.pem", hooks=("show",)),)
    assert [(d.path, d.source) for d in spec.dhparams.values()] == [(f"{here}/tls/dh2048.pem", "ffdhe")]
    (hook,) = spec.hooks.values()
    assert shutil.which(hook.command[0]) is not None
    assert starter.directories(here) == [(here, 0o755), (f"{here}/tls", 0o755)]


def test_time_for_others(tmp_path: Path) -> None:
    """The time that a pass gives to others is named with its default: switched on, it changes nothing."""
    text = starter.starter(["mx1.example.org"], [], str(tmp_path))
    setting = '#network_timeout = "5m"'
    assert setting in text.splitlines()
    as_it_is = load_text(tmp_path, text)
    assert load_text(tmp_path, text.replace(setting, setting[1:])) == as_it_is
    assert load_text(tmp_path, text.replace(setting, 'network_timeout = "4m"')) != as_it_is


def test_servers_left_alone(tmp_path: Path) -> None:
    """A self-contained file tells how the servers that are here would be fed, and does not feed them."""
    text = starter.starter(["mx1.example.org"], [POSTFIX, EXIM], str(tmp_path))
    (file,) = load_text(tmp_path, text).certificates["mx1.example.org"].files
    assert file.hooks == ("show",)
    files = load_text(tmp_path, switched_on(text)).certificates["mx1.example.org"].files
    assert [file.path for file in files[1:]] == [
        "/etc/postfix/tls/mx1.example.org.pem",
        "/etc/exim4/tls/mx1.example.org.pem",
    ]


def test_usage_is_told() -> None:
    """The lines to type name the bundle that will be there."""
    text = starter.starter(["mx1.example.org"], [POSTFIX], "/etc/certctl")
    assert "postconf -e 'smtpd_tls_chain_files = /etc/postfix/tls/mx1.example.org.pem'" in text


@pytest.mark.parametrize("found", [[], [POSTFIX]])
def test_system_directory(found: list[Found]) -> None:
    """Root on a host without servers that could be fitted still gets a file that works."""
    spec = system(["a.example"], found)
    assert spec.state_dir == "/var/lib/certctl"
    assert spec.certificates["a.example"].files == (
        FileSpec("/etc/certctl/tls/a.example.pem", hooks=("show",)),
    )


@pytest.mark.parametrize("directory", ["/etc/certctl", "/somewhere"])
@pytest.mark.parametrize("found", [[], [POSTFIX, EXIM]])
def test_switched_on(tmp_path: Path, directory: str, found: list[Found]) -> None:
    """With every setting of the comments switched on it still loads, and uses them."""
    text = switched_on(starter.starter(["mx1.example.org"], found, directory))
    spec = load_text(tmp_path, text.replace('issuer = "private-ca"', 'issuer = "letsencrypt"'))
    assert spec.issuers["letsencrypt"].acme is not None
    assert spec.certificates["mx1.example.org"].issuers == ("letsencrypt",)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("mx1.example.org", "mx1.example.org"),
        ("MX1.Example.org", "mx1.example.org"),
        ("*.example.org", "wildcard.example.org"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("2001:db8::1", "2001-db8--1"),
        ("::1", "ip--1"),
        ("a.lock", "a-lock"),
        (".".join(["a" * 60] * 4), ".".join(["a" * 60] * 4)[:200]),
    ],
)
def test_table_names(tmp_path: Path, name: str, table: str) -> None:
    """The certificate is named after its first name, in letters that files can have."""
    spec = load_text(tmp_path, starter.starter([name], [POSTFIX], str(tmp_path)))
    assert list(spec.certificates) == [table]


def test_bad_names() -> None:
    """An impossible name is refused before anything is written."""
    with pytest.raises(UsageError, match=r'"a_b\.example" cannot be a certificate.s name: an underscore'):
        starter.starter(["ok.example", "a_b.example"], [], "/somewhere")


def test_names_once(tmp_path: Path) -> None:
    """A name that is given twice stands there once."""
    spec = load_text(tmp_path, starter.starter(["a.example", "A.example"], [], str(tmp_path)))
    assert spec.certificates["a.example"].names == ("a.example",)


def test_default_name(tmp_path: Path) -> None:
    """Without names it is the host's own full name, else localhost; the network is not asked."""
    node = os.uname().nodename
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n192.0.2.1 mx7.example.org {node} # comment\n")
    expected = node if "." in node else "mx7.example.org"
    assert default_name(str(hosts)) == expected
    hosts.write_text(f"127.0.0.1 localhost\n192.0.2.1 {node} a_b.example.org\n")
    assert default_name(str(hosts)) in (node, "localhost")
    assert default_name(f"{tmp_path}/none") in (node, "localhost")
    spec = load_text(tmp_path, starter.starter([], [], str(tmp_path)))
    assert len(spec.certificates) == 1


def test_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is DIR/certctl.toml; without DIR it depends on who asks; what is there is not overwritten."""
    monkeypatch.chdir(tmp_path)
    assert starter.target("sub/dir") == f"{tmp_path}/sub/dir/certctl.toml"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert starter.target(None) == f"{tmp_path}/certctl.toml"
    (tmp_path / "certctl.toml").symlink_to("nowhere")
    with pytest.raises(UsageError, match=r"certctl\.toml is there already, and init never overwrites"):
        starter.target(None)
