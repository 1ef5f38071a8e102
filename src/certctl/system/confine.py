"""Giving up, for good, what a process that speaks to strangers does not need: root, files, programs.

In layers, each where the system has it: another user (setresuid(2)), no new privileges
(prctl(2)), the file system (landlock(7)), system calls (seccomp(2)).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct
import sys

_NO_NEW_PRIVILEGES, _DUMPABLE, _SECCOMP, _FILTER = 38, 4, 22, 2

_RULESET, _RULE, _RESTRICT = 444, 445, 446
"""landlock(7): the system calls have the same numbers on every architecture."""
_READ = 1 << 2 | 1 << 3
"""LANDLOCK_ACCESS_FS_READ_FILE, _READ_DIR."""
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights over files each version knows; a later one knows at least as many as the fifth."""

_BIND_TCP = 1 << 0
"""Listening is for sockets that were handed over."""
_SCOPES = 1 << 0 | 1 << 1
"""Abstract Unix sockets of others, and signals to others."""

_READABLE = (
    *("/usr", "/lib", "/lib64", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/crypto-policies"),
    *("/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf"),
    *("/etc/services", "/etc/protocols", "/etc/localtime", "/etc/ld.so.cache", "/etc/ld.so.preload"),
    *("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager/resolv.conf", "/run/nscd"),
    *("/dev/null", "/dev/urandom", "/proc/sys/net", "/proc/sys/kernel"),
)
"""Programs' libraries, and what resolving a name and trusting a CA need; nothing of any of it is secret."""

_BARRED = {
    "x86_64": (
        # vfork execve kill ptrace pivot_root chroot mount umount2 init_module add_key request_key keyctl
        # unshare perf_event_open open_by_handle_at setns process_vm_readv process_vm_writev finit_module
        # kexec_load bpf execveat userfaultfd io_uring_setup pidfd_send_signal pidfd_getfd fork
        *(58, 59, 62, 101, 155, 161, 165, 166, 175, 248, 249, 250, 272, 298, 304, 308, 310, 311, 313),
        *(246, 321, 322, 323, 425, 424, 438, 57),
    ),
    "aarch64": (
        *(221, 129, 117, 41, 51, 40, 39, 105, 217, 218, 219, 97, 241, 265, 268, 270, 271, 273),
        *(104, 280, 281, 282, 425, 424, 438),
    ),
}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3, _CLONE_THREAD = 435, 0x10000
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def drop_root(uid: int, gid: int) -> None:
    """Become *uid* and *gid* without further groups; a no-op but for root. Raises OSError."""
    if os.geteuid() != 0:
        return
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def confine() -> tuple[str, ...]:
    """Give up new files, programs and privileges; the layers that this system has, by name.

    Threads that run already keep what they have, so it comes before the first.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_DUMPABLE, 0, 0, 0, 0)
    with contextlib.suppress(OSError):  # a systemd unit may bar this, and has a limit of its own
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    layers = [
        ("no-new-privileges", libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0),
        ("landlock", _landlock(libc)),
        ("seccomp", _seccomp(libc)),
    ]
    return tuple(name for name, there in layers if there)


def _landlock(libc: ctypes.CDLL) -> bool:
    """Leave reading of a few directories, and writing nowhere."""
    version = libc.syscall(_RULESET, None, 0, 1)
    if version < 1:
        return False
    handled = (1 << _RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("=Q", handled)
    if version >= 4:
        attributes += struct.pack("=Q", _BIND_TCP)
    if version >= 6:
        attributes += struct.pack("=Q", _SCOPES)
    ruleset = libc.syscall(_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    try:
        for path in {*_READABLE, sys.prefix, sys.base_prefix, *sys.path}:
            _allow(libc, ruleset, path)
        return bool(libc.syscall(_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there, or not for this user, needs no rule
    try:
        rights = _READ if os.path.isdir(path) else 1 << 2
        libc.syscall(_RULE, ruleset, 1, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def _seccomp(libc: ctypes.CDLL) -> bool:
    """Bar system calls that nobody here needs: they fail with EPERM."""
    machine = os.uname().machine
    barred = _BARRED.get(machine)
    if barred is None or sys.maxsize < 2**32:
        return False
    load, equal, at_least, any_of, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, unknown, kill = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
    count = len(barred)
    code = [
        *((load, 0, 0, 4), (equal, 1, 0, _ARCHITECTURE[machine]), (give, 0, 0, kill), (load, 0, 0, 0)),
        # The x32 numbers of x86-64 would be another way to all of them.
        (at_least, count + 5, 0, 0x40000000),
        *((equal, count + 4 - index, 0, number) for index, number in enumerate(barred)),
        # Threads, but no processes; the arguments of clone3 cannot be seen, so libc has to do without it.
        *((equal, 0, 1, _CLONE3), (give, 0, 0, unknown), (equal, 0, 3, _CLONE[machine])),
        *((load, 0, 0, 16), (any_of, 1, 0, _CLONE_THREAD)),
        *((give, 0, 0, refuse), (give, 0, 0, allow)),
    ]
    program = b"".join(struct.pack("=HBBI", *line) for line in code)
    buffer = ctypes.create_string_buffer(program, len(program))
    filters = struct.pack("@HP", len(code), ctypes.addressof(buffer))
    return bool(libc.prctl(_SECCOMP, _FILTER, ctypes.c_char_p(filters), 0, 0) == 0)
