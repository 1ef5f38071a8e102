"""Names for the hosts of recipes: zones that BIND signs, and resolvers that validate, as in the world."""

from __future__ import annotations

from tests.real.booted import Booted

# The name server of both hosts, as Debian's package sets it up; it signs its zones.
_NAMED = r"""
ip address add 192.0.2.53/24 dev eth0
cat >/etc/bind/named.conf.options <<'END'
options {
  directory "/var/cache/bind"; listen-on { 192.0.2.53; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; notify no;
};
END
: >/etc/bind/named.conf.local
for zone in example.org example.net; do
  file=/var/lib/bind/$zone.zone
  cat >>/etc/bind/named.conf.local <<END
zone "$zone" { type primary; file "$file"; dnssec-policy default; inline-signing yes; };
END
  printf '%s\n' '$TTL 1' '@ SOA ns hostmaster 1 3600 600 86400 1' '@ NS ns' 'ns A 192.0.2.53' >$file
done
printf '%s\n' '@ MX 10 mx1' 'mx1 A 192.0.2.25' 'mail A 192.0.2.25' >>/var/lib/bind/example.org.zone
printf '%s\n' '@ MX 10 thumb' 'thumb A 192.0.2.26' >>/var/lib/bind/example.net.zone
chown bind /var/lib/bind/*
named -n 1 -u bind
timeout 30 /certctl-venv/bin/python - <<'END'
import time, dns.message, dns.query
def ask(zone, kind):
    question = dns.message.make_query(zone, kind, want_dnssec=True)
    try:
        return dns.query.tcp(question, "192.0.2.53", timeout=5).answer
    except OSError:
        return []
for zone in ("example.org.", "example.net."):
    while len(ask(zone, "SOA")) < 2:  # with its signature
        time.sleep(0.02)
    for key in ask(zone, "DNSKEY")[0]:
        if key.flags == 257:
            print(zone, "IN DNSKEY", key.to_text())
END
"""


def name_server(machine: Booted) -> list[str]:
    """Serve both zones, signed, at 192.0.2.53; return their trust anchors."""
    return machine.sh(_NAMED).splitlines()


_UNBOUND = r"""
cat >/srv/unbound.conf
unbound -c /srv/unbound.conf
printf '%s\n' 'nameserver 127.0.0.1' 'options trust-ad edns0' >/etc/resolv.conf
timeout 20 sh -c 'until getent hosts mx1.example.org thumb.example.net; do sleep 0.05; done'
"""


def resolver(machine: Booted, anchors: list[str]) -> None:
    """A resolver that validates, at 127.0.0.1."""
    lines = [
        'server:', 'interface: 127.0.0.1', 'chroot: ""', 'username: ""', 'pidfile: ""', 'directory: "/srv"',
        'do-ip6: no', 'cache-max-ttl: 1', 'cache-max-negative-ttl: 1', 'module-config: "validator iterator"',
        *(f'trust-anchor: "{anchor}"' for anchor in anchors),
        'remote-control:', 'control-enable: no',
    ]  # fmt: skip
    for zone in ("example.org", "example.net"):
        lines += ["stub-zone:", f'name: "{zone}"', "stub-addr: 192.0.2.53"]
    machine.sh(_UNBOUND, "\n".join(lines) + "\n")
