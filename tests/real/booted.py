"""systemd as PID 1 of namespaces of its own, over a copy-on-write view of this machine's files."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

from tests.real.servers.process import ENVIRONMENT, tail, until
from tests.real.servers.require import TESTS, missing, program, root

# What would reach through the namespaces to the machine's own kernel, or is of no use here.
MASKED = (
    "systemd-sysctl.service systemd-binfmt.service systemd-modules-load.service systemd-remount-fs.service "
    "systemd-udevd.service systemd-udev-trigger.service systemd-random-seed.service "
    "systemd-update-utmp.service systemd-tmpfiles-setup-dev.service systemd-sysusers.service "
    "systemd-journal-flush.service "
    "systemd-journald-audit.socket systemd-ask-password-console.path kmod-static-nodes.service "
    "proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount "
    "sys-kernel-tracing.mount sys-fs-fuse-connections.mount sys-kernel-config.mount"
)

# Runs as root in new mount, process, UTS, IPC, network and cgroup namespaces. $1: a directory for the tmpfs;
# then pairs of directories, what and where, that are to be seen inside. /tmp is empty inside, since
# systemd-tmpfiles would take seconds to clear all that is there outside.
BOOT = f"""set -eu
base=$1 && shift
mount --make-rprivate /
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
root=$base/root
mount -t tmpfs tmpfs "$root/tmp"
while [ $# -gt 0 ]; do
  mkdir -p "$root$2"
  mount --bind "$1" "$root$2"
  mount -o remount,bind,ro "$root$2"
  shift 2
done
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
  touch "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/shm" "$root/dev/pts" "$root/dev/mqueue" "$root/dev/hugepages"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
rm -rf "$root"/etc/systemd/system/*.wants "$root/var/log/journal"
for unit in {MASKED}; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
printf '[Unit]\\nDescription=Tests\\n' >"$root/etc/systemd/system/certctl-tests.target"
ip link set lo up
cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i container=certctl-tests PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
  /lib/systemd/systemd --system --unit=certctl-tests.target --log-target=console --show-status=no
"""


class Booted(NamedTuple):
    """A running systemd; what `sh` does to files is seen only inside."""

    pid: int

    def sh(self, script: str, text: str = "") -> str:
        """Run a shell script inside, with *text* as its input; it must succeed. Return what it printed."""
        done = subprocess.run(
            [program("nsenter"), "-t", str(self.pid), "-a", "/bin/sh", "-euc", script],
            env=ENVIRONMENT, input=text, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\nexited {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout


@contextlib.contextmanager
def booted(directory: str) -> Iterator[Booted]:
    """Boot below *directory*; /usr/local/bin/certctl is there, with the interpreter that runs the tests."""
    root("systemd in namespaces")
    for name in ("unshare", "nsenter", "ip", "systemctl"):
        program(name)
    if not os.path.exists("/lib/systemd/systemd"):
        missing("systemd is not installed", "apt-get install systemd")
    base, log = os.path.join(directory, "boot"), os.path.join(directory, "boot.log")
    os.mkdir(base)
    seen = [os.path.dirname(TESTS), "/certctl", sys.prefix, "/certctl-venv"]
    if os.stat(sys.base_prefix).st_dev != os.stat("/").st_dev:
        seen += [sys.base_prefix, sys.base_prefix]
    with open(log, "wb") as output:
        child = subprocess.Popen(
            ["unshare", "-mpuinC", "--fork", "/bin/sh", "-c", BOOT, "boot", base, *seen],
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        machine = Booted(until(lambda: _first_child(child), "systemd starts", log=log))
        until(lambda: _is_up(machine, child, log), "systemd is up", seconds=30, log=log)
        machine.sh("cat >/usr/local/bin/certctl; chmod 755 /usr/local/bin/certctl", _CERTCTL)
        yield machine
    finally:
        # The end of the first process of a PID namespace is the end of all in it.
        with contextlib.suppress(OSError):
            os.kill(_first_child(child), signal.SIGKILL)
        child.kill()
        child.wait(timeout=10)
        shutil.rmtree(base)


_CERTCTL = """\
#!/certctl-venv/bin/python
import sys
sys.path.insert(0, "/certctl/src")
from certctl.cli.main import entry
sys.exit(entry())
"""


def _first_child(child: subprocess.Popen[bytes]) -> int:
    assert child.poll() is None, "it ended"
    with open(f"/proc/{child.pid}/task/{child.pid}/children") as file:
        return int((file.read().split() or ["0"])[0])


def _is_up(machine: Booted, child: subprocess.Popen[bytes], log: str) -> bool:
    assert child.poll() is None, tail(log)
    done = subprocess.run(
        ["nsenter", "-t", str(machine.pid), "-a", "/usr/bin/systemctl", "is-active", "certctl-tests.target"],
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() == "active"
