"""The contract's example, value by value, and what its comments allow besides."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.planning.spec import (
    DAY,
    AcmeOptions,
    AnnouncerSpec,
    CertificateSpec,
    CommandOptions,
    DhparamSpec,
    FileSpec,
    HookSpec,
    IssuerSpec,
    PeerSpec,
    PrivateCaOptions,
    Spec,
    WatchSpec,
)
from tests.unit.config_files import CONTRACT, load_text, problems


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return load_text(tmp_path, CONTRACT)


def test_top(spec: Spec, tmp_path: Path) -> None:
    """The file's own path is kept, absolute, beside the two directories."""
    assert spec.path == f"{tmp_path}/certctl.toml"
    assert (spec.state_dir, spec.hooks_dir) == ("/var/lib/certctl", "/etc/certctl/hooks")


def test_issuers(spec: Spec) -> None:
    """Each issuer holds the options of its type, and the two built-in ones are there without a table."""
    acme = AcmeOptions(
        directory="https://acme-v02.api.letsencrypt.org/directory",
        email=("hostmaster@example.org",),
        agree_tos=True,
    )
    assert spec.issuers == {
        "self-signed": IssuerSpec("self-signed", "self-signed"),
        "private-ca": IssuerSpec("private-ca", "private-ca", private_ca=PrivateCaOptions()),
        "letsencrypt": IssuerSpec("letsencrypt", "acme", acme=acme),
        "office": IssuerSpec("office", "private-ca", private_ca=PrivateCaOptions()),
        "vault": IssuerSpec("vault", "command", command=CommandOptions(("/usr/local/bin/sign",))),
    }


def test_certificate(spec: Spec) -> None:
    """A certificate holds seconds, tuples and its files."""
    file = FileSpec(
        "/etc/postfix/tls/mx1.pem", ("key", "cert", "chain"), None, 0o600, "root", "root", ("postfix",)
    )
    assert spec.certificates == {
        "mx1": CertificateSpec(
            name="mx1",
            names=("mx1.example.org", "192.0.2.25"),
            issuers=("letsencrypt",),
            keys=("ecdsa-p256", "rsa-2048"),
            validity=90 * DAY,
            renew_before=None,
            rotate_every=365 * DAY,
            pin="key",
            hold_down=7 * DAY,
            announce=("partners", "dane"),
            require_ack=("thumb.example.net",),
            probe=("smtp://127.0.0.1:25", "smtps://127.0.0.1:465"),
            on_failed_probe="rollback",
            files=(file,),
        )
    }


def test_the_rest(spec: Spec) -> None:
    """DH parameters, watched files, announcers and peers; and every hook that is named anywhere."""
    assert spec.dhparams == {
        "postfix": DhparamSpec("postfix", "/etc/postfix/tls/dh2048.pem", hooks=("postfix",))
    }
    assert spec.watches == {"map": WatchSpec("map", ("/etc/postfix/sni",), ("postfix",))}
    assert spec.hooks == {
        "postfix": HookSpec("postfix", ("postfix", "reload"), 30.0),
        "postmap": HookSpec("postmap"),
    }
    assert spec.announcers == {
        "partners": AnnouncerSpec("partners", "feed", path="/var/www/html/.well-known/certctl-pins.jws"),
        "dane": AnnouncerSpec(
            "dane", "dns", server="192.0.2.53", zone="example.org", tsig_key_file="/etc/certctl/tsig.key"
        ),
    }
    assert spec.peers == {
        "thumb.example.net": PeerSpec(
            "thumb.example.net",
            "https://thumb.example.net/.well-known/certctl-pins.jws",
            "…",
            ("[thumb.example.net]",),
            "/etc/postfix/tls_policy.certctl",
            ("postmap",),
        )
    }


def test_defaults(tmp_path: Path) -> None:
    """Names alone make a certificate, and everything else is the spec's own default."""
    spec = load_text(tmp_path, '[certificate.mx1]\nnames = ["mx1.example.org"]\n')
    assert spec.certificates == {"mx1": CertificateSpec("mx1", ("mx1.example.org",))}
    assert (spec.state_dir, spec.hooks_dir) == ("/var/lib/certctl", "/etc/certctl/hooks")


@pytest.mark.parametrize(
    ("announce", "hold_down"),
    [
        ("", 0.0),
        ("announce = []\n", 0.0),
        ('announce = "p"\n', 7 * DAY),
        ('hold_down = "0s"\nannounce = "p"\n', 0),
    ],
)
def test_hold_down_default(tmp_path: Path, announce: str, hold_down: float) -> None:
    """Who announces holds for seven days unless told otherwise; who does not, does not hold."""
    text = f'[certificate.a]\nnames = ["a"]\n{announce}[announce.p]\ntype = "policy"\npath = "p"\n'
    assert load_text(tmp_path, text).certificates["a"].hold_down == hold_down


def test_mode_default(tmp_path: Path) -> None:
    """A file without a key may be read by all, one with a key by its owner only."""
    files = "".join(
        f"[[certificate.a.file]]\npath = '{n}'\n{parts}"
        for n, parts in enumerate(['parts = ["cert", "chain"]\n', 'parts = ["key"]\n', ""])
    )
    spec = load_text(tmp_path, f'[certificate.a]\nnames = ["a"]\n{files}')
    assert [file.mode for file in spec.certificates["a"].files] == [0o644, 0o600, 0o600]


