"""The postmap hook against stand-ins: tables swapped whole, modes and owners kept, failures without harm."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.real.servers.require import root
from tests.unit.hook_world import World, failed, rests

POSTFIX = 'case "$*" in *"$(cat $W/broken 2>/dev/null || echo nothing)"*) exit 1 ;; esac'
PEM = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n"
# Builds SOURCE.db as postmap does: with the source's text in it, in its place; fails for a broken source.
POSTMAP = """for map in "$@"; do :; done
case "$*" in
  *-q*) cat $W/warning >&2 2>/dev/null; exit 1 ;;
  *) source=${map#*:}; [ ! -e $W/broken ] || exit 1; suffix=${map%%:*}
     case $suffix in hash|btree) suffix=db ;; esac
     cat "$source" >"$source.$suffix" ;;
esac"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def maps(world: World) -> str:
    world.program("postmap", POSTMAP)
    world.program("postconf", "echo hash")
    world.program("postfix", POSTFIX)
    return world.write("policy", "[mx] encrypt\n")


@pytest.mark.parametrize(
    ("type_", "suffix"), [("hash", "db"), ("btree", "db"), ("cdb", "cdb"), ("lmdb", "lmdb")]
)
def test_postmap_swaps_tables(world: World, type_: str, suffix: str) -> None:
    """The table is built elsewhere and renamed over the old one, which keeps its mode; nothing is left."""
    policy = maps(world)
    old = world.write(f"policy.{suffix}", "old", 0o640)
    before = os.stat(old)
    assert world.run("postmap", f"{type_}:{policy}").exit_status == 0
    after = os.stat(old)
    assert Path(old).read_text() == "[mx] encrypt\n"
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert before.st_ino != after.st_ino
    assert list(world.directory.glob(".postmap*")) == []
    assert not any("reload" in call for call in world.calls())


def test_postmap_takes_the_changed_files_by_default(world: World) -> None:
    """Without arguments the changed files are tables of the default type; a new one has its source's mode."""
    policy = maps(world)
    os.chmod(policy, 0o600)
    other = world.write("other map", "x y\n")
    assert world.run("postmap", "--config-dir", "/c", files=(policy, other)).exit_status == 0
    assert world.calls()[0] == "postconf -c /c -xh default_database_type"
    assert world.calls()[1].startswith(f"postmap -c /c hash:{world.directory}/.postmap.")
    assert stat.S_IMODE(os.stat(f"{policy}.db").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(f"{other}.db").st_mode) == 0o644


def test_postmap_for_sni_maps(world: World) -> None:
    """After -F the keys are copied in, and the table is for its owner only, whatever its mode was."""
    policy = maps(world)
    sni = world.write("sni", "mx /key.pem\n")
    old = world.write("sni.db", "old", 0o644)
    pem = world.write("mx.pem", PEM)
    assert world.run("postmap", policy, "-F", f"lmdb:{sni}", f"hash:{sni}", files=(pem,)).exit_status == 0
    assert [call.split()[:2] for call in world.calls() if call.startswith("postmap -F")] == [
        ["postmap", "-F"]
    ] * 2
    assert stat.S_IMODE(os.stat(old).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(f"{sni}.lmdb").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(f"{policy}.db").st_mode) == 0o644


def test_postmap_that_fails_keeps_the_old_table(world: World) -> None:
    """A table that cannot be built stays as it was, the hook fails, and the other maps are done."""
    policy = maps(world)
    world.write("policy.db", "old")
    world.write("broken")
    outcome = world.run("postmap", f"hash:{world.directory}/gone", policy)
    assert failed(outcome, "postmap", f"{policy}.db cannot be built whole and stays as it was")
    assert f"{world.directory}/gone cannot be read" in outcome.output
    assert Path(f"{policy}.db").read_text() == "old"
    assert list(world.directory.glob(".postmap*")) == []


def test_postmap_clears_up_after_runs_that_were_killed(world: World) -> None:
    """What a killed run left goes, by its process or its age; what another may be at work in stays."""
    policy = maps(world)
    ended = subprocess.Popen(["true"])
    ended.wait()
    alive = f".postmap.{os.getpid()}"
    for name, age in ((".postmap.aaaaaa", 7200), (f".postmap.{ended.pid}", 1), (alive, 60)):
        (world.directory / name).mkdir()
        (world.directory / name / "sni.db").write_text("keys")
        then = time.time() - age
        os.utime(world.directory / name, (then, then))
    assert world.run("postmap", policy).exit_status == 0
    assert [path.name for path in world.directory.glob(".postmap*")] == [alive]


