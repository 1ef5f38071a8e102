"""Hooks: their environment, once a pass, again until they succeed, killed in time, looked up by name."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from tests.contract.home import Home, gone, moment, until, until_moment, write

CERTIFICATE = """
[certificate.{0}]
names = ["{0}.example"]
[[certificate.{0}.file]]
path = "{0}.pem"
hooks = ["reload"]
"""


def reload(home: Home, body: str, more: str = "", names: str = "a") -> None:
    """Configure certificates whose files are followed by the script reload."""
    home.script("reload", body)
    certificates = "".join(CERTIFICATE.format(name) for name in names)
    home.config(f'{certificates}[hook.reload]\ncommand = ["./reload"]\n{more}')


def test_environment(home: Home) -> None:
    """A hook sees five variables and nothing else, whatever certctl's own environment is."""
    reload(home, 'cat /proc/$$/environ >"$HERE/environ"', names="ab")
    home("run", env={"SECRET": "x", "LD_LIBRARY_PATH": "/x", "CERTCTL_STRANGE": "y"})
    pairs = (home / "environ").read_bytes().rstrip(b"\0").split(b"\0")
    found = dict(pair.decode().split("=", 1) for pair in pairs)
    assert set(found) == {"CERTCTL_HOOK", "CERTCTL_FILES", "CERTCTL_CERTIFICATES", "CERTCTL_CONFIG", "PATH"}
    assert found["CERTCTL_HOOK"] == "reload"
    assert sorted(found["CERTCTL_FILES"].splitlines()) == [str(home / "a.pem"), str(home / "b.pem")]
    assert sorted(found["CERTCTL_CERTIFICATES"].splitlines()) == ["a", "b"]
    assert found["CERTCTL_CONFIG"] == str(home / "certctl.toml")
    for directory in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        assert directory in found["PATH"].split(":")


def test_changed_paths_only(home: Home) -> None:
    """A hook is told the paths that have changed, and their certificates, not all that it serves."""
    body = 'echo "$CERTCTL_FILES / $CERTCTL_CERTIFICATES" >>"$HERE/runs"'
    reload(home, body, names="ab")
    home("run")
    (home / "b.pem").unlink()
    home("run")
    assert home.lines("runs")[-1] == f"{home / 'b.pem'} / b"


def test_once_a_pass(home: Home) -> None:
    """One run serves all the files of a pass: certificates, DH parameters and watched files."""
    write(home / "map", "1")
    more = '[dhparam.dh]\npath = "dh.pem"\nsource = "ffdhe"\nhooks = ["reload"]\n'
    more += '[watch.w]\npaths = ["map"]\nhooks = ["reload"]\n'
    reload(home, 'echo ran >>"$HERE/runs"', more, names="abcdef")
    home("run")
    assert home.lines("runs") == ["ran"]
    home("run")
    assert home.lines("runs") == ["ran"]
    home("rotate", *"abcdef")
    assert home.lines("runs") == ["ran"] * 2


def test_hooks_of_live(home: Home) -> None:
    """A hook may follow live/NAME itself."""
    home.script("reload", 'echo "$CERTCTL_FILES" >>"$HERE/runs"')
    home.config(
        '[certificate.a]\nnames = ["a.example"]\nhooks = ["reload"]\n[hook.reload]\ncommand = ["./reload"]\n'
    )
    home("run")
    home("renew", "a")
    assert home.lines("runs") == [str(home / "state/live/a")] * 2


def test_failing(home: Home) -> None:
    """A hook that fails makes the exit code 1, keeps what it said, and waits for its back-off."""
    reload(home, 'echo ran >>"$HERE/runs"; echo "port is busy"; exit 3')
    failed = home("run", code=1)
    assert "reload" in failed.err
    assert "port is busy" in failed.err
    (hook,) = home.json("status")["hooks"]
    assert (hook["state"], hook["exit_status"]) == ("failing", 3)
    assert "port is busy" in home("hooks").out
    assert "reload" in home("log", "reload").out
    # In vain before its time: it is not tried, and not well either.
    assert home("run", code=1).code == 1
    assert home.lines("runs") == ["ran"]
    plan = home.json("plan")
    assert plan["steps"] == []
    assert plan["next_pass_at"] == hook["retry_at"]


