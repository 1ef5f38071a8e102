"""The shipped hooks against stand-ins: what they call, in which order, and how they fail."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from certctl.deploy.lookup import shipped_dir
from tests.real.servers.require import program
from tests.unit.hook_world import World, failed, rests

HOOKS = sorted(os.listdir(shipped_dir("hooks")))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("hook", HOOKS)
def test_is_a_plain_sh_script(hook: str) -> None:
    """POSIX sh that parses, stops at errors, is executable, and describes itself in its second line."""
    path = os.path.join(shipped_dir("hooks"), hook)
    lines = Path(path).read_text().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert lines[1].startswith("# ")
    assert lines[1].endswith(".")
    assert "set -eu" in lines
    assert len(lines) < 180
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o133 == 0o111
    subprocess.run(["sh", "-n", path], check=True)


def test_shellcheck_finds_nothing() -> None:
    """shellcheck, where it is installed, is content with every hook."""
    paths = [os.path.join(shipped_dir("hooks"), hook) for hook in HOOKS]
    done = subprocess.run([program("shellcheck"), *paths], capture_output=True, text=True)
    assert done.stdout == ""


@pytest.mark.parametrize("hook", HOOKS)
def test_missing_program_is_said(world: World, hook: str) -> None:
    """Where the server is not installed, the hook says which program it looked for."""
    assert failed(world.run(hook), hook, "there is no program")


@pytest.mark.parametrize("hook", HOOKS)
def test_unknown_argument_is_an_error(world: World, hook: str) -> None:
    """A slip in the hook's arguments is not passed over."""
    world.program("postmap")
    outcome = world.run(hook, "--frobnicate")
    assert outcome.exit_status != 0
    assert "unknown argument --frobnicate" in outcome.output


@pytest.mark.parametrize("hook", ["dovecot", "exim", "haproxy"])
def test_writes_nothing(world: World, hook: str) -> None:
    """With --writes these only say, by silence, that they change no file; nothing is run."""
    assert world.run(hook, "--writes", "--config", "/etc/x").output == ""
    assert world.calls() == []


def test_postfix_says_what_it_writes(world: World) -> None:
    """With --writes: queue and data of every instance that it would reload, and nothing is reloaded."""
    world.program("postfix")
    world.program("postconf", "echo /var/spool${2#/etc}; echo /var/lib${2#/etc}")
    world.program("postmulti", "printf -- '- - y /etc/postfix\\nout mta y /etc/postfix-out\\n'")
    said = world.run("postfix", "--writes").output.split()
    names = ("postfix", "postfix-out")
    assert said == [f"{at}/{name}" for name in names for at in ("/var/spool", "/var/lib")]
    assert [call for call in world.calls() if call.startswith("postfix ")] == []
    said = world.run("postfix", "--writes", "--config-dir", "/etc/postfix-in").output.split()
    assert said == ["/var/spool/postfix-in", "/var/lib/postfix-in"]


def test_postmap_says_what_it_writes(world: World) -> None:
    """With --writes: where its maps are, be they named or changed, and what a reload writes."""
    world.program("postmap")
    world.program("postconf", "echo /queue; echo /data")
    said = world.run("postmap", "--writes", "hash:/etc/a/x", "-F", "/etc/b/y", "proxy:hash:/etc/c/z")
    assert said.output.split() == ["/etc/a", "/etc/b", "/etc/c", "/queue", "/data"]
    said = world.run("postmap", "--writes", files=("/etc/a/x", "/etc/b/y"))
    assert said.output.split() == ["/etc/a", "/etc/b", "/queue", "/data"]
    assert [call for call in world.calls() if call.startswith("postmap ")] == []


BUILT = """if [ "$1" = -V ]; then
  echo '--prefix=/usr/share/nginx --pid-path=/run/nginx.pid --error-log-path=stderr' >&2
  echo '--http-log-path=/var/log/nginx/a.log --http-client-body-temp-path=/var/lib/nginx/body' >&2
  exit
fi
"""


