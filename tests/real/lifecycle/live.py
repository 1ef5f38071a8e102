"""A running server whose certificates certctl keeps, by its ready-made hook, with a probe on every port."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from certctl.deploy.lookup import shipped_dir
from tests.real.certctl_home import Home
from tests.real.lifecycle.kinds import Kind
from tests.real.servers import pki
from tests.real.servers.process import tail, until
from tests.real.servers.require import SYSTEM, UNPACKED, program, root
from tests.real.servers.scratch import write
from tests.real.servers.served import ECDSA, RSA, served
from tests.real.servers.start import Start
from tests.support import evidence

Chains = dict[str, list[x509.Certificate]]
"""For each algorithm, what is to be served: leaf first, then the intermediate."""

DAY = 86400.0
ALGORITHMS = {"rsa-2048": RSA, "ecdsa-p256": ECDSA}
AHEAD = """\
import sys, time_machine
from datetime import datetime, timedelta, timezone
from certctl.system import clocks
ahead, uptime = float(sys.argv.pop(1)), clocks.uptime
clocks.uptime = lambda: uptime() + ahead
time_machine.travel(datetime.now(timezone.utc) + timedelta(seconds=ahead)).start()
from certctl.cli.main import entry
entry()
"""
FIRST = ("--replace-unknown-keys", "mx")
CERTIFICATE = """
hooks_dir = "hooks"
[certificate.mx]
names = ["mx.example.test"]
issuer = "private-ca"
keys = ["rsa-2048", "ecdsa-p256"]
rotate_every = "never"
hold_down = "7d"
probe = {probe}
{files}
[hook.reload]
command = {command}
"""
FILE = """
[[certificate.mx.file]]
path = "{path}"
hooks = ["reload"]
{more}
"""


class Live:
    """The server runs, and serves what was there before certctl."""

    def __init__(self, kind: Kind, start: Start) -> None:
        root("servers that run as others")
        for name in kind.programs:
            program(name)
        self.kind, self.ahead = kind, 0.0
        self.home = Home(os.path.join(start.scratch, f"{kind.label}-home"))
        shutil.copytree(shipped_dir("hooks"), self.home.path("hooks"))
        bundles = ["both"] if kind.one_file else list(ALGORITHMS)
        self.files = [self.home.path(f"tls/{bundle}.pem") for bundle in bundles]
        self.before_certctl = self._others_certificates()
        self._running = start.stack.enter_context(contextlib.ExitStack())
        directory = os.path.join(start.scratch, kind.label)
        os.mkdir(directory)
        self.server: Any = self._running.enter_context(kind.put_up(directory, self.files))
        self.configure()

    def _others_certificates(self) -> Chains:
        """Certificates of another CA in the files that certctl is to write."""
        authority = pki.make_authority("Other")
        made = {name: pki.make_identity(authority=authority, algorithm=name) for name in ALGORITHMS}
        pems = [identity.bundle_pem for identity in made.values()]
        for path, pem in zip(self.files, [b"".join(pems)] if self.kind.one_file else pems, strict=True):
            write(path, pem, 0o640)
            shutil.chown(path, group=self.kind.group or "root")
        return {name: identity.chain for name, identity in made.items()}

    def configure(self, *command: str) -> None:
        """Write certctl.toml, with *command* as the hook in place of the server's ready-made one."""
        more = [""] if self.kind.one_file else [f'algorithm = "{name}"\n' for name in ALGORITHMS]
        access = f'group = "{self.kind.group}"\nmode = "0640"' if self.kind.group else ""
        tables = [
            FILE.format(path=path, more=line + access) for path, line in zip(self.files, more, strict=True)
        ]
        hook = command or (f"hook:{self.kind.name}", *self.kind.hook(self.server))
        text = CERTIFICATE.format(
            probe=json.dumps(self.urls),
            files="".join(tables),
            command=json.dumps(hook),
        )
        self.home.configure(text)

    @property
    def urls(self) -> list[str]:
        return [f"{scheme}://127.0.0.1:{getattr(self.server, field)}" for scheme, field, _ in self.kind.ports]

    def certctl(self, *arguments: str, status: int = 0) -> str:
        """Run a command, at the time that the test has come to; return what it says."""
        start = ["-c", AHEAD, str(self.ahead)] if self.ahead else ["-m", "certctl"]
        done = subprocess.run(
            [sys.executable, *start, "--config", self.home.config, *arguments],
            env={**os.environ, "PATH": os.pathsep.join([*SYSTEM, *UNPACKED])},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def begin(self) -> None:
        """The first pass, which replaces what was there before certctl."""
        self.certctl("run", *FIRST)

    def status(self) -> Any:
        """The certificate's part of status --json."""
        return json.loads(self.certctl("--json", "status"))["certificates"][0]

    def later(self, seconds: float) -> None:
        """Let time pass, for certctl."""
        self.ahead += seconds

    def stop(self) -> None:
        self._running.close()

    def start(self) -> None:
        self._running.enter_context(self.kind.serving(self.server))

    @contextlib.contextmanager
    def broken(self) -> Iterator[None]:
        """While the configuration holds a line that the server does not know."""
        with _edited(self.kind.fragile(self.server), lambda text: f"{self.kind.nonsense}\n{text}"):
            yield

    @contextlib.contextmanager
    def reading_copies(self) -> Iterator[None]:
        """While the configuration names copies of the files as they are now."""
        copies = shutil.copytree(self.home.path("tls"), self.home.path("copies"), dirs_exist_ok=True)
        for name in os.listdir(copies):
            shutil.chown(os.path.join(copies, name), group=self.kind.group or "root")
        ours = self.home.path("tls")
        with _edited(self.kind.config(self.server), lambda text: text.replace(ours, copies)):
            yield

    @contextlib.contextmanager
    def stuck(self) -> Iterator[None]:
        """While the server goes on with the files as they are now.

        Because its hook does no more than note that it ran; a server that reads new files by itself,
        because it reads others.
        """
        if self.kind.reads_by_itself:
            with self.reading_copies():
                yield
        else:
            self.configure("sh", "-c", f"echo ran >>{self.home.path('notes')}")
            yield
            self.configure()

    def notes(self) -> int:
        """How often the hook ran that does nothing else."""
        return len(self._lines("notes"))

    def reloads(self) -> int:
        """How often the server was told to read its files anew, by its own log."""
        return tail(self.server.log_file, 100_000).count(self.kind.mark)

    def delivered(self) -> int:
        """How often the hook has done its work, by certctl's journal."""
        return [json.loads(line)["event"] for line in self._lines("state/journal.jsonl")].count("hook")

    def _lines(self, name: str) -> list[bytes]:
        return self.home.read(name).splitlines() if os.path.exists(self.home.path(name)) else []

    def read(self) -> Chains:
        """What is in the files; each key has to be beside its own certificate."""
        found: Chains = {}
        for path in self.files:
            with open(path, "rb") as file:
                for group in evidence.served(file.read()):
                    is_rsa = isinstance(group.chain[0].public_key(), RSAPublicKey)
                    found["rsa-2048" if is_rsa else "ecdsa-p256"] = list(group.chain)
        assert set(found) == set(ALGORITHMS)
        return found

    def written(self) -> Chains:
        """The same, by certctl: below its own CA, by way of the intermediate."""
        root = x509.load_pem_x509_certificate(self.home.read("state/issuers/private-ca/root.pem"))
        for chain in self.read().values():
            assert len(chain) == 2
            evidence.check_chain(evidence.Served(None, tuple(chain)), [root], ["mx.example.test"])
        return self.read()

    def leaves(self) -> set[x509.Certificate]:
        return {chain[0] for chain in self.read().values()}

    def keys(self) -> set[str]:
        """The digests of the public keys in the files."""
        return {evidence.pin_of(leaf) for leaf in self.leaves()}

    def serves(self, chains: Chains, *others: Chains) -> bool:
        """Wait until *chains* (or *others*) are served on every port, whichever algorithm a peer wants."""
        for scheme, field, starttls in self.kind.ports:
            for algorithm, options in ALGORITHMS.items():
                wanted = [of[algorithm] for of in (chains, *others)]
                look = partial(
                    served,
                    getattr(self.server, field),
                    starttls,
                    name=self.kind.name_asked,
                    options=options,
                )
                until(
                    lambda look=look, wanted=wanted: look() in wanted,  # type: ignore[misc]
                    f"the {algorithm} certificate is served ({scheme})",
                    seconds=30,
                    log=self.server.log_file,
                )
        return True


@contextlib.contextmanager
def _edited(path: str, edit: Callable[[str], str]) -> Iterator[None]:
    """While the block runs, a configuration is another; its age is one that Postfix does not wait for."""
    with open(path, encoding="utf-8") as file:
        before = file.read()
    assert edit(before) != before, path
    try:
        _write_old(path, edit(before))
        yield
    finally:
        _write_old(path, before)


def _write_old(path: str, text: str) -> None:
    write(path, text)
    past = os.stat(path).st_mtime - 10
    os.utime(path, (past, past))
