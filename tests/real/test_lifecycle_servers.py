"""What certctl does to real servers over the life of a certificate: one reload a change, and it is served."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.real.lifecycle.kinds import DOVECOT, EXIM, HAPROXY, KINDS, NGINX
from tests.real.lifecycle.live import DAY, FIRST, Live
from tests.real.servers.start import Start


@pytest.fixture(params=KINDS, ids=lambda kind: kind.label)
def live(request: pytest.FixtureRequest, start: Start) -> Live:
    return Live(request.param, start)


def change(live: Live, *command: str) -> None:
    """Run what changes the certificates: one reload, and they are served; no reload comes after it."""
    before, reloads, delivered = live.leaves(), live.reloads(), live.delivered()
    live.certctl(*command)
    assert not before & live.leaves()
    assert live.serves(live.written())
    assert live.reloads() == reloads + live.kind.reloads

    live.certctl("probe")
    live.certctl("run")
    assert live.reloads() == reloads + live.kind.reloads
    assert live.delivered() == delivered + 1


def test_first_renewal_and_rotation(live: Live) -> None:
    """The first one, a renewal, a rotation when its hold is over: one reload each, RSA and ECDSA served."""
    assert live.serves(live.before_certctl)
    change(live, "run", *FIRST)
    keys = live.keys()
    change(live, "renew", "mx")
    assert live.keys() == keys

    reloads = live.reloads()
    assert "held until" in live.certctl("rotate", "mx")
    assert live.reloads() == reloads
    live.later(8 * DAY)
    change(live, "run")
    assert not live.keys() & keys


def test_down_and_broken(live: Live) -> None:
    """A server that is down leaves nothing to reload, and nobody sees what is new; a broken one is told."""
    live.begin()
    reloads = live.reloads()
    live.stop()
    told = live.certctl("renew", "mx", status=1)
    assert "what was served before comes back" in told
    assert "failed with exit status" not in told
    live.start()
    assert live.serves(live.written())
    assert live.reloads() == reloads
    live.later(11)
    live.certctl("renew", "mx")
    assert live.serves(live.written())
    reloads += live.kind.reloads
    assert live.reloads() == reloads

    old = live.written()
    with live.broken():
        told = live.certctl("renew", "mx", status=1)
        assert live.kind.refusal in told
        assert "; type: " in told
        assert live.reloads() == reloads
        assert live.serves(old, *[live.written()] * live.kind.reads_by_itself)
    live.later(11)
    live.certctl("run")
    assert live.serves(live.written())
    assert live.reloads() == reloads + live.kind.reloads


def test_old_one_goes_on_being_served(start: Start) -> None:
    """What is not served after the hook is taken back, once; when that is mended, it is served."""
    tasks = [
        partial(_renewal_taken_back, Live(NGINX, start)),
        partial(_renewal_taken_back, Live(EXIM, start)),
        partial(_rotation_taken_back, Live(DOVECOT, start)),
        partial(_rotation_taken_back, Live(HAPROXY, start)),
    ]
    with ThreadPoolExecutor(len(tasks)) as threads:  # each waits for as long as a server may need to settle
        for done in [threads.submit(task) for task in tasks]:
            done.result()


def _renewal_taken_back(live: Live) -> None:
    live.begin()
    _fails_once(live, "renew", "mx", waits=1)
    assert "taken back" in live.status()["last_error"]
    change(live, "renew", "mx")


def _rotation_taken_back(live: Live) -> None:
    live.begin()
    live.certctl("rotate", "mx")
    live.later(8 * DAY)
    _fails_once(live, "run", waits=0)
    assert "was promoted" in live.status()["held"]
    live.certctl("rotate", "mx")
    live.later(8 * DAY)
    change(live, "run")


def _fails_once(live: Live, *command: str, waits: int) -> None:
    """The hook runs for the new files and for the old; the next pass, which has this status, lets them be."""
    old, reloads, notes = live.written(), live.reloads(), live.notes()
    with live.stuck():
        told = live.certctl(*command, status=1)
        assert "what was served before comes back" in told
        assert live.serves(old)
        live.certctl("run", status=waits)
        assert live.written() == old
        assert live.reloads() - reloads + live.notes() - notes == 2
