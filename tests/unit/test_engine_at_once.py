"""Jobs of several issuers side by side: as many at once as each issuer takes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from certctl.engine import issuing
from certctl.engine.issuing import AT_ONCE, Job
from certctl.errors import CertctlError
from certctl.planning.spec import AcmeOptions, CertificateSpec, IssuerSpec, Spec
from certctl.planning.state import CertificateState, Generation
from certctl.planning.steps import Step
from certctl.ports import Waiting

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
LIMIT = 30
"""Seconds after which something hangs."""

SPEC = Spec(
    "certctl.toml",
    issuers={
        "quick": IssuerSpec("quick", "self-signed"),
        "ca": IssuerSpec("ca", "acme", acme=AcmeOptions("https://ca.example", max_orders=AT_ONCE + 10)),
        "small": IssuerSpec("small", "acme", acme=AcmeOptions("https://ca.example", max_orders=3)),
    },
)


def job(name: str, issuer: str) -> Job:
    cert = CertificateSpec(name, (f"{name}.example",), issuers=(issuer,))
    step = Step("issue", name, "it is due", slot="current")
    return Job(step, cert, CertificateState(name), Generation(1, NOW, ()))


def done(jobs: list[Job], work: Callable[[Job], Waiting]) -> list[str]:
    """The names of the jobs in the order in which they ended; each must have gone well."""
    ended = [one for some in issuing.run(SPEC, jobs, work, 500) for one in some]
    assert not [result for _, result in ended if isinstance(result, CertctlError)]
    return [job.cert.name for job, _ in ended]


@pytest.mark.parametrize(("issuer", "number"), [("quick", AT_ONCE), ("ca", AT_ONCE + 10), ("small", 3)])
def test_as_many_as_the_issuer_takes(issuer: str, number: int) -> None:
    """All that an issuer takes at once are under way at once, and never one more."""
    full, under_way, most, guard = threading.Barrier(number), [0], [0], threading.Lock()

    def work(_: Job) -> Waiting:
        with guard:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        full.wait(LIMIT)
        with guard:
            under_way[0] -= 1
        return Waiting("a person")

    assert len(done([job(f"c{n}", issuer) for n in range(3 * number)], work)) == 3 * number
    assert most[0] == number


def test_a_slow_issuer_keeps_nobody_waiting() -> None:
    """While every place of one issuer is taken, certificates of another one are issued."""
    served = threading.Event()

    def work(its: Job) -> Waiting:
        if its.cert.issuers == ("quick",):
            served.set()
        else:
            assert served.wait(LIMIT), "nothing is issued by the quick one"
        return Waiting("a person")

    jobs = [job(f"c{n}", "ca") for n in range(2 * AT_ONCE + 10)] + [job("last", "quick")]
    assert len(done(jobs, work)) == len(jobs)