def test_nginx_says_what_it_writes(world: World) -> None:
    """With --writes: pid, logs and temporary files, built in or configured; what is no file is left out."""
    world.program("nginx", f"{BUILT}cat $W/nginx.conf")
    world.write(
        "nginx.conf",
        "error_log /srv/logs/error.log warn; pid own.pid;\n"
        "http { access_log off; access_log syslog:server=x; proxy_temp_path /tmp/p/x;\n"
        "server { access_log '/srv/$host/x.log'; access_log /srv/web/x.log main; } }\n",
    )
    built = ["/run", "/var/lib/nginx", "/var/log/nginx"]
    said = world.run("nginx", "--writes").output.split()
    assert said == sorted([*built, "/srv/logs", "/srv/web", "/tmp/p", "/usr/share/nginx"])
    world.program("nginx", f"{BUILT}exit 1")
    assert world.run("nginx", "--writes").output.split() == built


POSTFIX = 'case "$*" in *"$(cat $W/broken 2>/dev/null || echo nothing)"*) exit 1 ;; esac'


def test_postfix_reloads_every_enabled_instance(world: World) -> None:
    """Check, status, reload, for each instance of postmulti that is enabled."""
    world.program("postfix", POSTFIX)
    world.program(
        "postmulti",
        "printf -- '- - y /etc/postfix\\nout mta y /etc/postfix-out\\nold - n /etc/postfix-old\\n'",
    )
    assert world.run("postfix").exit_status == 0
    assert world.calls() == [
        "postmulti -l",
        *(f"postfix -c /etc/postfix {verb}" for verb in ("check", "status", "reload")),
        *(f"postfix -c /etc/postfix-out {verb}" for verb in ("check", "status", "reload")),
    ]


def test_postfix_reloads_the_named_instances(world: World) -> None:
    """--config-dir, as often as wanted, takes the place of postmulti's list."""
    world.program("postfix", POSTFIX)
    assert world.run("postfix", "--config-dir", "/a", "--config-dir", "/b").exit_status == 0
    assert [call for call in world.calls() if "reload" in call] == [
        "postfix -c /a reload",
        "postfix -c /b reload",
    ]


@pytest.mark.parametrize(
    ("broken", "message", "verbs"),
    [
        ("/a check", "the configuration in /a is broken; type: postfix -c /a check", ["check"]),
        ("/a reload", "Postfix (/a) did not reload; type:", ["check", "status", "reload"]),
    ],
)
def test_postfix_failures(world: World, broken: str, message: str, verbs: list[str]) -> None:
    """A failure stops that instance before the next step, and not the other instances; nothing is started."""
    world.program("postfix", POSTFIX)
    world.write("broken", broken)
    outcome = world.run("postfix", "--config-dir", "/a", "--config-dir", "/b")
    assert failed(outcome, "postfix", message)
    assert world.calls() == [
        *(f"postfix -c /a {verb}" for verb in verbs),
        *(f"postfix -c /b {verb}" for verb in ("check", "status", "reload")),
    ]


def test_postfix_that_is_stopped(world: World) -> None:
    """An instance that is stopped has nothing to reload: it is told, not started, and no failure."""
    world.program("postfix", POSTFIX)
    world.write("broken", "/a status")
    outcome = world.run("postfix", "--config-dir", "/b", "--config-dir", "/a")
    assert rests(outcome, "postfix", "Postfix (/a)")
    assert world.calls()[-2:] == ["postfix -c /a check", "postfix -c /a status"]
    world.write("broken", "/a check")
    assert failed(world.run("postfix", "--config-dir", "/a"), "postfix", "the configuration in /a is broken")


def test_postfix_without_an_instance(world: World) -> None:
    """An empty or failing list of instances is no success."""
    world.program("postfix")
    world.program("postmulti", "exit 1")
    assert failed(world.run("postfix"), "postfix", "no enabled instance")


DOVECONF = 'case "$*" in *-h*) echo $W ;; *) [ ! -e $W/broken ] ;; esac'


