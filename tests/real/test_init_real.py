"""init on mail hosts: what is served stays, or changes by the lines that were printed, and is proved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.real.servers.dovecot import Dovecot, dovecot
from tests.real.servers.exim import exim
from tests.real.servers.haproxy import haproxy
from tests.real.servers.nginx import nginx
from tests.real.servers.pki import Identity, key_pin, make_authority, make_identity
from tests.real.servers.postfix import Postfix, postfix
from tests.real.servers.process import ENVIRONMENT, run
from tests.real.servers.require import SYSTEM, UNPACKED, program
from tests.real.servers.scratch import write
from tests.real.servers.served import ECDSA, RSA, served
from tests.real.servers.start import Start

PATH = os.pathsep.join([os.path.dirname(sys.executable), *UNPACKED, *SYSTEM])
CERTCTL = [sys.executable, "-m", "certctl"]


def certctl(*arguments: str, status: int = 0, prefix: Sequence[str] = ()) -> str:
    """Run a command as root of a mail host would; return both outputs."""
    done = subprocess.run(
        [*prefix, *CERTCTL, *arguments],
        env={**ENVIRONMENT, "PATH": PATH},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def configurations(*servers: Postfix | Dovecot) -> list[bytes]:
    """What the servers' own configurations hold, byte for byte."""
    paths = []
    for server in servers:
        if isinstance(server, Postfix):
            paths += [f"{server.directory}/main.cf", f"{server.directory}/master.cf"]
        else:
            paths.append(server.config_file)
    found = []
    for path in paths:
        with open(path, "rb") as file:
            found.append(file.read())
    return found


def typed(said: str) -> None:
    """Type the lines that init printed below its two headings, as root would."""
    lines = said.splitlines()
    start = next(at for at, line in enumerate(lines) if line.endswith("make them use the files:")) + 1
    run(["/bin/bash", "-ec", "\n".join(lines[start : lines.index("", start)])], env={"PATH": PATH})
    sed = next(line for line in lines if line.startswith("  sed "))
    run(["/bin/bash", "-ec", sed], env={"PATH": PATH})


Three = tuple[Identity, Identity, Identity]


@pytest.fixture(scope="module")
def identities() -> Three:
    """The host's, RSA and ECDSA, and a website's."""
    authority = make_authority()
    rsa = make_identity(authority=authority, algorithm="rsa-2048")
    return rsa, make_identity(authority=authority), make_identity(["www.example.test"], authority=authority)


def test_present_keys_stay(start: Start, scratch: str, identities: Three) -> None:
    """Five servers: the keys that they serve are served after init and a pass as before, and proved."""
    rsa, ecdsa, site = identities
    both = write(os.path.join(scratch, "both.pem"), rsa.bundle_pem + ecdsa.bundle_pem, 0o600)
    tenant = make_identity(["tenant.example.test"])
    line = f"tenant.example.test {tenant.save(scratch, 'tenant.pem')}\n"
    table = write(os.path.join(scratch, "sni"), line, 0o600)
    run([program("postmap"), "-F", f"hash:{table}"])
    built = os.stat(f"{table}.db").st_ino
    mail = start(postfix, chain_files=[both], parameters={"tls_server_sni_maps": f"hash:{table}"})
    boxes = start(dovecot, ecdsa.save(scratch, "one.pem"))
    web_bundle = site.save(scratch, "www.pem")
    web, other = start(nginx, web_bundle), start(exim, web_bundle)
    pid_file = os.path.join(scratch, "haproxy.pid")
    proxy = start(haproxy, web_bundle, extra=f"global\n  pidfile {pid_file}")
    write(pid_file, f"{proxy.master_pid}\n")
    before = configurations(mail, boxes)

    home = os.path.join(scratch, "certctl")
    config = os.path.join(home, "certctl.toml")
    options = ("--postfix", mail.directory, "--dovecot", boxes.config_file, "--nginx", web.config_file)
    more = ("--haproxy", proxy.config_file, "--exim", other.config_file)
    said = certctl("init", "--dir", home, "--yes", *options, *more)
    for identity in (*identities, tenant):
        assert key_pin(identity.leaf) in said
    assert "make them use the files" not in said

    certctl("--config", config, "run")
    for port, starttls in ((mail.smtps, None), (mail.submission, "smtp"), (boxes.imaps, None)):
        assert served(port, starttls, options=ECDSA) == ecdsa.chain
    assert served(mail.smtp, "smtp", options=RSA) == rsa.chain
    assert served(mail.smtp, "smtp", name="tenant.example.test") == tenant.chain
    assert os.stat(f"{table}.db").st_ino != built
    for port, starttls in ((web.https, None), (proxy.https, None), (other.smtps, None), (other.smtp, "smtp")):
        assert served(port, starttls) == site.chain
    probed = json.loads(certctl("--config", config, "--json", "probe"))
    assert [f"{one['url']} {one['certificate']}" for one in probed["probes"]] == [
        f"smtp://127.0.0.1:{mail.smtp} mx.example.test",
        f"smtps://127.0.0.1:{mail.smtps} mx.example.test",
        f"smtp://127.0.0.1:{mail.submission} mx.example.test",
        f"smtp://127.0.0.1:{mail.smtp} tenant.example.test",
        f"smtps://127.0.0.1:{mail.smtps} tenant.example.test",
        f"smtp://127.0.0.1:{mail.submission} tenant.example.test",
        f"https://127.0.0.1:{web.https} www.example.test",
        f"tls://127.0.0.1:{proxy.https} www.example.test",
        f"smtp://127.0.0.1:{other.smtp} www.example.test",
        f"smtps://127.0.0.1:{other.smtps} www.example.test",
    ]
    certctl("--config", config, "plan", "--check")
    assert configurations(mail, boxes) == before


