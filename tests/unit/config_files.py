"""Configuration files for the tests of `certctl.config`."""

from __future__ import annotations

from pathlib import Path

from certctl import config
from certctl.errors import ConfigError
from certctl.planning.spec import Spec


def load_text(directory: Path, text: str) -> Spec:
    """Load *text* as directory/certctl.toml."""
    path = directory / "certctl.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
    return config.load(str(path))


def problems(directory: Path, text: str) -> list[str]:
    """Give what `load` has against *text*, each without the file's name in front."""
    try:
        load_text(directory, text)
    except ConfigError as error:
        prefix = f"{directory}/certctl.toml: "
        assert all(line.startswith(prefix) for line in error.problems)
        return [line.removeprefix(prefix) for line in error.problems]
    return []


CONTRACT = """
state_dir = "/var/lib/certctl"      # default
hooks_dir = "/etc/certctl/hooks"    # default; where a hook's name is looked up first, before the shipped ones

[issuer.letsencrypt]
type = "acme"                       # self-signed | private-ca | acme | command | csr
directory = "https://acme-v02.api.letsencrypt.org/directory"   # or a word
email = "hostmaster@example.org"
agree_tos = true                    # required: the CA's terms of service are accepted here
challenge = "http-01"               # http-01 | dns-01 | tls-alpn-01
[issuer.office]
type = "private-ca"                 # root and intermediate are made on first use
[issuer.vault]
type = "command"                    # CSR on standard input, PEM chain on standard output
command = ["/usr/local/bin/sign"]

[certificate.mx1]
names = ["mx1.example.org", "192.0.2.25"]
issuer = "letsencrypt"              # a name, or a list tried in order
keys = ["ecdsa-p256", "rsa-2048"]   # rsa-2048 rsa-3072 rsa-4096 ecdsa-p256 ecdsa-p384 ed25519
validity = "90d"                    # for issuers that honour it
renew_before = "auto"               # auto: ARI; else a third of the lifetime
rotate_every = "365d"               # or "never" (then only by hand)
pin = "key"                         # key | certificate
hold_down = "7d"                    # default "0s" without announce, "7d" with
announce = ["partners", "dane"]
require_ack = ["thumb.example.net"] # peers that must have acknowledged before promotion
probe = ["smtp://127.0.0.1:25", "smtps://127.0.0.1:465"]
on_failed_probe = "rollback"        # rollback | keep

[[certificate.mx1.file]]            # as many as wanted; live/NAME is always there besides
path = "/etc/postfix/tls/mx1.pem"
parts = ["key", "cert", "chain"]    # any of key cert chain root, in this order
mode = "0600"                       # default 0600 with a key in it, 0644 without
owner = "root"
group = "root"
hooks = ["postfix"]

[dhparam.postfix]
path = "/etc/postfix/tls/dh2048.pem"
bits = 2048                         # 2048 (default) or more; less is refused
source = "generate"                 # generate (a safe prime of one's own) | ffdhe (RFC 7919, by bits)
rotate_every = "365d"
mode = "0644"                       # 0440 is as good
hooks = ["postfix"]

[watch.map]                         # files that others write: a hook runs whenever they change
paths = ["/etc/postfix/sni"]
hooks = ["postfix"]

[hook.postfix]                      # optional: a name without a table is looked up in hooks_dir
command = ["postfix", "reload"]
timeout = "30s"

[announce.partners]
type = "feed"                       # feed | policy | tlsa | dns | command
path = "/var/www/html/.well-known/certctl-pins.jws"
[announce.dane]
type = "dns"
server = "192.0.2.53"
zone = "example.org"
tsig_key_file = "/etc/certctl/tsig.key"
ports = [25]

[peer."thumb.example.net"]          # whose pins this host follows
feed = "https://thumb.example.net/.well-known/certctl-pins.jws"   # https, or a file
key = "…"                           # the peer's feed key, as `certctl announce --key` prints it there
nexthops = ["[thumb.example.net]"]
map = "/etc/postfix/tls_policy.certctl"
hooks = ["postmap"]
"""
"""The contract's example, whole."""