def test_dovecot_reload(world: World) -> None:
    """doveconf reads the configuration, then doveadm reloads; --config reaches both."""
    world.program("doveconf", DOVECONF)
    world.program("doveadm", "[ ! -e $W/refuse ]")
    with world.process("dovecot") as pid:
        world.write("master.pid", f"{pid}\n")
        assert world.run("dovecot", "--config", "/a b/dovecot.conf").exit_status == 0
        assert world.calls() == [
            "doveconf -c /a b/dovecot.conf -n",
            "doveconf -c /a b/dovecot.conf -h base_dir",
            "doveadm -c /a b/dovecot.conf reload",
        ]
        world.write("refuse")
        assert failed(world.run("dovecot"), "dovecot", "did not reload; type: doveadm reload")
        world.write("broken")
        assert failed(world.run("dovecot"), "dovecot", "the configuration is broken")
        assert world.calls() == ["doveconf -n"]


def test_dovecot_that_is_down(world: World) -> None:
    """No pid file, and one that names somebody else's process, are a Dovecot that is down: no failure."""
    world.program("doveconf", DOVECONF)
    world.program("doveadm")
    assert rests(world.run("dovecot"), "dovecot", "Dovecot", "none")
    world.write("master.pid", f"{os.getpid()}\n")
    assert rests(world.run("dovecot"), "dovecot", "Dovecot", str(os.getpid()))
    assert not any(call.startswith("doveadm") for call in world.calls())


NGINX = """case "$*" in
  *-T*) cat $W/conf ;;
  *-V*) echo "configure arguments: --prefix=$W --pid-path=$W/built.pid --user=www" >&2 ;;
  *-t*) [ ! -e $W/broken ] ;;
esac"""


@pytest.mark.parametrize(
    ("conf", "pid_file"),
    [
        ("# pid /no.pid; pid /no.pid;\nuser www; pid  'WORLD/own.pid';\nevents { }\n", "own.pid"),
        ("pid relative.pid;", "relative.pid"),
        ("events { }\n", "built.pid"),
    ],
)
def test_nginx_reload(world: World, conf: str, pid_file: str) -> None:
    """nginx -t, then -s reload, once the pid file that the configuration or the build names is an nginx's."""
    world.program("nginx", NGINX)
    world.write("conf", conf.replace("WORLD", str(world.directory)))
    outcome = world.run("nginx")
    assert rests(outcome, "nginx", f"{world.directory}/{pid_file}")
    assert "nginx -s reload" not in world.calls()
    world.write(pid_file, f"{os.getpid()}\n")
    assert rests(world.run("nginx"), "nginx")
    with world.process("nginx") as pid:
        world.write(pid_file, f"{pid}\n")
        assert world.run("nginx", "--config", "/c").exit_status == 0
        assert world.calls()[0] == "nginx -c /c -t -q"
        assert world.calls()[-1] == "nginx -c /c -s reload"
        world.write("broken")
        assert failed(world.run("nginx"), "nginx", "the configuration is broken; type: nginx -t")
        assert world.calls() == ["nginx -t -q"]


EXIM = """case "$*" in
  *-bV*) [ ! -e $W/broken ] ;;
  *pid_file_path*) echo "pid_file_path = $(cat $W/pid_path)" ;;
  *spool_directory*) echo "spool_directory = $W" ;;
esac"""


def test_exim_gets_sighup(world: World) -> None:
    """exim -bV, then SIGHUP to the daemon whose pid file Exim itself names, or the one given."""
    world.program("exim4", EXIM)
    hup = "trap 'echo HUP >>$W/log' HUP"
    with world.process("exim4", hup) as pid:
        for path, arguments in (
            (world.write("exim-daemon.pid", f"{pid}\n"), ()),
            (world.write("own.pid", f"{pid}\n"), ()),
            (
                world.write("given.pid", f"{pid}\n"),
                ("--config", "/c", "--pid-file", f"{world.directory}/given.pid"),
            ),
        ):
            world.write("pid_path", "" if path.endswith("exim-daemon.pid") else f"{world.directory}/own.pid")
            assert world.run("exim", *arguments).exit_status == 0
            world.wait(lambda: world.calls()[-1] == "HUP")
        assert world.calls() == ["exim4 -C /c -bV", "HUP"]
        world.write("broken")
        assert failed(world.run("exim"), "exim", "the configuration is broken")
    (world.directory / "broken").unlink()
    assert rests(world.run("exim"), "exim", "Exim's daemon")
