"""Where hooks are found, and which ones are refused because others could change them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from certctl.deploy import lookup
from certctl.deploy.lookup import HOOK
from certctl.errors import CertctlError
from certctl.system.safety import check_safe_executable
from tests.real.servers.require import root

NOBODY = 65534


def script(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(mode)
    return str(path)


def refused(path: str) -> CertctlError:
    with pytest.raises(CertctlError) as caught:
        check_safe_executable(path, HOOK)
    return caught.value


def test_safe_files_are_accepted(tmp_path: Path) -> None:
    """A file of root's, and one of our own below a sticky directory that everybody may write."""
    check_safe_executable("/bin/sh")
    assert os.stat("/tmp").st_mode & 0o1002 == 0o1002
    check_safe_executable(script(tmp_path / "hook", ""))


@pytest.mark.parametrize(("mode", "letters"), [(0o775, "g"), (0o757, "o"), (0o777, "go")])
def test_file_that_others_may_write_is_refused(tmp_path: Path, mode: int, letters: str) -> None:
    """Group and others, with the chmod to type."""
    root("a group that is not our own private one")
    hook = script(tmp_path / "hook", "")
    os.chown(hook, 0, NOBODY)
    os.chmod(hook, mode)
    error = refused(hook)
    assert error.message.startswith(f"hook program {hook} may be written by")
    assert error.hint == f"chmod {letters}-w {hook}"


def test_directory_that_others_may_write_is_refused(tmp_path: Path) -> None:
    """Any directory on the way counts, not only the last; also on the way of a symbolic link."""
    inner = tmp_path / "open" / "inner"
    inner.mkdir(parents=True)
    hook = script(inner / "hook", "")
    (tmp_path / "open").chmod(0o757)
    (tmp_path / "link").symlink_to(inner)
    (tmp_path / "other").symlink_to("link/../inner/hook")
    for path in (hook, str(tmp_path / "link" / "hook"), str(tmp_path / "other")):
        error = refused(path)
        assert error.message.startswith(
            f"hook program {path} is not safe to run: {tmp_path}/open may be written by"
        )
        assert error.hint == f"chmod o-w {tmp_path}/open"
    (tmp_path / "open").chmod(0o1777)
    check_safe_executable(hook)


def test_foreign_owner_is_refused(tmp_path: Path) -> None:
    """A file, a directory or a link of a stranger's is refused, whatever its mode."""
    root("changing owners")
    directory = tmp_path / "directory"
    directory.mkdir()
    hook = script(directory / "hook", "")
    link = tmp_path / "link"
    link.symlink_to(hook)
    for target, path in ((hook, hook), (str(directory), hook), (str(link), str(link))):
        os.chown(target, NOBODY, 0, follow_symlinks=False)
        error = refused(path)
        assert "belongs to nobody, neither to root nor to whoever runs certctl" in error.message
        assert error.hint == f"chown -h root {target}"
        os.chown(target, 0, 0, follow_symlinks=False)


def test_group_root_may_write_directories_only(tmp_path: Path) -> None:
    """A directory of the group root's is as good as root's; a program that this group may write is not."""
    root("changing groups")
    (tmp_path / "bin").mkdir(mode=0o775)
    os.chown(tmp_path / "bin", 0, 0)
    (tmp_path / "bin").chmod(0o775)
    hook = script(tmp_path / "bin" / "hook", "", 0o755)
    os.chown(hook, 0, 0)
    check_safe_executable(hook)
    os.chmod(hook, 0o775)
    assert refused(hook).hint == f"chmod g-w {hook}"


def test_missing_file_and_circular_link(tmp_path: Path) -> None:
    """What is not there, and a link that leads nowhere, are errors with a name."""
    assert refused(f"{tmp_path}/gone").message == f"hook program {tmp_path}/gone does not exist"
    (tmp_path / "circle").symlink_to("circle")
    assert "too many symbolic links" in refused(f"{tmp_path}/circle").message


def test_hooks_dir_comes_before_the_shipped_ones(tmp_path: Path) -> None:
    """NAME, then NAME.sh, then what certctl ships."""
    assert [hook.origin for hook in lookup.list_hooks(str(tmp_path)) if hook.name == "postfix"] == ["shipped"]
    with_suffix = script(tmp_path / "postfix.sh", "")
    assert lookup.find_hook("postfix", str(tmp_path)) == [with_suffix]
    plain = script(tmp_path / "postfix", "")
    assert lookup.find_hook("postfix", str(tmp_path)) == [plain]
    assert [hook.path for hook in lookup.list_hooks(str(tmp_path)) if hook.name == "postfix"] == [plain]