def test_postmap_refuses_to_lose_an_entry(world: World) -> None:
    """A line that postmap would skip with a warning keeps the old table in place; a duplicate does not."""
    policy = maps(world)
    table = world.write("policy.db", "old")
    world.program("postmap", 'echo "postmap: warning: ${1#*:}, line 2: $(cat $W/why)" >&2\n' + POSTMAP)
    world.write("why", "expected format: key whitespace value -- ignoring this line")
    outcome = world.run("postmap", policy)
    assert failed(outcome, "postmap", f"{table} cannot be built whole and stays as it was")
    assert f"{policy}, line 2: expected format" in outcome.output, "the source is named, not the copy"
    assert Path(table).read_text() == "old"
    world.write("why", "duplicate entry: mx")
    assert world.run("postmap", policy).exit_status == 0
    assert Path(table).read_text() == "[mx] encrypt\n"


def test_postmap_refuses_what_is_no_source(world: World) -> None:
    """A PEM file, a type in two files and a relative path are no tables to build."""
    policy = maps(world)
    pem = world.write("mx.pem", PEM)
    assert failed(world.run("postmap", files=(pem,)), "postmap", f"{pem} holds PEM")
    assert failed(world.run("postmap", f"sdbm:{policy}"), "postmap", "tables of type sdbm cannot be replaced")
    assert failed(world.run("postmap", "hash:policy"), "postmap", "hash:policy is no table's absolute path")
    assert not list(world.directory.glob("*.db"))


def test_postmap_and_owners(world: World) -> None:
    """The table keeps its owner; a source or a directory of somebody else's is refused."""
    root("changing owners")
    policy = maps(world)
    old = world.write("policy.db", "old")
    os.chown(old, 12345, 54321)
    assert world.run("postmap", policy).exit_status == 0
    assert (os.stat(old).st_uid, os.stat(old).st_gid) == (12345, 54321)
    assert Path(old).read_text() == "[mx] encrypt\n"
    os.chown(policy, 65534, 0)
    assert failed(world.run("postmap", policy), "postmap", f"{policy} belongs to nobody")
    theirs = world.directory / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 0)
    source = world.write("theirs/policy")
    assert failed(world.run("postmap", source), "postmap", f"{theirs} belongs to nobody")


def test_postmap_and_modes(world: World) -> None:
    """A source or a directory that others may write is refused, with the chmod; nothing is built."""
    policy = maps(world)
    os.chmod(policy, 0o666)
    assert failed(world.run("postmap", policy), "postmap", f"{policy} may be written by everybody")
    os.chmod(policy, 0o644)
    loose = world.directory / "loose"
    loose.mkdir()
    source = world.write("loose/policy")
    loose.chmod(0o1777)
    assert failed(world.run("postmap", source), "postmap", f"{loose} may be written by everybody")
    loose.chmod(0o775)
    assert world.run("postmap", source).exit_status == 0
    if os.geteuid() == 0:
        os.chown(loose, 0, 65534)
        assert failed(world.run("postmap", source), "postmap", f"{loose} may be written by group")


@pytest.mark.parametrize("type_", ["texthash", "regexp", "pcre", "cidr", "proxy:texthash"])
def test_postmap_reloads_for_maps_without_a_table(world: World, type_: str) -> None:
    """A map that is read once by each process is tried, then Postfix is reloaded, once."""
    policy = maps(world)
    bare = type_.removeprefix("proxy:")
    assert world.run("postmap", f"{type_}:{policy}", f"{bare}:{policy}").exit_status == 0
    assert world.calls() == [f"postmap -q certctl {bare}:{policy}"] * 2 + ["postfix status", "postfix reload"]
    world.write("warning", f"postmap: warning: {policy}, line 1: skipping this rule\n")
    outcome = world.run("postmap", f"{bare}:{policy}")
    assert failed(outcome, "postmap", f"{bare}:{policy} is broken")
    assert "skipping this rule" in outcome.output
    assert "postfix reload" not in world.calls()
    world.write("warning", "")
    world.write("broken", "status")
    assert rests(world.run("postmap", f"{bare}:{policy}"), "postmap", "Postfix")
