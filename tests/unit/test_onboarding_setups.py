"""What is seen of servers' configurations, as their own tools printed them."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.onboarding.setups.dovecot import dovecot_setup
from certctl.onboarding.setups.exim import exim_setup
from certctl.onboarding.setups.haproxy import haproxy_setup
from certctl.onboarding.setups.nginx import nginx_setup
from certctl.onboarding.setups.postfix import postfix_setup
from certctl.onboarding.setups.setup import Hook, Setup, Use, direct_scheme, endpoint, url
from certctl.onboarding.setups.survey import survey
from tests.unit.init_world import install, put_up


@pytest.fixture(autouse=True)
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "bin", monkeypatch)


def postfix(tmp_path: Path, name: str) -> Setup:
    return postfix_setup(str(put_up(f"postfix-{name}", tmp_path / "etc")), Hook("postfix"))


def files(use: Use) -> list[str]:
    return [path.rpartition("/")[2] for path in use.files]


def test_postfix_of_debian(tmp_path: Path) -> None:
    """Its placeholder, the name, the ports by the services that are on; one that has TLS off is none."""
    (use,) = postfix(tmp_path, "debian").uses
    assert files(use) == ["ssl-cert-snakeoil.key", "ssl-cert-snakeoil.pem"]
    assert use.names == ("mx1.example.org",)
    assert use.probes == ("smtp://127.0.0.1:25", "smtp://127.0.0.1:587", "smtps://127.0.0.1:465")
    assert use.lines == (f"postconf -c {tmp_path}/etc -e 'smtpd_tls_chain_files = {{bundle}}'",)
    assert use.switch_on == ()
    assert use.of_host


def test_postfix_with_pairs(tmp_path: Path) -> None:
    """RSA and ECDSA, key and certificate apart; an address of its own; its client's; the DH file."""
    seen = postfix(tmp_path, "pairs")
    server, client = seen.uses
    assert files(server) == ["rsa.key", "rsa.crt", "ec.key", "ec.crt"]
    assert server.probes == ("smtp://192.0.2.25:25", "smtp://[::1]:2526")
    assert files(client) == ["rsa.key", "rsa.crt"]
    assert (client.optional, client.probes) == (True, ())
    assert seen.dh == (f"{tmp_path}/etc/dh2048.pem",)


def test_postfix_with_services_and_sni(tmp_path: Path) -> None:
    """A service with a bundle of its own, and two names by SNI, whose table has to be built anew."""
    seen = postfix(tmp_path, "chain")
    host, inside, tenant, wildcard = seen.uses
    here = f"{tmp_path}/etc"
    assert (files(host), host.probes) == (["mx1.pem"], ("smtp://127.0.0.1:25",))
    assert (files(inside), inside.probes) == (["inside.pem"], ("smtps://127.0.0.1:10465",))
    assert inside.lines == (f"postconf -c {here} -P '127.0.0.1:10465/inet/smtpd_tls_chain_files={{bundle}}'",)
    assert (files(tenant), tenant.names) == (["tenant.pem"], ("mail.example.net",))
    assert tenant.lines == (
        f"# in {here}/sni, line 1: mail.example.net {{bundle}}",
        f"postmap -F hash:{here}/sni",
    )
    table = ("hook:postmap", "--config-dir", here, "-F", f"hash:{here}/sni")
    assert tenant.hooks == (Hook("postmap-sni", table),)
    assert (wildcard.names, wildcard.files) == ((), tenant.files)
    assert seen.dh == ()


def test_postfix_without_tls(tmp_path: Path) -> None:
    """Nothing is named, and TLS has to be switched on, for one of the services at least."""
    (use,) = postfix(tmp_path, "bare").uses
    assert use.files == ()
    assert use.switch_on == (f"postconf -c {tmp_path}/etc -e smtpd_tls_security_level=may",)


def test_postfix_that_only_sends(tmp_path: Path) -> None:
    """What takes no mail needs no certificate; the one that it shows as a client is seen."""
    server, client = postfix(tmp_path, "off").uses
    assert (server.optional, server.probes) == (True, ())
    assert files(client) == ["client.pem"]


