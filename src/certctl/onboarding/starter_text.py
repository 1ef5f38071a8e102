"""The pieces of the starter. Lines that begin with "#" and no space are settings that may be switched on."""

from __future__ import annotations

HEADER = """\
# What certctl manages here. `certctl init` wrote it once; it is yours now.
#
#   certctl plan            what would be done, and why; changes nothing
#   certctl run             does it
#   certctl status          what there is
#   certctl fingerprints    what those who pin this host should know
#
# Paths are relative to this file. Durations: "90d", "12h", "30m", "45s", "2w".
"""

STATE_HERE = """\
# Keys, certificates, and what must not be forgotten. On a server: /var/lib/certctl, which is the default.
state_dir = "state"
"""

STATE_SYSTEM = """\
# Keys, certificates, and what must not be forgotten.
state_dir = "/var/lib/certctl"
"""

NETWORK = """\
# What one pass gives to all whom it asks: CAs, DNS servers, peers, the servers that it looks at.
#network_timeout = "5m"
"""

ISSUER = """\
# Who signs. "self-signed" and "private-ca" need no table: private-ca makes a root and an intermediate of its
# own on first use. For certificates that everybody trusts, switch this on (take away the # before each line),
# and write issuer = "letsencrypt" in the certificate below.
#[issuer.letsencrypt]
#type = "acme"
#directory = "letsencrypt-staging"  # to try it; then "letsencrypt", or the URL of any other CA's directory
#email = "hostmaster@example.org"
#agree_tos = true                   # you accept the CA's terms of service
#challenge = "http-01"              # the CA connects to port 80 of each name; else "tls-alpn-01" or "dns-01"
"""

CLOCKS = """\
rotate_every = "365d"               # a new key; certificates are renewed long before, with the same key
hold_down = "7d"                    # no key is served before those who pin it had this long to learn of it
"""

CERTIFICATE = """\
[certificate.{name}]
names = {names}
issuer = {issuer}
keys = ["ecdsa-p256"]               # with "rsa-2048" besides, old peers are served too
{clocks}"""

BUNDLE = """\
# Key, certificate and intermediates in one file, as Postfix wants them. There may be more such files.
[[certificate.{name}.file]]
path = "{path}"
mode = "0600"
hooks = ["show"]
"""

SERVER = """\
# {title}. To make it use the bundle, once it is there:
{usage}
# Then let certctl look at what is really served, by this line in the certificate's table:
#     probe = {probes}
[[certificate.{name}.file]]
path = {path}
mode = "{mode}"
{group}hooks = ["{hook}"]
"""

OTHERS = """\
# These servers are here as well. This file leaves them alone; to feed one, as root, switch its lines on.
"""

DHPARAM = """\
# Diffie-Hellman parameters: a well-known prime (RFC 7919), there at once; or "generate": one of your own,
# which takes seconds, sometimes a minute. TLS 1.3 needs none, nor does Postfix since 3.7.
[dhparam.dh2048]
path = "tls/dh2048.pem"
bits = 2048
source = "ffdhe"
rotate_every = "365d"               # of a prime of your own
hooks = ["show"]
"""

SHOW = """\
# A hook is a program that runs whenever its files have changed, until it succeeds. This one only prints their
# paths. Ready-made ones need no table: hooks = ["postfix"], or dovecot, nginx, haproxy, exim.
[hook.show]
command = ["printenv", "CERTCTL_FILES"]
"""
