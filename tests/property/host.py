"""A host in memory for random histories: its clock is set, its hooks and issuers may fail."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone

from certctl.engine.ports import Adapters
from certctl.errors import CertctlError, IssuerError
from certctl.issuers.self_signed import SelfSignedIssuer
from certctl.planning.spec import DAY, CertificateSpec, FileSpec, HookSpec, IssuerSpec, Spec, WatchSpec
from certctl.ports import Announcer, HookOutcome, Issued, Issuer, IssueRequest, Waiting
from certctl.store import keys
from certctl.store.disk import DiskStore
from tests.support import memory

BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)


class MoodyIssuer:
    """The self-signed issuer, when it is up."""

    def __init__(self, host: Host, name: str) -> None:
        self.spec = IssuerSpec(name, "command")
        self._host = host
        self._real = SelfSignedIssuer(IssuerSpec(name, "self-signed"), host.home)

    def issue(self, request: IssueRequest) -> Issued | Waiting:
        if request.certificate in self._host.dead_issuers:
            raise IssuerError("the ca is down")
        return self._real.issue(request)

    def finish(self, request: IssueRequest) -> None:
        self._real.finish(request)


class KernelClocks:
    """What the kernel counts, which is always right, and whether it is told the right time of day."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def boot(self) -> str:
        return f"boot {self._host.boot}"

    def uptime(self) -> float:
        return (self._host.now - self._host.booted).total_seconds()

    def synchronized(self) -> bool:
        return not self._host.wrong


class Host:
    """One host: a directory on a memory file system, a clock that is set, hooks and issuers that may fail."""

    def __init__(self) -> None:
        self.home = tempfile.mkdtemp(prefix="certctl-history-", dir=memory.PLACE)
        os.mkdir(f"{self.home}/out")
        self.now = BEGIN
        """The true time."""
        self.wrong = timedelta()
        """By how much the host's clock is wrong."""
        self.boot, self.booted = 1, BEGIN - timedelta(days=1)
        self.dead_issuers: set[str] = set()
        self.dead_hooks: set[str] = set()
        self.delivered: dict[str, dict[str, bytes]] = {}
        """Hook -> path -> content at its last successful run."""
        self.write_watched(b"first")

    @property
    def told(self) -> datetime:
        """What the host takes for the time."""
        return self.now + self.wrong

    def write_watched(self, data: bytes) -> None:
        with open(f"{self.home}/watched", "wb") as file:
            file.write(data)

    def run_hook(self, argv: Sequence[str], env: Mapping[str, str], _: float) -> HookOutcome:
        name = argv[0]
        if name in self.dead_hooks:
            return HookOutcome(1, "the service is down", timed_out=False, seconds=0.0)
        for path in env["CERTCTL_FILES"].splitlines():
            self.delivered.setdefault(name, {})[path] = content(path) or b""
        return HookOutcome(0, "", timed_out=False, seconds=0.0)

    def issuer(self, name: str) -> Issuer:
        return MoodyIssuer(self, name)

    def adapters(self) -> Adapters:
        return Adapters(
            store=DiskStore(f"{self.home}/state"),
            issuer=self.issuer,
            announcer=_no_announcer,
            make_keys=keys.generate_many,
            make_dhparam=lambda *_: b"",
            resolve_hook=lambda hook: [hook.name],
            run_hook=self.run_hook,
            hook_basis=lambda hook: hook.name,
            hook_path=lambda: "/usr/bin",
            clock=lambda: self.told,
            clocks=KernelClocks(self),
            report=lambda _: None,
            stop=lambda: False,
        )

    def spec(self, certs: Mapping[str, CertificateSpec]) -> Spec:
        return Spec(
            path=f"{self.home}/certctl.toml",
            state_dir=f"{self.home}/state",
            issuers={name: IssuerSpec(name, "command") for name in ("ca", "other")},
            certificates=dict(certs),
            watches={"map": WatchSpec("map", (f"{self.home}/watched",), ("reload",))},
            hooks={"reload": HookSpec("reload"), "map": HookSpec("map")},
        )

    def certificate(self, name: str) -> CertificateSpec:
        files = (
            FileSpec(f"{self.home}/out/{name}.pem", hooks=("reload",)),
            FileSpec(f"{self.home}/out/{name}.crt", ("cert", "chain"), mode=0o644, hooks=("map",)),
        )
        return CertificateSpec(
            name,
            (f"{name}.example.org",),
            issuers=("ca", "other"),
            rotate_every=200 * DAY,
            hold_down=7 * DAY,
            files=files,
        )


def _no_announcer(name: str) -> Announcer:
    raise CertctlError(f"there is no announcer {name}")


def content(path: str) -> bytes | None:
    """What a file holds; None where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