def test_dovecot(tmp_path: Path) -> None:
    """Listeners that are moved, added and switched off; a name of its own; the DH file."""
    here = put_up("dovecot-2.3", tmp_path / "etc")
    seen = dovecot_setup(f"{here}/dovecot.conf", Hook("dovecot"))
    host, tenant = seen.uses
    assert files(host) == ["imap.key", "imap.crt"]
    assert host.probes == ("imaps://192.0.2.25:993", "imaps://192.0.2.25:10993", "lmtp://127.0.0.1:24")
    lines = "'ssl_cert = <{bundle}' 'ssl_key = <{bundle}'"
    assert host.lines == (f"printf '%s\\n' {lines} >>{here}/dovecot.conf",)
    assert (files(tenant), tenant.names) == (["tenant.pem"], ("mail.example.net",))
    assert seen.dh == (f"{here}/dh.pem",)


def test_dovecot_of_today(tmp_path: Path) -> None:
    """2.4 has other names, and a block of protocols; settings go into conf.d where that is read."""
    here = put_up("dovecot-2.4", tmp_path / "etc")
    with open(here / "dovecot.conf", "a", encoding="ascii") as file:
        file.write("!include conf.d/*.conf\n")
    (use,) = dovecot_setup(f"{here}/dovecot.conf", Hook("dovecot")).uses
    assert use.files == ()
    assert use.probes == ("imap://127.0.0.1:143", "imaps://127.0.0.1:993")
    place = f"{here}/conf.d/99-certctl.conf"
    settings = "'ssl_server_cert_file = {bundle}' 'ssl_server_key_file = {bundle}'"
    assert use.lines == (f"printf '%s\\n' {settings} >>{place}",)
    assert use.switch_on == (f"printf '%s\\n' 'ssl = yes' >>{place}",)


def test_nginx(tmp_path: Path) -> None:
    """Each server block that speaks TLS with its names and ports; what it inherits; a mail proxy."""
    here = put_up("nginx", tmp_path / "etc")
    seen = nginx_setup(f"{here}/nginx.conf", Hook("nginx"))
    catch_all, site, mail = seen.uses
    assert (files(catch_all), catch_all.names) == (["snakeoil.key", "snakeoil.pem"], ())
    assert catch_all.probes == ("https://[::1]:443", "https://127.0.0.1:443")
    assert (files(site), site.names) == (["www.key", "www.crt"], ("www.example.org", "example.org"))
    assert site.probes == ("https://127.0.0.1:8443",)
    where = f"# in {here}/sites-enabled/default, the server of line 9:"
    assert site.lines == (f"{where} ssl_certificate {{bundle}}; ssl_certificate_key {{bundle}};",)
    assert (files(mail), mail.probes) == (["imap.pem"], ("imap://127.0.0.1:143",))
    assert seen.dh == (f"{here}/dh.pem",)


def test_haproxy(tmp_path: Path) -> None:
    """Every bundle of its bind lines, NAME.rsa and NAME.ecdsa as one; its pid file for the hook."""
    here = put_up("haproxy", tmp_path / "etc")
    for name in ("mx.rsa", "mx.ecdsa"):
        (here / name).touch()
    command = ("hook:haproxy", "--config", f"{here}/haproxy.cfg")
    seen = haproxy_setup(f"{here}/haproxy.cfg", Hook("haproxy", command))
    site, mail = seen.uses
    assert (files(site), site.probes) == (["site.pem"], ("https://127.0.0.1:443",))
    assert (files(mail), mail.probes) == (
        ["mx.rsa", "mx.ecdsa"],
        ("imaps://192.0.2.25:993", "imaps://[::1]:993"),
    )
    assert seen.hook.command == (*command, "--pid-file", f"{here}/haproxy.pid")
    assert seen.dh == (f"{here}/dh.pem",)


