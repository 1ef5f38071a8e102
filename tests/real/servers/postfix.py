"""Postfix instances of their own: MX, submission and relay client in one (postfix(1), master(5))."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import smtplib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple

from tests.real.servers.ports import free_port
from tests.real.servers.process import accepts, daemon, run, tail, until
from tests.real.servers.require import program, root
from tests.real.servers.scratch import write

_DAEMONS = "/usr/lib/postfix/sbin"
_MASTER = """\
127.0.0.1:{smtp} inet n - n - - smtpd
127.0.0.1:{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{submission} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsproxy unix - - n - 0 tlsproxy
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(NamedTuple):
    """A running instance."""

    directory: str  # of main.cf and master.cf: what `postfix -c` takes
    smtp: int  # offers STARTTLS
    smtps: int  # TLS from the start
    submission: int  # insists on STARTTLS
    log_file: str

    def control(self, *verb: str) -> str:
        """`postfix -c DIRECTORY VERB…`: check, status, …"""
        return run([program("postfix"), "-c", self.directory, *verb])

    def reload(self) -> None:
        self.control("reload")

    def flush(self) -> None:
        """Try everything that is deferred again, now."""
        self.control("flush")

    def set(self, **parameters: str) -> None:
        """Change main.cf; most parameters need a reload to count."""
        run([program("postconf"), "-c", self.directory, "-e", *(f"{k}={v}" for k, v in parameters.items())])
        _age(os.path.join(self.directory, "main.cf"))

    def type(self, command: str) -> str:
        """Run a command that somebody was told to type, such as a postconf of this instance."""
        said = run(shlex.split(command))
        _age(os.path.join(self.directory, "main.cf"))
        return said

    def write_policy(self, lines: Sequence[str]) -> str:
        """Replace the TLS policy table, atomically; it counts at once. Return the path of its source."""
        return _write_map(self.directory, "tls_policy", lines)

    def log(self) -> str:
        return tail(self.log_file, 100_000)

    def send(self, sender: str = "a@sender.test", recipient: str = "b@example.test") -> str:
        """Hand a mail to this instance over SMTP; return its queue id."""
        with smtplib.SMTP("127.0.0.1", self.smtp, local_hostname="sender.test", timeout=10) as session:
            session.ehlo()
            assert session.mail(sender)[0] == 250
            code, reply = session.rcpt(recipient)
            assert code == 250, reply
            code, reply = session.data(f"From: <{sender}>\r\nTo: <{recipient}>\r\n\r\ntest\r\n")
        assert code == 250, reply
        return reply.decode().rsplit(None, 1)[-1]

    def outcomes(self, queue_id: str) -> list[str]:
        """Return what became of a mail at each try so far, as logged: `dsn=2.0.0, status=sent (250 …)`, …"""
        line = re.compile(rf"{re.escape(queue_id)}: to=<.*?(dsn=\S+, status=.*)")
        return line.findall(self.log())

    def outcome(self, queue_id: str, tries: int = 1) -> str:
        """Wait until a mail was tried *tries* times; return what became of it at the last."""
        until(lambda: len(self.outcomes(queue_id)) >= tries, f"mail {queue_id} is tried", log=self.log_file)
        return self.outcomes(queue_id)[-1]


def _age(path: str) -> None:
    """Make a main.cf look old: Postfix's programs wait until it is, lest it be half written."""
    past = os.stat(path).st_mtime - 10
    os.utime(path, (past, past))


def _write_map(directory: str, name: str, lines: Sequence[str]) -> str:
    """Write DIRECTORY/NAME and build its hash table beside it, so that no process sees half a table."""
    new = write(os.path.join(directory, f"{name}.new"), "".join(f"{line}\n" for line in lines))
    run([program("postmap"), "-c", directory, f"hash:{new}"])
    os.rename(f"{new}.db", os.path.join(directory, f"{name}.db"))
    path = os.path.join(directory, name)
    os.rename(new, path)
    return path


def _main_cf(
    directory: str, hostname: str, chain_files: Sequence[str], routes: Mapping[str, str]
) -> dict[str, str]:
    transports = " ".join(f"{{ {domain} = {transport} }}" for domain, transport in routes.items())
    return {
        "compatibility_level": "3.6",
        "queue_directory": f"{directory}/queue",
        "data_directory": f"{directory}/data",
        "meta_directory": "/etc/postfix",
        "command_directory": "/usr/sbin",
        "daemon_directory": _DAEMONS,
        "maillog_file": f"{directory}/log",
        "maillog_file_prefixes": directory,
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "mynetworks": "127.0.0.0/8",
        "myhostname": hostname,
        "mydestination": "example.test",
        "local_recipient_maps": "",
        "local_transport": "discard:",
        "alias_maps": "",
        "default_transport": "error:no route in this test",
        "transport_maps": f"inline:{{ {transports} }}" if routes else "",
        "smtp_dns_support_level": "disabled",
        "smtp_host_lookup": "native",
        "smtp_tls_policy_maps": f"hash:{directory}/tls_policy",
        "smtp_tls_security_level": "may",
        "smtp_tls_loglevel": "1",
        "smtpd_peername_lookup": "no",
        "smtpd_tls_chain_files": ", ".join(chain_files),
        "smtpd_tls_security_level": "may" if chain_files else "none",
        "smtpd_tls_loglevel": "1",
    }


@contextlib.contextmanager
def postfix(
    directory: str,
    *,
    chain_files: Sequence[str] = (),
    policy: Sequence[str] = (),
    routes: Mapping[str, str] | None = None,
    hostname: str = "mx.example.test",
    parameters: Mapping[str, str] | None = None,
) -> Iterator[Postfix]:
    """Run an instance below *directory* (0755, as Postfix drops root); it discards mail for example.test.

    *chain_files*: bundles served; without any, no TLS. *policy*: lines of smtp_tls_policy_maps. *routes*:
    recipient domain → transport, such as `smtp:[127.0.0.1]:2525`; mail to others bounces. *parameters* are
    main.cf's, and win over those made here.
    """
    root("postfix")
    instance = Postfix(directory, free_port(), free_port(), free_port(), os.path.join(directory, "log"))
    os.makedirs(f"{directory}/queue")
    os.makedirs(f"{directory}/data", mode=0o700)
    settings = {**_main_cf(directory, hostname, chain_files, routes or {}), **(parameters or {})}
    shutil.chown(f"{directory}/data", settings.get("mail_owner", "postfix"))
    write(f"{directory}/main.cf", "".join(f"{name} = {value}\n" for name, value in settings.items()))
    _age(f"{directory}/main.cf")
    write(f"{directory}/master.cf", _MASTER.format(**instance._asdict()))
    instance.control("check")

    with serving(instance):
        instance.write_policy(policy)
        yield instance


def serving(instance: Postfix) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run an instance that is configured already; once more, after it has been ended."""
    master = [os.path.join(_DAEMONS, "master"), "-c", instance.directory, "-s"]
    ready = partial(accepts, instance.smtp, b"220 ")
    return daemon(master, log=instance.log_file, ready=ready, cwd=instance.directory)