def test_retried_after_back_off(home: Home) -> None:
    """Once the back-off is over, a pass tries again, later and later, until it succeeds."""
    reload(home, 'echo ran >>"$HERE/runs"; [ -e "$HERE/mended" ]')
    home("run", code=1)
    (hook,) = home.json("status")["hooks"]
    first = (moment(hook["retry_at"]) - moment(hook["last_run"])).total_seconds()
    assert 1 <= first <= 3600
    if first <= 10:
        until_moment(hook["retry_at"])
    else:
        # Too long to wait for: a person may try at once.
        home("hooks", "run", "reload", code=1)
    home("run", code=1)
    (hook,) = home.json("status")["hooks"]
    second = (moment(hook["retry_at"]) - moment(hook["last_run"])).total_seconds()
    assert second > first
    write(home / "mended", "")
    home("hooks", "run", "reload")
    assert home.json("status")["hooks"][0]["state"] == "ok"
    home("run")
    assert home.lines("runs") == ["ran"] * 3


def test_a_mended_script_is_tried_at_once(home: Home) -> None:
    """Who mends the script need not wait for the back-off."""
    reload(home, "exit 1")
    home("run", code=1)
    home.script("reload", 'echo ran >>"$HERE/runs"')
    assert home.steps() == [("hook", "reload")]
    home("run")
    assert home.lines("runs") == ["ran"]
    assert home.json("status")["hooks"][0]["state"] == "ok"


def test_another_command_is_tried_at_once(home: Home) -> None:
    """So does another command in the configuration end the back-off."""
    reload(home, "exit 1")
    home("run", code=1)
    home.edit('command = ["./reload"]', 'command = ["true"]')
    home("run")


def test_new_files_for_a_failing_hook(home: Home) -> None:
    """When its files change again, a failing hook is told of all that it has not delivered."""
    reload(home, 'echo "$CERTCTL_FILES" | tr "\\n" " " >>"$HERE/runs"; exit 1', names="ab")
    home("run", code=1)
    home("rotate", "a", code=1)
    home.script("reload", 'echo "$CERTCTL_FILES" >"$HERE/runs"')
    home("run")
    assert sorted(home.lines("runs")) == [str(home / "a.pem"), str(home / "b.pem")]


def test_one_of_two_fails(home: Home) -> None:
    """A hook that fails keeps no other from running, and only it is tried again."""
    reload(home, "exit 1", '[hook.other]\ncommand = ["./other"]\n')
    home.script("other", 'echo ran >>"$HERE/others"')
    home.edit('hooks = ["reload"]', 'hooks = ["reload", "other"]')
    home("run", code=1)
    home.script("reload", "exit 0")
    home("run")
    assert home.lines("others") == ["ran"]


def test_timeout(home: Home) -> None:
    """At its timeout a hook is killed with all that it started, and has failed."""
    body = 'sleep 300 & echo $! >>"$HERE/pids"\n'
    body += '(trap "" TERM HUP INT; exec sleep 300) & echo $! >>"$HERE/pids"\n'
    reload(home, body + 'echo $$ >>"$HERE/pids"; wait', 'timeout = "1s"\n')
    failed = home("run", code=1)
    assert "1s" in failed.err
    pids = [int(line) for line in home.lines("pids")]
    assert len(pids) == 3
    for pid in pids:
        until(partial(gone, pid), f"{pid} has ended", 10)
    assert home.json("status")["hooks"][0]["state"] == "failing"


def test_last_words(home: Home) -> None:
    """Of a hook that ended by itself the last line is told, whatever it says before."""
    reload(home, "echo killed after a long illness; echo no space left; exit 1")
    assert "exit status 1: no space left" in home("run", code=1).err


ODD = ["kill -KILL $$", "exec 1>&- 2>&-; exit 5", "head -c 3000000 /dev/zero; exit 6"]


