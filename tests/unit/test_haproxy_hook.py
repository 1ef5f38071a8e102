"""The haproxy hook against stand-ins: systemd, the master process, the runtime API."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.hook_world import World, failed, rests

HAPROXY = "[ ! -e $W/broken ]"
SOCAT = """read -r first
case $first in
  'show ssl cert') cat $W/loaded ;;
  'set ssl cert'*) echo "$first"; cat; echo "Transaction created for certificate X!" ;;
  'commit ssl cert'*) if [ -e $W/refuse ]; then echo 'inconsistencies between private key and certificate'
    else printf 'Committing X.\\nSuccess!\\n'; fi ;;
esac | tee $W/answer
echo "$first" >>$W/log"""
PEM = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n\n-----BEGIN CERTIFICATE-----\ny\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_haproxy_under_systemd(world: World) -> None:
    """An active service is reloaded by systemd, after the configuration was checked."""
    world.program("haproxy", HAPROXY)
    world.program("systemctl", '[ "$1" != reload ] || [ ! -e $W/refuse ]')
    assert world.run("haproxy", "--config", "/a b", "--config", "/c", "--service", "edge").exit_status == 0
    assert world.calls() == [
        "haproxy -c -f /a b -f /c",
        "systemctl is-active --quiet edge",
        "systemctl reload edge",
    ]
    world.write("refuse")
    assert failed(world.run("haproxy"), "haproxy", "the service haproxy did not reload")
    world.write("broken")
    assert failed(world.run("haproxy"), "haproxy", "the configuration is broken")
    assert world.calls() == ["haproxy -c -f /etc/haproxy/haproxy.cfg"]


def test_haproxy_master_gets_sigusr2(world: World) -> None:
    """Without systemd the master process of the pid file gets SIGUSR2."""
    world.program("haproxy", HAPROXY)
    pid_file = world.write("pid")
    assert rests(world.run("haproxy", "--pid-file", pid_file), "haproxy", pid_file)
    with world.process("haproxy", "trap 'echo USR2 >>$W/log' USR2") as pid:
        world.write("pid", f"{pid}\n")
        assert world.run("haproxy", "--pid-file", pid_file).exit_status == 0
        world.wait(lambda: world.calls()[-1] == "USR2")


def test_haproxy_without_a_master_is_not_killed(world: World) -> None:
    """SIGUSR2 would end a HAProxy that does not catch it: it is left alone, and the hook says so."""
    world.program("haproxy", HAPROXY)
    with world.process("haproxy") as pid:
        pid_file = world.write("pid", f"{pid}\n")
        assert failed(world.run("haproxy", "--pid-file", pid_file), "haproxy", "is no master process")
        os.kill(pid, 0)


def haproxy_with_socket(world: World) -> tuple[str, str]:
    """A HAProxy that has loaded one.pem; two.pem it has not. Return both paths."""
    world.program("haproxy", HAPROXY)
    world.program("systemctl")
    world.program("socat", SOCAT)
    one, two = world.write("one.pem", PEM), world.write("two.pem", PEM)
    world.write("loaded", f"# filename\n{one}\n")
    return one, two


def test_haproxy_runtime_api(world: World) -> None:
    """A certificate that HAProxy has loaded is set and committed by its socket, without a reload."""
    one, _two = haproxy_with_socket(world)
    assert world.run("haproxy", "--socket", "/run/s", files=(one,)).exit_status == 0
    assert [call for call in world.calls() if not call.startswith("socat")] == [
        "haproxy -c -f /etc/haproxy/haproxy.cfg",
        "show ssl cert",
        f"set ssl cert {one} <<",
        f"commit ssl cert {one}",
    ]
    assert "socat -t 10 - UNIX-CONNECT:/run/s" in world.calls()


def test_haproxy_reloads_for_what_the_api_cannot_do(world: World) -> None:
    """Files that HAProxy did not load as a certificate, ones without a key, and no files at all: a reload."""
    one, two = haproxy_with_socket(world)
    assert world.run("haproxy", "--socket", "/run/s", files=(one, two)).exit_status == 0
    assert world.calls()[-3:] == [
        f"commit ssl cert {one}",
        "systemctl is-active --quiet haproxy",
        "systemctl reload haproxy",
    ]
    world.write("one.pem", PEM.replace("PRIVATE KEY", "CERTIFICATE"))
    for files in ((one,), ()):
        assert world.run("haproxy", "--socket", "127.0.0.1:9999", files=files).exit_status == 0
        assert world.calls()[-1] == "systemctl reload haproxy"
        assert not any("set ssl cert" in call for call in world.calls())


def test_haproxy_refusal_is_aborted(world: World) -> None:
    """What HAProxy refuses at the commit is aborted there, and told with HAProxy's own words."""
    one, _two = haproxy_with_socket(world)
    world.write("refuse")
    outcome = world.run("haproxy", "--socket", "/run/s", files=(one,))
    assert failed(outcome, "haproxy", f"HAProxy refused {one}")
    assert "inconsistencies between private key and certificate" in outcome.output
    assert world.calls()[-1] == f"abort ssl cert {one}"


def test_haproxy_socket_without_socat_or_without_answer(world: World) -> None:
    """The missing program is named, and so is a socket that nobody answers although HAProxy runs."""
    one, _two = haproxy_with_socket(world)
    world.program("socat", "echo 'connection refused' >&2; exit 1")
    pid_file = world.write("pid")
    command = ("haproxy", "--socket", "/run/s", "--pid-file", pid_file)
    assert rests(world.run(*command, files=(one,)), "haproxy", pid_file)
    with world.process("haproxy") as pid:
        world.write("pid", f"{pid}\n")
        outcome = world.run(*command, files=(one,))
        assert failed(outcome, "haproxy", "HAProxy does not answer at /run/s")
        (world.bin / "systemctl").unlink()
        # One that runs, but is not where the hook looks for it, is not taken for a stopped one.
        assert failed(world.run("haproxy"), "haproxy", "HAProxy runs, but not as the service haproxy")
    (world.bin / "socat").unlink()
    assert failed(world.run("haproxy", "--socket", "/run/s"), "haproxy", "apt-get install socat")
