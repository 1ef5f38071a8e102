"""The hardened units under a systemd of their own: certctl and its hooks can do all that they have to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from certctl.deploy.lookup import shipped_dir
from tests.real.booted import Booted, booted
from tests.real.servers.require import program
from tests.real.servers.scratch import scratch_directory

CONFIG = """
[certificate.mx]
names = ["mx.example.test"]
issuer = "private-ca"
announce = ["partners"]
hooks = ["postfix"]

[[certificate.mx.file]]
path = "/etc/postfix/tls/mx.pem"
hooks = ["postfix"]

[[certificate.mx.file]]
path = "/srv/tls/mx.pem"
owner = "postfix"
group = "haproxy"
mode = "0640"
hooks = ["dovecot", "nginx", "haproxy"]

[announce.partners]
type = "feed"
path = "/srv/www/pins.jws"
check = "http://127.0.0.1:8440/pins.jws"

[dhparam.dh]
path = "/etc/postfix/tls/dh.pem"
source = "ffdhe"
hooks = ["postfix"]

[watch.maps]
paths = ["/etc/postfix/access"]
hooks = ["maps"]

[hook.maps]
command = ["hook:postmap", "hash:/etc/postfix/access", "regexp:/etc/postfix/rules"]
"""

# Each server with the certificate that the first pass is to replace; HAProxy with a regular expression, which
# it compiles to code.
SETUP = """
for tool in postfix dovecot nginx haproxy; do command -v $tool >/dev/null; done
mkdir -p /etc/certctl /etc/postfix/tls /srv/tls /srv/www
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=old \
  -keyout /srv/tls/mx.pem -out /srv/tls/old.pem 2>/dev/null