@pytest.mark.parametrize("body", ODD)
def test_odd_ends(home: Home, body: str) -> None:
    """A hook that is killed, says nothing or far too much, has failed, and that is all."""
    reload(home, body)
    home("run", code=1)
    assert home.json("status")["hooks"][0]["state"] == "failing"
    assert (home / "state/journal.jsonl").stat().st_size < 100_000


def test_strange_output(home: Home) -> None:
    """Bytes that are no text and a terminal's commands reach neither terminal nor JSON."""
    reload(home, "printf '\\033[2J\\377\\376 odd \\007'; exit 1")
    failed = home("run", code=1)
    assert "odd" in failed.err
    for command in ("status", "hooks", "log"):
        shown = home(command).text
        assert "\x1b" not in shown
        assert "\x07" not in shown
    assert "\x1b" not in failed.err
    home.json("status")


@pytest.mark.parametrize("command", ["./nowhere", "no-such-program-at-all", "./certctl.toml", "."])
def test_a_program_that_cannot_run(home: Home, command: str) -> None:
    """A program that is missing or no program is a failed hook that says so; the files are there."""
    home.config(CERTIFICATE.format("a") + f"[hook.reload]\ncommand = ['{command}']\n")
    failed = home("run", code=1)
    assert "reload" in failed.err
    assert (home / "a.pem").exists()


def test_an_unknown_hook(home: Home) -> None:
    """A hook that is neither a table, nor in hooks_dir, nor shipped, is told with the nearest name."""
    home.config(CERTIFICATE.format("a").replace('"reload"', '"postfx"'))
    failed = home("run", code=None)
    assert failed.code in (1, 2)
    assert "postfx" in failed.err
    assert "postfix" in failed.err


def test_lookup(home: Home) -> None:
    """A hook's name is looked up in hooks_dir first, then among the shipped ones."""
    home.script("hooks/postfix", 'echo "own $CERTCTL_HOOK" >>"$HERE/runs"')
    home.config(CERTIFICATE.format("a").replace('"reload"', '"postfix"'))
    home("run")
    assert home.lines("runs") == ["own postfix"]
    listed = {entry["name"]: entry for entry in home.json("hooks", "list")["available"]}
    assert {"postfix", "dovecot", "nginx", "haproxy", "exim", "postmap"} <= set(listed)
    assert listed["postfix"]["path"] == str(home / "hooks/postfix")
    assert listed["nginx"]["path"] != str(home / "hooks/nginx")
    assert "dovecot" in home("hooks", "list").out


def test_a_table_comes_before_a_file(home: Home) -> None:
    """A table with a command is taken rather than a file of the same name."""
    home.script("hooks/reload", 'echo file >>"$HERE/runs"')
    reload(home, 'echo table >>"$HERE/runs"')
    home("run")
    assert home.lines("runs") == ["table"]


@pytest.mark.parametrize("where", ["hooks_dir", "command"])
@pytest.mark.parametrize("bits", [0o777, 0o757, 0o775])
def test_a_hook_that_others_may_write(home: Home, where: str, bits: int) -> None:
    """A script that others than its owner may write is not run; the chmod to type is said."""
    name = "hooks/reload" if where == "hooks_dir" else "reload"
    script = home.script(name, f'echo ran >>"{home.path}/runs"')
    script.chmod(bits)
    table = "" if where == "hooks_dir" else '[hook.reload]\ncommand = ["./reload"]\n'
    home.config(CERTIFICATE.format("a") + table)
    failed = home("run", code=1)
    assert "chmod" in failed.err
    assert str(script) in failed.err
    assert home.lines("runs") == []
    assert (home / "a.pem").exists()
    script.chmod(0o755)
    home("run")
    assert home.lines("runs") == ["ran"]


def test_hooks_run(home: Home) -> None:
    """hooks run NAME runs a hook though nothing is due, and says how it ended."""
    reload(home, 'echo "ran for $CERTCTL_HOOK" | tee -a "$HERE/runs"')
    home("run")
    told = home("hooks", "run", "reload")
    assert "ran for reload" in told.text
    assert len(home.lines("runs")) == 2
    home.script("reload", 'echo "no good"; exit 4')
    failed = home("hooks", "run", "reload", code=1)
    assert "no good" in failed.text
    assert "4" in failed.text