def test_unknown_hook_names_the_nearest(tmp_path: Path) -> None:
    """A slip of the pen is answered with what was probably meant; a path is not a name."""
    with pytest.raises(CertctlError) as caught:
        lookup.find_hook("postfx", str(tmp_path))
    assert caught.value.message.startswith("there is no hook 'postfx'")
    assert caught.value.hint is not None
    assert "postfix" in caught.value.hint
    for name in ("../postfix", ".", "", "hook~"):
        script(tmp_path / "hook~", "")
        with pytest.raises(CertctlError):
            lookup.find_hook(name, str(tmp_path))


def test_unsafe_hook_is_not_found_but_refused(tmp_path: Path) -> None:
    """A hook that others may write is no hook, and does not fall back to the shipped one."""
    script(tmp_path / "postfix", "", 0o757)
    with pytest.raises(CertctlError, match="may be written by everybody"):
        lookup.find_hook("postfix", str(tmp_path))


def test_installed_wheel_has_the_hooks_and_may_lose_their_x_bit(tmp_path: Path) -> None:
    """As a wheel lays them out, hooks are found in the package, and run by sh if not executable."""
    checkout = os.path.dirname(lookup.shipped_dir("hooks"))
    shutil.copytree(os.path.join(checkout, "src", "certctl"), tmp_path / "certctl")
    for kind in ("hooks", "systemd"):
        shutil.copytree(os.path.join(checkout, kind), tmp_path / "certctl" / "_shipped" / kind)
    hook = tmp_path / "certctl" / "_shipped" / "hooks" / "postfix"
    program = (
        "from certctl.deploy.lookup import find_hook, list_hooks, shipped_dir\n"
        "print(*find_hook('postfix', '/none'), shipped_dir('systemd'), len(list_hooks('/none')))"
    )
    for mode, argv in ((0o755, f"{hook}"), (0o644, f"/bin/sh {hook}")):
        hook.chmod(mode)
        done = subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
        )
        assert done.stdout == f"{argv} {tmp_path}/certctl/_shipped/systemd 6\n", done.stderr


def test_list_of_hooks(tmp_path: Path) -> None:
    """Every hook once, the one that counts, described by the second line of its script."""
    script(tmp_path / "postfix.sh", "# Tells somebody.\nexit 0\n")
    script(tmp_path / "mine", "exit 0\n")
    (tmp_path / "mine~").write_text("")
    (tmp_path / "directory").mkdir()
    found = {hook.name: hook for hook in lookup.list_hooks(str(tmp_path))}
    assert set(found) == {"postfix", "mine", "dovecot", "nginx", "haproxy", "exim", "postmap"}
    assert found["postfix"] == ("postfix", f"{tmp_path}/postfix.sh", "hooks_dir", "Tells somebody.")
    assert found["mine"].description == ""
    assert found["exim"].origin == "shipped"
    assert all(hook.description.endswith(".") for hook in found.values() if hook.origin == "shipped")


def test_command_may_name_a_hook_a_file_or_a_program(tmp_path: Path) -> None:
    """`hook:NAME` is looked up as a hook, a slash makes a file, and a bare word is a program in PATH."""
    hooks, programs = tmp_path / "hooks", tmp_path / "programs"
    hooks.mkdir()
    programs.mkdir()
    hook, program = script(hooks / "postfix", ""), script(programs / "postfix", "")
    resolve = lookup.resolve_command
    assert resolve(["hook:postfix", "--x"], str(hooks)) == [hook, "--x"]
    assert resolve(["postfix", "reload"], str(hooks), path=str(programs)) == [program, "reload"]
    assert resolve([hook, "a"], str(hooks)) == [hook, "a"]
    assert resolve(["hooks/postfix"], str(hooks), base=str(tmp_path)) == [hook]
    with pytest.raises(CertctlError) as caught:
        resolve(["dovecot-no-such"], str(hooks), path=str(programs))
    assert "hook:dovecot-no-such" in (caught.value.hint or "")
    os.chmod(program, 0o757)
    with pytest.raises(CertctlError, match="may be written by everybody"):
        resolve(["postfix"], str(hooks), path=str(programs))


def test_path_of_hooks_has_the_system_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    """cron's short PATH is filled up, and what is not absolute is left out."""
    monkeypatch.setenv("PATH", "/opt/bin:/usr/bin:bin:.")
    path = lookup.hook_path().split(":")
    assert path[:2] == ["/opt/bin", "/usr/bin"]
    assert {"/usr/sbin", "/sbin"} < set(path)
    assert len(path) == len(set(path))
    assert all(directory.startswith("/") for directory in path)
