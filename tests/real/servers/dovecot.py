"""Dovecot 2.3 of its own: IMAP, POP3 and LMTP, with STARTTLS and with TLS from the start."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple

from tests.real.servers.ports import free_port
from tests.real.servers.process import accepts, daemon, run
from tests.real.servers.require import program, root
from tests.real.servers.scratch import write

_CONFIG = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {log_file}
instance_name = certctl-test
default_login_user = nobody
default_internal_user = nobody
default_internal_group = nogroup
protocols = imap pop3 lmtp
listen = 127.0.0.1
mail_location = maildir:{directory}/mail
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={directory}/mail
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
ssl = yes
ssl_cert = <{bundle}
ssl_key = <{bundle}
"""


class Dovecot(NamedTuple):
    """A running server; *config_file* is what `doveadm -c` and `doveconf -c` take."""

    config_file: str
    imap: int
    imaps: int
    pop3: int
    pop3s: int
    lmtp: int
    log_file: str

    def reload(self) -> None:
        run([program("doveadm"), "-c", self.config_file, "reload"])


@contextlib.contextmanager
def dovecot(
    directory: str, bundle: str, *, alternative: str | None = None, extra: str = ""
) -> Iterator[Dovecot]:
    """Run Dovecot below *directory* (0755), serving the file *bundle* (key, leaf, intermediates).

    *alternative*: a second bundle of another algorithm. *extra*: further lines of configuration, which win.
    """
    root("dovecot")
    server = Dovecot(
        os.path.join(directory, "dovecot.conf"),
        free_port(), free_port(), free_port(), free_port(), free_port(),
        os.path.join(directory, "dovecot.log"),
    )  # fmt: skip
    config = _CONFIG.format(directory=directory, bundle=bundle, **server._asdict())
    if alternative:
        config += f"ssl_alt_cert = <{alternative}\nssl_alt_key = <{alternative}\n"
    write(server.config_file, config + extra)
    with serving(server):
        yield server


def serving(server: Dovecot) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run a server that is configured already; once more, after it has been ended."""
    greetings = {server.imap: b"* OK", server.pop3: b"+OK", server.lmtp: b"220 "}
    argv = [program("dovecot"), "-F", "-c", server.config_file]
    return daemon(argv, log=server.log_file, ready=lambda: all(accepts(*at) for at in greetings.items()))