def test_lines_to_type(start: Start, scratch: str, identities: Three) -> None:
    """Servers with nothing, and with a placeholder: nothing changes until the printed lines are typed."""
    placeholder = identities[1].save(scratch, "ssl-cert-snakeoil.pem")
    mail, boxes = start(postfix, hostname="mx1.example.test"), start(dovecot, placeholder)
    before = configurations(mail, boxes)
    home = os.path.join(scratch, "certctl")
    config = os.path.join(home, "certctl.toml")
    servers = ("--postfix", mail.directory, "--dovecot", boxes.config_file)
    said = certctl("init", "--dir", home, *servers, "--run")
    assert configurations(mail, boxes) == before
    assert served(mail.smtp, "smtp") == []
    assert served(boxes.imaps) == identities[1].chain
    assert "not taken over: who pins it needs the new pins" in said

    typed(said)
    probed = json.loads(certctl("--config", config, "--json", "probe"))
    assert len(probed["probes"]) == 3 + 5
    assert not [one for one in probed["probes"] if one["differences"]]
    assert key_pin(served(mail.smtp, "smtp")[0]) == key_pin(served(boxes.imaps)[0])
    certctl("--config", config, "run")


# A mount namespace with an /etc and a /var/lib that may be written, and no other server in its usual place.
_OWN = """
set -e
mkdir {scratch}/own && mount -t tmpfs tmpfs {scratch}/own
for part in etc var/lib; do
  mkdir -p {scratch}/own/$part/upper {scratch}/own/$part/work
  dirs=upperdir={scratch}/own/$part/upper,workdir={scratch}/own/$part/work
  mount -t overlay -o lowerdir=/$part,$dirs own /$part
done
mount --bind {primary} /etc/postfix
rm -rf /etc/dovecot /etc/nginx /etc/haproxy /etc/exim4 /etc/certctl /var/lib/certctl
exec "$@"
"""


def test_instances_of_this_host(start: Start, scratch: str, identities: Three) -> None:
    """Unasked, init fits each enabled instance of Postfix, and doctor looks at each; a hook reloads all."""
    rsa, ecdsa, site = identities
    named = {
        "multi_instance_enable": "yes",
        "multi_instance_name": "postfix-out",
        "smtp_tls_policy_maps": "texthash:$config_directory/no-such-map",
    }
    out = start(postfix, chain_files=[site.save(scratch, "out.pem")], parameters=named)
    named = {"multi_instance_enable": "no", "multi_instance_name": "postfix-off"}
    off = start(postfix, chain_files=[ecdsa.save(scratch, "off.pem")], parameters=named)
    multi = {
        "multi_instance_wrapper": "${command_directory}/postmulti -p --",
        "multi_instance_enable": "yes",
        "multi_instance_directories": f"{out.directory} {off.directory}",
    }
    primary = start(postfix, chain_files=[rsa.save(scratch, "in.pem")], parameters=multi)
    for name in os.listdir("/etc/postfix"):
        if not os.path.exists(os.path.join(primary.directory, name)):
            run(["cp", "-a", f"/etc/postfix/{name}", primary.directory])
    own = ["unshare", "-m", "sh", "-c", _OWN.format(scratch=scratch, primary=primary.directory), "sh"]
    certctl = " ".join(CERTCTL)
    script = f"{certctl} init && cat /etc/certctl/certctl.toml && {certctl} run && ! {certctl} doctor"
    said = run([*own, "/bin/sh", "-c", script], env={"PATH": PATH})
    assert "wrote /etc/certctl/certctl.toml" in said
    assert [line for line in said.splitlines() if line.startswith("hooks = ")] == ['hooks = ["postfix"]'] * 2
    for identity, port in ((rsa, primary.smtps), (site, out.smtps)):
        assert key_pin(identity.leaf) in said
        assert served(port) == identity.chain
    assert key_pin(ecdsa.leaf) not in said
    assert f"smtps://127.0.0.1:{off.smtps}" not in said
    assert "postfix: hook ran:" in said
    assert f"{out.directory}/no-such-map" in said.partition("hook ran:")[2]