@pytest.mark.parametrize("installed", [True, False])
def test_exim(tmp_path: Path, installed: bool) -> None:
    """By `exim -bP`, or read from the file where there is no Exim."""
    here = put_up("exim", tmp_path / "etc")
    path = f"{here}/exim.conf"
    seen = exim_setup(path, Hook("exim"), "exim4" if installed else "no-such-exim", "Debian-exim")
    (use,) = seen.uses
    assert files(use) == ["exim.key", "exim.crt"]
    assert (seen.mode, seen.group) == (0o640, "Debian-exim")
    if installed:
        assert use.names == ("mx1.example.org",)
        assert use.probes == ("smtp://127.0.0.1:25", "smtps://127.0.0.1:465")


def test_what_exim_works_out(tmp_path: Path) -> None:
    """A certificate that is chosen at each connection is left alone."""
    here = put_up("exim", tmp_path / "etc")
    said = (here / "exim-bP").read_text()
    (here / "exim-bP").write_text(said.replace(f"{here}/exim.crt", "${if exists{/a}{/a}{/b}}"))
    assert exim_setup(f"{here}/exim.conf", Hook("exim")).uses == ()


@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("postfix-broken", "main.cf, line 2: missing '=' after attribute name", "postconf -c"),
        ("dovecot-broken", "Unknown setting: no_such_setting", "doveconf -n -c"),
    ],
)
def test_broken(tmp_path: Path, name: str, says: str, hint: str) -> None:
    """What the server's own tool refuses is named in its words, and keeps no other server back."""
    kind = name.partition("-")[0]
    broken = put_up(name, tmp_path / "broken")
    good = put_up("postfix-bare", tmp_path / "good")
    path = str(broken / "dovecot.conf") if kind == "dovecot" else str(broken)
    sights, (fault,) = survey([], [(kind, path), ("postfix", str(good))])
    assert [sight.config for sight in sights] == [str(good)]
    assert says in fault.message
    assert fault.hint is not None
    assert fault.hint.startswith(hint)
    assert path in fault.subject


@pytest.mark.parametrize("kind", ["postfix", "dovecot", "nginx", "haproxy", "exim"])
def test_not_there(tmp_path: Path, kind: str) -> None:
    """A path at which nothing is says how to name the right one."""
    sights, (fault,) = survey([], [(kind, f"{tmp_path}/none")])
    assert sights == []
    assert f"cannot read {tmp_path}/none" in fault.message
    assert f"--{kind} /etc" in (fault.hint or "")


def test_hooks_of_named_servers(tmp_path: Path) -> None:
    """Each gets a hook with its own configuration; a main.cf stands for its directory."""
    one, two = (put_up("postfix-bare", tmp_path / name) for name in ("one", "two"))
    sights, broken = survey([], [("postfix", f"{one}/main.cf"), ("postfix", str(two))])
    assert broken == []
    assert [sight.hook for sight in sights] == [
        Hook("postfix", ("hook:postfix", "--config-dir", str(one))),
        Hook("postfix-2", ("hook:postfix", "--config-dir", str(two))),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("25", ("", "25")),
        ("submission", ("", "submission")),
        ("127.0.0.1:25", ("127.0.0.1", "25")),
        ("[::]:443", ("::", "443")),
        (":::443", ("::", "443")),
        ("*:443", ("*", "443")),
        ("mx.example:smtp", ("mx.example", "smtp")),
        ("unix:/run/a", None),
        ("/run/a", None),
        ("a b", None),
    ],
)
def test_endpoints(text: str, found: tuple[str, str] | None) -> None:
    """Hosts and ports in every way that the servers write them."""
    assert endpoint(text) == found


def test_urls() -> None:
    """Wildcard addresses are probed on loopback, IPv6 in brackets; a port tells what is spoken in TLS."""
    assert url("smtp", "0.0.0.0", 25) == "smtp://127.0.0.1:25"
    assert url("https", "::", 443) == "https://[::1]:443"
    assert [direct_scheme(port) for port in (443, 465, 993, 4443)] == ["https", "smtps", "imaps", "tls"]


def test_unreadable_sight_is_an_error(tmp_path: Path) -> None:
    """Whoever asks for one server is told, too."""
    with pytest.raises(CertctlError, match="cannot read"):
        nginx_setup(f"{tmp_path}/nginx.conf", Hook("nginx"))
