"""The shipped hooks against the real servers: one reload, the new certificate served, refusals told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.real.hooks import Hooks, reloaded, renew, rests, said, serves, succeeded
from tests.real.servers import pki
from tests.real.servers.dovecot import dovecot
from tests.real.servers.exim import exim
from tests.real.servers.haproxy import haproxy
from tests.real.servers.nginx import nginx
from tests.real.servers.postfix import postfix
from tests.real.servers.process import run
from tests.real.servers.require import program
from tests.real.servers.scratch import write
from tests.real.servers.served import served
from tests.real.servers.start import Start


@pytest.fixture
def hook(scratch: str) -> Hooks:
    return Hooks(scratch)


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    """One CA for all of these tests."""
    return pki.make_authority()


def test_postfix(start: Start, scratch: str, hook: Hooks, authority: pki.Authority) -> None:
    """One reload, and then every process serves the new certificate; broken is a failure, down is none."""
    bundle = renew(scratch, authority)
    server = start(postfix, chain_files=[bundle.save(scratch)])
    assert served(server.smtps) == bundle.chain

    renewed = renew(scratch, authority)
    assert succeeded(hook("postfix", "--config-dir", server.directory))
    assert serves(renewed, server, server.smtps)
    assert serves(renewed, server, server.smtp, "smtp")
    assert reloaded(server, "reload -- version", 1)

    main_cf = Path(server.directory, "main.cf")
    good = main_cf.read_text()
    main_cf.write_text(good + "smtpd_tls_security_level = $nonsense {\nqueue_directory = /nonexistent\n")
    outcome = hook("postfix", "--config-dir", server.directory)
    assert said(outcome, f"the configuration in {server.directory} is broken")
    main_cf.write_text(good)
    assert reloaded(server, "reload -- version", 1)


def test_postfix_that_is_down(start: Start, hook: Hooks) -> None:
    """A stopped instance is told and not started; the instance beside it is reloaded all the same."""
    up, down = start(postfix), start(postfix)
    down.control("stop")
    outcome = hook("postfix", "--config-dir", down.directory, "--config-dir", up.directory)
    assert rests(outcome, f"Postfix ({down.directory}) is not running")
    assert reloaded(up, "reload -- version", 1)
    status = subprocess.run(["postfix", "-c", down.directory, "status"], capture_output=True)
    assert status.returncode != 0


def test_postfix_instances_of_postmulti(start: Start, hook: Hooks) -> None:
    """Without arguments every enabled instance is reloaded once, the primary one and a secondary one."""
    out = start(postfix, parameters={"multi_instance_enable": "yes", "multi_instance_name": "postfix-out"})
    off = start(postfix, parameters={"multi_instance_enable": "no", "multi_instance_name": "postfix-off"})
    primary = start(
        postfix,
        parameters={
            "multi_instance_wrapper": "${command_directory}/postmulti -p --",
            "multi_instance_enable": "yes",
            "multi_instance_directories": f"{out.directory} {off.directory}",
        },
    )
    for name in os.listdir("/etc/postfix"):
        if not os.path.exists(os.path.join(primary.directory, name)):
            run(["cp", "-a", f"/etc/postfix/{name}", primary.directory])
    # In a mount namespace of its own, the primary instance is where postmulti looks for it.
    script = f'mount --bind {primary.directory} /etc/postfix && exec "$@"'
    outcome = hook("postfix", prefix=["/usr/bin/unshare", "-m", "sh", "-c", script, "sh"])
    assert succeeded(outcome)
    for instance, times in ((primary, 1), (out, 1), (off, 0)):
        assert reloaded(instance, "reload -- version", times)


def test_dovecot(start: Start, scratch: str, hook: Hooks, authority: pki.Authority) -> None:
    """One reload serves the new certificate on every port; broken is refused, down is no failure."""
    first = renew(scratch, authority)
    server = start(dovecot, first.save(scratch))
    assert served(server.imaps) == first.chain

    renewed = renew(scratch, authority)
    assert succeeded(hook("dovecot", "--config", server.config_file))
    ports = ((server.imap, "imap"), (server.imaps, None), (server.pop3, "pop3"), (server.pop3s, None))
    for port, starttls in ports:
        assert serves(renewed, server, port, starttls)
    assert reloaded(server, "SIGHUP received", 1)

    config = Path(server.config_file)
    good = config.read_text()
    config.write_text(good + "no_such_setting = yes\n")
    assert said(hook("dovecot", "--config", server.config_file), "the configuration is broken")
    config.write_text(good)
    run([program("doveadm"), "-c", server.config_file, "stop"])
    assert rests(hook("dovecot", "--config", server.config_file), "Dovecot is not running")
    assert reloaded(server, "SIGHUP received", 1)
    with pytest.raises(ConnectionError):
        served(server.imaps)


def test_nginx(start: Start, scratch: str, hook: Hooks, authority: pki.Authority) -> None:
    """One reload serves the new certificate; a foreign key is refused; that it is down is no failure."""
    first = renew(scratch, authority)
    server = start(nginx, first.save(scratch))
    assert served(server.https) == first.chain

    renewed = renew(scratch, authority)
    assert succeeded(hook("nginx", "--config", server.config_file))
    assert serves(renewed, server, server.https)
    assert reloaded(server, "(SIGHUP) received", 1)

    good = renewed.bundle_pem
    write(os.path.join(scratch, "bundle.pem"), pki.make_identity().key_pem + renewed.fullchain_pem, 0o600)
    outcome = hook("nginx", "--config", server.config_file)
    assert said(outcome, "the configuration is broken", f"nginx -c {server.config_file} -t")
    assert "key values mismatch" in outcome.output
    assert serves(renewed, server, server.https)

    write(os.path.join(scratch, "bundle.pem"), good, 0o600)
    pid_file = Path(os.path.dirname(server.config_file), "nginx.pid")
    pid = pid_file.read_text()
    pid_file.write_text(f"{os.getpid()}\n")
    assert rests(
        hook("nginx", "--config", server.config_file), f"nginx is not running ({pid_file}: {os.getpid()})"
    )
    pid_file.write_text(pid)
    assert reloaded(server, "(SIGHUP) received", 1)


def test_haproxy_reload(start: Start, scratch: str, hook: Hooks, authority: pki.Authority) -> None:
    """SIGUSR2 to the master serves the new certificate; a foreign key is refused before that."""
    first = renew(scratch, authority)
    server = start(haproxy, first.save(scratch))
    pid_file = write(os.path.join(scratch, "haproxy.pid"), f"{server.master_pid}\n")
    command = ("haproxy", "--config", server.config_file, "--pid-file", pid_file)

    renewed = renew(scratch, authority)
    assert succeeded(hook(*command))
    assert serves(renewed, server, server.https)
    assert reloaded(server, "Reloading HAProxy", 1)

    write(os.path.join(scratch, "bundle.pem"), pki.make_identity().key_pem + renewed.fullchain_pem, 0o600)
    outcome = hook(*command)
    assert said(outcome, "the configuration is broken")
    assert "inconsistencies between private key and certificate" in outcome.output
    assert serves(renewed, server, server.https)
    renew(scratch, authority)
    write(pid_file, f"{os.getpid()}\n")
    assert rests(hook(*command), "HAProxy is not running")


def test_haproxy_worker_is_not_taken_for_a_master(
    start: Start, scratch: str, hook: Hooks, authority: pki.Authority
) -> None:
    """A process that SIGUSR2 would end is left alone: here the worker, as without -W the only one."""
    first = renew(scratch, authority)
    server = start(haproxy, first.save(scratch))
    assert serves(first, server, server.https), "and so the worker has its own signal handlers"
    children = Path(f"/proc/{server.master_pid}/task/{server.master_pid}/children")
    pid_file = write(os.path.join(scratch, "haproxy.pid"), children.read_text().split()[0] + "\n")
    outcome = hook("haproxy", "--config", server.config_file, "--pid-file", pid_file)
    assert said(outcome, "is no master process")
    assert served(server.https)


def test_haproxy_runtime_api(start: Start, scratch: str, hook: Hooks, authority: pki.Authority) -> None:
    """By the socket the new certificate is served at once; what it cannot do, a reload does."""
    first = renew(scratch, authority)
    bundle = first.save(scratch)
    server = start(haproxy, bundle)
    pid_file = write(os.path.join(scratch, "haproxy.pid"), f"{server.master_pid}\n")
    command = ("haproxy", "--config", server.config_file, "--pid-file", pid_file, "--socket", server.socket)

    renewed = renew(scratch, authority)
    assert succeeded(hook(*command, files=[bundle]))
    assert served(server.https) == renewed.chain
    assert reloaded(server, "Reloading HAProxy", 0)
    assert "Transaction" not in server.command("show ssl cert")

    # PEM with empty lines and text between its blocks, which the payload's end must not be taken for.
    renewed = renew(scratch, authority)
    write(bundle, renewed.bundle_pem.replace(b"-----BEGIN CERT", b"\n\nsubject\n\n-----BEGIN CERT"), 0o600)
    assert succeeded(hook(*command, files=[bundle]))
    assert served(server.https) == renewed.chain

    renewed = renew(scratch, authority)
    assert succeeded(hook(*command, files=[bundle, os.path.join(scratch, "dh2048.pem")]))
    assert reloaded(server, "Reloading HAProxy", 1)
    assert serves(renewed, server, server.https)


def test_haproxy_refusal(start: Start, scratch: str, hook: Hooks, authority: pki.Authority) -> None:
    """What HAProxy refuses through its socket is told and aborted, and the old certificate served on."""
    first = renew(scratch, authority)
    bundle = first.save(scratch)
    server = start(haproxy, bundle)
    frontend = "frontend f\n  mode http\n  timeout client 1s\n  bind 127.0.0.1:1\n"
    other = write(os.path.join(scratch, "sound.cfg"), frontend)
    write(bundle, pki.make_identity().key_pem + first.fullchain_pem, 0o600)
    outcome = hook("haproxy", "--config", other, "--socket", server.socket, files=[bundle])
    assert said(outcome, f"HAProxy refused {bundle} and goes on with the old one")
    assert served(server.https) == first.chain
    assert "*" not in server.command("show ssl cert"), "no transaction is left open"
    outcome = hook("haproxy", "--config", other, "--socket", f"{scratch}/none", files=[bundle])
    assert said(outcome, f"HAProxy does not answer at {scratch}/none")


def test_exim(start: Start, scratch: str, hook: Hooks, authority: pki.Authority) -> None:
    """SIGHUP has the daemon serve the new certificate; broken is refused, down is no failure."""
    first = renew(scratch, authority)
    server = start(exim, first.save(scratch))
    assert served(server.smtps) == first.chain

    renewed = renew(scratch, authority)
    assert succeeded(hook("exim", "--config", server.config_file))
    assert reloaded(server, "SIGHUP received: re-exec daemon", 1)
    assert serves(renewed, server, server.smtps)
    assert serves(renewed, server, server.smtp, "smtp")

    pid_file = write(os.path.join(scratch, "other.pid"), f"{os.getpid()}\n")
    outcome = hook("exim", "--config", server.config_file, "--pid-file", pid_file)
    assert rests(outcome, "Exim's daemon is not running")
    config = Path(server.config_file)
    config.write_text("no_such_option\n" + config.read_text())
    assert said(hook("exim", "--config", server.config_file), "the configuration is broken")