def test_hooks_list(home: Home) -> None:
    """hooks tells what there is, what is pending and what failed."""
    more = '[watch.w]\npaths = ["map"]\nhooks = ["other"]\n[hook.other]\ncommand = ["true"]\n'
    reload(home, "exit 1", more)
    write(home / "map", "1")
    states = {hook["name"]: hook["state"] for hook in home.json("hooks")["hooks"]}
    assert states["other"] == "pending"
    home("run", code=1)
    states = {hook["name"]: hook["state"] for hook in home.json("hooks")["hooks"]}
    assert states == {"reload": "failing", "other": "ok"}
    assert "failing" in home("hooks").out


def test_no_standard_input(home: Home) -> None:
    """A hook that reads its standard input finds its end."""
    reload(home, 'cat >"$HERE/input"')
    home("run")
    assert (home / "input").read_text() == ""


def test_a_daemon_that_a_hook_starts(home: Home, tmp_path: Path) -> None:
    """What a hook leaves running in the background holds up neither the pass nor its caller."""
    reload(home, 'setsid sleep 300 >/dev/null 2>&1 </dev/null & echo $! >"$HERE/pid"')
    home("run")
    pid = int(home.lines("pid")[0])
    try:
        assert not gone(pid)
    finally:
        os.kill(pid, 9)


def test_unknown_name_is_told_first(home: Home) -> None:
    """A hook's name that nothing bears is told by plan, and by run before it issues anything; it goes on."""
    home.config(
        CERTIFICATE.format("a").replace('"reload"', '"postfx"')
        + CERTIFICATE.format("b").replace('"reload"', "")
    )
    said = "there is no hook 'postfx', neither in"
    near = "(did you mean postfix?)"
    plan = home("plan").out
    assert f"held: hook postfx: {said}" in plan
    assert near in plan
    home("plan", "--check", code=3)
    told = home("run", code=1).err
    assert told.startswith(f"certctl: warning: postfx: {said}")
    assert told.index(near) < told.index("issued")
    states = {cert["name"]: cert["state"] for cert in home.json("status")["certificates"]}
    assert states == {"a": "failing", "b": "ok"}
    assert [hold["kind"] for hold in home.json("plan")["holds"]] == ["hook"]
    waits = home("run", code=1).err
    assert said in waits
    home("plan", "--check")
    home.edit("postfx", "true")
    home.edit('hooks_dir = "hooks"', 'hooks_dir = "hooks"\nhook.true.command = ["true"]')
    home("run")


def test_unsafe_hook_is_told_first(home: Home) -> None:
    """A hook that others may write to is held before it is due, with the chmod to type."""
    reload(home, "exit 0")
    home("run")
    (home / "reload").chmod(0o777)
    assert "may be written by everybody (chmod " in home("plan").out
    assert "may be written by everybody (chmod " in home("run", code=1).err
    (home / "reload").chmod(0o755)
    home("run")


def test_a_hook_that_ends_certctl(home: Home) -> None:
    """One that kills certctl (it restarts its unit, say) is noted first, and the others get their turn."""
    home.script("killer", 'echo killer >>"$HERE/runs"; kill -9 $PPID')
    home.script("later", 'echo later >>"$HERE/runs"')
    home.config(
        '[certificate.a]\nnames = ["a.example"]\n[[certificate.a.file]]\npath = "a.pem"\n'
        'hooks = ["killer", "later"]\n'
        '[hook.killer]\ncommand = ["./killer"]\n[hook.later]\ncommand = ["./later"]\n'
    )
    assert home.start("run").wait(60) == -9
    assert home.lines("runs") == ["killer"]
    noted = {hook["name"]: hook for hook in home.json("status", code=None)["hooks"]}["killer"]
    assert (noted["state"], noted["exit_status"]) == ("failing", None)
    assert home.start("run").wait(60) == -9
    assert home.lines("runs") == ["killer", "later", "killer"]
    home("run", code=None)
    assert home.lines("runs") == ["killer", "later", "killer"]
    assert "certctl was ended while the hook ran" in home("status", code=None).text
