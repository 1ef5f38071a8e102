"""Which servers `certctl init` finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.servers.detect import detect


def touch(root: Path, *paths: str) -> str:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return str(root)


def test_nothing(tmp_path: Path) -> None:
    """An empty system has none."""
    assert detect(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("config", "program", "hook", "directory"),
    [
        ("etc/postfix/main.cf", "usr/sbin/postfix", "postfix", "/etc/postfix/tls"),
        ("usr/local/etc/postfix/main.cf", "usr/local/sbin/postfix", "postfix", "/usr/local/etc/postfix/tls"),
        ("etc/dovecot/dovecot.conf", "usr/sbin/dovecot", "dovecot", "/etc/dovecot/tls"),
        ("etc/nginx/nginx.conf", "usr/sbin/nginx", "nginx", "/etc/nginx/tls"),
        ("etc/haproxy/haproxy.cfg", "usr/sbin/haproxy", "haproxy", "/etc/haproxy/tls"),
        ("etc/exim4/update-exim4.conf.conf", "usr/sbin/exim4", "exim", "/etc/exim4/tls"),
        ("etc/exim/exim.conf", "usr/sbin/exim", "exim", "/etc/exim/tls"),
    ],
)
def test_one(tmp_path: Path, config: str, program: str, hook: str, directory: str) -> None:
    """A server is there when both its configuration and its program are."""
    touch(tmp_path / "removed", config)
    touch(tmp_path / "never-set-up", program)
    assert detect(f"{tmp_path}/removed") == detect(f"{tmp_path}/never-set-up") == []
    (found,) = detect(touch(tmp_path / "whole", config, program))
    assert (found.config, found.program) == (f"/{config}", f"/{program}")
    assert (found.hook, found.directory, found.mode, found.group) == (hook, directory, 0o600, None)


def test_exim_group(tmp_path: Path) -> None:
    """Exim reads its key as its own user, so its group may."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("root:x:0:\nDebian-exim:x:101:\n")
    (found,) = detect(touch(tmp_path, "etc/exim4/exim4.conf", "usr/sbin/exim4"))
    assert (found.mode, found.group) == (0o640, "Debian-exim")


def test_order(tmp_path: Path) -> None:
    """Mail servers come first."""
    root = touch(
        tmp_path,
        "etc/nginx/nginx.conf",
        "usr/sbin/nginx",
        "etc/postfix/main.cf",
        "usr/sbin/postfix",
        "etc/dovecot/dovecot.conf",
        "usr/sbin/dovecot",
    )
    assert [found.hook for found in detect(root)] == ["postfix", "dovecot", "nginx"]