def test_relative_paths(tmp_path: Path) -> None:
    """Relative paths are relative to the file, wherever they stand."""
    spec = load_text(
        tmp_path,
        """
        state_dir = "state"
        hooks_dir = "./hooks/"
        [issuer.c]
        type = "command"
        command = ["bin/sign", "not/a/path"]
        [issuer.le]
        type = "acme"
        directory = "letsencrypt"
        agree_tos = true
        webroot = "web"
        ca_file = "../ca.pem"
        eab_kid = "k"
        eab_hmac_key_file = "eab"
        [certificate.a]
        names = ["a"]
        file = [{ path = "tls//a.pem" }]
        [dhparam.d]
        path = "tls/./dh.pem"
        [watch.w]
        paths = ["w1", "/w2"]
        hooks = "h"
        [hook.h]
        command = ["h"]
        [announce.n]
        type = "dns"
        server = "::1"
        zone = "example.org."
        tsig_key_file = "tsig"
        [peer.p]
        feed = "feed.jws"
        key = "k"
        map = "map"
        """,
    )
    here = str(tmp_path)
    acme, command = spec.issuers["le"].acme, spec.issuers["c"].command
    assert acme is not None
    assert command is not None
    assert spec.state_dir == f"{here}/state"
    assert spec.hooks_dir == f"{here}/hooks"
    assert command.command == (f"{here}/bin/sign", "not/a/path")
    assert acme.webroot == f"{here}/web"
    assert acme.ca_file == f"{tmp_path.parent}/ca.pem"
    assert acme.eab_hmac_key_file == f"{here}/eab"
    assert spec.certificates["a"].files[0].path == f"{here}/tls/a.pem"
    assert spec.dhparams["d"].path == f"{here}/tls/dh.pem"
    assert spec.watches["w"].paths == (f"{here}/w1", "/w2")
    assert spec.hooks["h"].command == ("h",)
    assert spec.announcers["n"].tsig_key_file == f"{here}/tsig"
    assert spec.announcers["n"].zone == "example.org"
    assert spec.peers["p"].feed == f"{here}/feed.jws"
    assert spec.peers["p"].map == f"{here}/map"
    assert spec.peers["p"].nexthops == ("[p]",)


@pytest.mark.parametrize(
    ("word", "url"),
    [
        ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"),
        ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
        ("http://127.0.0.1:14000/dir", "http://127.0.0.1:14000/dir"),
        ("http://[::1]:14000/dir", "http://[::1]:14000/dir"),
        ("http://localhost/dir", "http://localhost/dir"),
    ],
)
def test_acme_directory(tmp_path: Path, word: str, url: str) -> None:
    """Words stand for Let's Encrypt's directories; plain http is for loopback."""
    spec = load_text(tmp_path, f'[issuer.a]\ntype = "acme"\nagree_tos = true\ndirectory = "{word}"\n')
    acme = spec.issuers["a"].acme
    assert acme is not None
    assert acme.directory == url


ACME_DNS = '[issuer.a]\ntype = "acme"\nagree_tos = true\ndirectory = "letsencrypt"\nchallenge = "dns-01"\n'


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (
            'dns = "rfc2136"\n[issuer.a.rfc2136]\nserver = "192.0.2.53:5353"\npropagation = "5m"',
            {
                "server": "192.0.2.53:5353",
                "zone": "",
                "tsig_key_file": "",
                "ttl": 60,
                "propagation": 300.0,
                "resolver": (),
            },
        ),
        (
            'dns = "command"\n[issuer.a.command]\ncommand = ["dns-hook", "-v"]',
            {
                "command": ("dns-hook", "-v"),
                "timeout": 60.0,
                "ttl": 60,
                "propagation": 120.0,
                "resolver": (),
            },
        ),
        (
            'dns = "gandi"\n[issuer.a.gandi]\nauth_token_file = "/x"\nport = 5\nttl = 30\nresolver = "::1"',
            {"auth_token_file": "/x", "port": 5, "ttl": 30, "propagation": 120.0, "resolver": ("::1",)},
        ),
        ('dns = "route53"', {"ttl": 60, "propagation": 120.0, "resolver": ()}),
    ],
)
def test_dns_tables(tmp_path: Path, text: str, options: dict[str, object]) -> None:
    """The table named after the provider becomes its options, with defaults for what is not there."""
    acme = load_text(tmp_path, f"{ACME_DNS}{text}\n").issuers["a"].acme
    assert acme is not None
    assert acme.dns_options == options


def test_built_in_issuer_replaced(tmp_path: Path) -> None:
    """A table named like a built-in issuer takes its place, and may go without type."""
    spec = load_text(tmp_path, '[issuer.private-ca]\nkey = "rsa-3072"\n[issuer.self-signed]\n')
    assert spec.issuers["private-ca"].private_ca == PrivateCaOptions(key="rsa-3072")
    assert spec.issuers["self-signed"].type == "self-signed"


def test_shared_map(tmp_path: Path) -> None:
    """Peers may share a map."""
    peer = '[peer.{0}]\nfeed = "{0}.jws"\nkey = "k"\nmap = "map"\n'
    assert problems(tmp_path, peer.format("a") + peer.format("b")) == []
