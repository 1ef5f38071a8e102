"""Hosts for recipes: Debian as its packages leave it, on a network of their own, with names that resolve."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

from tests.real.booted import Booted, booted
from tests.real.recipe_dns import name_server, resolver
from tests.real.servers.process import run
from tests.real.servers.require import missing, program

# Documentation addresses (RFC 5737) and names; 192.0.2.53 answers for the names.
ADDRESSES = {"mx1": "192.0.2.25", "thumb": "192.0.2.26"}
NAMES = {"mx1": "mx1.example.org", "thumb": "thumb.example.net"}
_NETWORK = r"""
hostname {name}
ip address add {address}/24 dev {device}
ip link set {device} up
printf '%s\n' '127.0.0.1 localhost' '::1 localhost' '{address} {name} {short}' >/etc/hosts
: >/etc/resolv.conf
"""
_POSTFIX = r"""
cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf
cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf
postconf -e "myhostname=$(hostname)" 'mydestination=$myhostname, localhost, $mydomain' alias_maps= \
  maillog_file=/var/log/mail.log relayhost= 'mynetworks=127.0.0.0/8 [::1]/128' \
  local_transport=discard: local_recipient_maps=
postconf -X smtp_tls_CApath
"""

# Postfix's programs wait until a main.cf is some seconds old, lest it be half written. Here it is whole.
AGE = "touch -d '10 seconds ago' /etc/postfix*/main.cf"


@contextlib.contextmanager
def box_host(directory: str) -> Iterator[Booted]:
    """A host by itself with Dovecot, and a Postfix beside it; the user `reader` has the password `secret`."""
    _need("postfix", "dovecot", "doveadm")
    with booted(directory) as machine:
        _connect(machine, "mail", "lo")
        machine.sh(_POSTFIX)
        machine.sh(_BOXES)
        yield machine


_BOXES = rf"""
cp -a /usr/share/dovecot/dovecot.conf /etc/dovecot/
cp -a /usr/share/dovecot/conf.d/* /etc/dovecot/conf.d/
rm -f /etc/dovecot/local.conf
cat >/etc/dovecot/conf.d/auth-system.conf.ext <<'END'
passdb {{
  driver = passwd-file
  args = /etc/dovecot/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home=/srv/mail
}}
END
echo 'reader:{{PLAIN}}secret' >/etc/dovecot/users
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=snakeoil \
  -keyout /etc/dovecot/private/dovecot.key -out /etc/dovecot/private/dovecot.pem 2>/dev/null
{AGE}
systemctl start dovecot postfix
"""


@contextlib.contextmanager
def other_host(directory: str) -> Iterator[Booted]:
    """A host by itself with nginx, HAProxy and Exim as their packages leave them, and a service `slapd`."""
    _need("nginx", "haproxy", "exim4", "socat")
    with booted(directory) as machine:
        _connect(machine, "host", "lo")
        machine.sh(_OTHERS)
        yield machine


# Exim is only unpacked, so its unit is made here; the other service only notes that it was reloaded.
_OTHERS = """
rm -rf /etc/postfix /etc/dovecot /etc/nginx/conf.d/* /etc/nginx/sites-enabled/*
! [ -d /certctl/tests/.cache/exim/usr ] || cp -a /certctl/tests/.cache/exim/usr/. /usr/
chown root:root /usr/sbin/exim4 && chmod u+s /usr/sbin/exim4
mkdir -p /etc/exim4 /var/log/exim4 /var/spool/exim4
chown Debian-exim:Debian-exim /var/log/exim4 /var/spool/exim4
cat >/etc/exim4/exim4.conf <<'END'
primary_hostname = mx2.example.org
acl_smtp_rcpt = accept
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
begin routers
discard:
  driver = redirect
  data = :blackhole:
END
cat >/etc/systemd/system/exim4.service <<'END'
[Service]
RuntimeDirectory=exim4
ExecStart=/usr/sbin/exim4 -bdf -q30m
ExecStartPost=bash -c 'until (: </dev/tcp/127.0.0.1/25) 2>/dev/null; do sleep 0.05; done'
ExecReload=kill -HUP $MAINPID
END
cat >/etc/systemd/system/slapd.service <<'END'
[Service]
Type=notify
NotifyAccess=all
ExecStart=sh -c 'systemd-notify --ready; exec sleep infinity'
ExecReload=sh -c 'echo reloaded >>/run/slapd.reloads'
END
systemctl daemon-reload
systemctl start nginx haproxy exim4 slapd
"""


@contextlib.contextmanager
def mail_hosts(directory: str) -> Iterator[Mapping[str, Booted]]:
    """Two mail hosts, mx1.example.org and thumb.example.net, on one wire; DNS with DNSSEC for both."""
    _need("postfix", "named", "unbound", "nginx")
    with contextlib.ExitStack() as stack:
        hosts = {}
        for name in NAMES:
            os.mkdir(os.path.join(directory, name))
            hosts[name] = stack.enter_context(booted(os.path.join(directory, name)))
        ends = [str(machine.pid) for machine in hosts.values()]
        wire = ["link", "add", "eth0", "netns", ends[0], "type", "veth", "peer", "name", "eth0"]
        run([program("ip"), *wire, "netns", ends[1]])
        for name, machine in hosts.items():
            _connect(machine, name, "eth0")
            machine.sh(_POSTFIX)
            machine.sh("rm -rf /etc/dovecot /etc/haproxy /etc/nginx")
        anchors = name_server(hosts["thumb"])
        for machine in hosts.values():
            resolver(machine, anchors)
            machine.sh(f"{AGE}\nsystemctl start postfix")
        yield {**hosts, "ns": hosts["thumb"]}


def _need(*programs: str) -> None:
    for name in programs:
        program(name)
    if not os.path.exists("/usr/share/postfix/main.cf.debian"):
        missing("this is no Debian with its Postfix", "the pages say what to type on Debian")


def _connect(machine: Booted, name: str, device: str) -> None:
    """Give *machine* its name and address; nothing outside is asked for names."""
    full, address = NAMES.get(name, f"{name}.example.org"), ADDRESSES.get(name, "192.0.2.25")
    machine.sh(_NETWORK.format(short=name, name=full, address=address, device=device))