cat /srv/tls/old.pem >>/srv/tls/mx.pem
echo 'mx.example.test OK' >/etc/postfix/access
echo '/example/ OK' >/etc/postfix/rules
postconf -e inet_interfaces=loopback-only maillog_file=/var/log/mail.log
cat >/etc/dovecot/dovecot.conf <<END
protocols =
ssl = required
ssl_cert = </srv/tls/mx.pem
ssl_key = </srv/tls/mx.pem
END
rm -f /etc/nginx/sites-enabled/*
cat >/etc/nginx/conf.d/tests.conf <<END
ssl_certificate /srv/tls/mx.pem;
ssl_certificate_key /srv/tls/mx.pem;
server { listen 127.0.0.1:8441 ssl; }
server { listen 127.0.0.1:8440; root /srv/www; }
END
cat >/etc/haproxy/haproxy.cfg <<END
global
  stats socket /run/haproxy/admin.sock mode 660 level admin
  user haproxy
  group haproxy
  daemon
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend tests
  bind 127.0.0.1:8442 ssl crt /srv/tls/mx.pem
  http-request deny if { path_reg ^/(a|b)[0-9]+$ }
END
cat >/etc/certctl/certctl.toml
cp /certctl/systemd/* /etc/systemd/system/
systemctl daemon-reload
systemctl start postfix dovecot nginx haproxy || { journalctl -o cat -u dovecot; exit 1; }
mv /srv/tls/mx.pem /srv/tls/before.pem
"""


OUTSIDE = "/usr/x /root/x /boot/x /etc/x /etc/certctl/x /srv/x /var/x /var/lib/x /var/log/x"
# Landlock's version, which a kernel may not have; whether seccomp can allow; another user without groups.
SHUT_IN = """
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
version = libc.syscall(444, None, 0, 1)
assert version > 0 or ctypes.get_errno() in (errno.ENOSYS, errno.EOPNOTSUPP), ctypes.get_errno()
number = 317 if platform.machine() == "x86_64" else 277
assert libc.syscall(number, 2, 0, ctypes.byref(ctypes.c_uint32(0x7FFF0000))) == 0, ctypes.get_errno()
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Booted]:
    """A machine with the servers running and certctl configured for them."""
    for server in ("postfix", "dovecot", "nginx", "haproxy"):
        program(server)
    with scratch_directory() as directory, booted(directory) as machine:
        machine.sh(SETUP, CONFIG)
        yield machine


START = "systemctl start certctl.service || { journalctl -o cat -u certctl.service; exit 1; }"


def test_a_path_outside_is_named(machine: Booted) -> None:
    """The shipped unit writes what it covers, says what to type for the rest, and doctor does, too."""
    machine.sh("! systemctl start certctl.service")
    assert machine.sh("stat -c %a /etc/postfix/tls/mx.pem /etc/postfix/tls/dh.pem") == "600\n644\n"
    said = " ".join(machine.sh("journalctl -o cat -u certctl.service").split())
    for path in ("/srv/tls/mx.pem", "/srv/www/pins.jws"):
        assert f"cannot write {path}: read-only file system" in said
    assert "where /etc/systemd/system/certctl.service.d/10-paths.conf says" in said
    told = machine.sh("certctl doctor --json || :").replace("&amp;", "&")
    found = [one for one in json.loads(told)["findings"] if one["check"] == "unit-paths"]
    assert [one["subject"].rpartition("/")[2] for one in found] == [
        "certctl.service",
        "certctl-daemon.service",
    ]
    assert "/srv/tls (certificate mx); /srv/www (announce partners)" in found[0]["message"]
    assert found[0]["fix"] == "certctl systemd --write && systemctl daemon-reload"
    assert found[0]["fix"] in said
    machine.sh(found[0]["fix"])
    told = machine.sh("certctl doctor --json || :")
    assert not [one for one in json.loads(told)["findings"] if one["check"] == "unit-paths"]


def test_a_hardened_pass_does_everything(machine: Booted) -> None:
    """Keys, owners, DH parameters, a reload of every server, and a feed that is read at its URL."""
    machine.sh(START)
    (feed,) = json.loads(machine.sh("certctl announce --show --json"))["announcers"]
    assert feed["state"] == "ok", feed
    assert machine.sh("stat -c %a /srv/www/pins.jws") == "644\n"
    assert machine.sh(
        "stat -c '%U:%G %a' /srv/tls/mx.pem /etc/postfix/tls/mx.pem /etc/postfix/tls/dh.pem"
    ) == ("postfix:haproxy 640\nroot:root 600\nroot:root 644\n")
    assert machine.sh(
        "certctl status --json | tr -d ' \\n' | grep -o '\"state\":\"[a-z]*\"' | sort | uniq"
    ) == ('"state":"ok"\n')
    assert machine.sh("postmap -q mx.example.test hash:/etc/postfix/access") == "OK\n"
    for port in (8441, 8442):
        seen = machine.sh(
            f"openssl s_client -connect 127.0.0.1:{port} 2>/dev/null </dev/null | grep -m1 subject="
        )
        assert "old" not in seen
    log = machine.sh("cat /var/log/mail.log; journalctl -o cat -u dovecot -u nginx -u haproxy")
    assert "postfix/master" in log
    assert "reload -- version" in log
    assert "SIGHUP received - reloading configuration" in log
    assert "Reloading HAProxy" in log


def test_a_hardened_pass_is_confined(machine: Booted) -> None:
    """A hook under the unit writes nowhere else and gains no rights; it can shed them, and use systemctl."""
    machine.sh(
        "mkdir -p /etc/certctl/hooks; cat >/etc/certctl/hooks/curious; chmod 755 /etc/certctl/hooks/curious",
        f"#!/bin/sh\nfor path in {OUTSIDE}; do ! touch $path || exit 3; done\n"
        "! unshare -m true || exit 4\n! mount -t tmpfs tmpfs /mnt || exit 5\n"
        "grep -q 'NoNewPrivs:.*1' /proc/self/status || exit 6\nsystemctl reload nginx || exit 7\n"
        f"/certctl-venv/bin/python - <<'END'\n{SHUT_IN}END\n",
    )
    machine.sh(
        "cat >>/etc/certctl/certctl.toml",
        '\n[watch.curious]\npaths = ["/etc/certctl/hooks/curious"]\nhooks = ["curious"]\n',
    )
    machine.sh(START)
    assert '"name": "curious"' in machine.sh("certctl status --json")


def test_a_hook_of_ones_own_gets_more(machine: Booted) -> None:
    """A hook that certctl does not know fails on what it writes; why is said, and a second drop-in helps."""
    machine.sh(
        "cat >/etc/certctl/hooks/copy; chmod 755 /etc/certctl/hooks/copy; mkdir -p /opt/copy",
        "#!/bin/sh\ncp /srv/tls/mx.pem /opt/copy/\n",
    )
    table = '\n[watch.copy]\npaths = ["/etc/certctl/hooks/copy"]\nhooks = ["copy"]\n'
    machine.sh("cat >>/etc/certctl/certctl.toml", table)
    assert "# What hook copy writes is not known here.\n" in machine.sh("certctl systemd")
    machine.sh("! systemctl start certctl.service")
    said = " ".join(machine.sh("journalctl -o cat -u certctl.service").split())
    assert "certctl.service lets it write only where certctl systemd says" in said
    machine.sh(
        "cat >/etc/systemd/system/certctl.service.d/override.conf; systemctl daemon-reload",
        "[Service]\nReadWritePaths=/opt/copy\n",
    )
    machine.sh("touch /etc/certctl/hooks/copy")
    machine.sh(START)
    assert machine.sh("ls /opt/copy") == "mx.pem\n"


def test_the_daemon_starts_reloads_and_stops(machine: Booted) -> None:
    """systemd sees it ready, reloaded and ended cleanly, and below the hardening it makes its pass."""
    machine.sh("rm -f /etc/postfix/tls/dh.pem; systemctl start certctl-daemon.service")
    machine.sh("timeout 20 sh -c 'until [ -e /etc/postfix/tls/dh.pem ]; do sleep 0.1; done'")
    machine.sh("timeout 20 sh -c 'until certctl plan --check; do sleep 0.1; done'")
    machine.sh("systemctl reload certctl-daemon.service")
    assert machine.sh("systemctl is-active certctl-daemon.service") == "active\n"
    assert machine.sh("systemctl show -P WatchdogUSec certctl-daemon.service") == "10min\n"
    machine.sh("systemctl stop certctl-daemon.service")
    assert machine.sh("systemctl show -P Result -P NRestarts certctl-daemon.service") == "success\n0\n"


def test_timer_waits_less_than_two_hours(machine: Booted) -> None:
    """The timer starts the pass of the next hour, at this host's own minute."""
    machine.sh("systemctl start certctl.timer")
    due = machine.sh('date -d "$(systemctl show -P NextElapseUSecRealtime certctl.timer)" +%s')
    assert 0 <= int(due) - int(machine.sh("date +%s")) <= 7200
    machine.sh("systemctl stop certctl.timer")


def test_units_are_those_that_are_shipped(machine: Booted) -> None:
    """What ran above is what the wheel holds, unchanged."""
    for unit in os.listdir(shipped_dir("systemd")):
        with open(os.path.join(shipped_dir("systemd"), unit)) as file:
            assert machine.sh(f"cat /etc/systemd/system/{unit}") == file.read()
