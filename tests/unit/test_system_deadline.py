"""The deadline of a pass: how long one call may still take, in whatever thread."""

from __future__ import annotations

import threading
import time

import pytest

from certctl.errors import CertctlError
from certctl.system import deadline


def test_without_a_limit() -> None:
    """Where nobody set one, a call takes what it wants."""
    assert deadline.left(30.0) == 30.0


def test_within_a_limit() -> None:
    """A call gets what it wants, or what is left, and never so little that nobody could answer."""
    with deadline.limit(20.0):
        assert deadline.left(5.0) == 5.0
        assert 15 < deadline.left(30.0) <= 20.0
        assert deadline.left(0.0) == deadline.LEAST
    assert deadline.left(30.0) == 30.0


def test_the_time_is_over() -> None:
    """After the end there is no call any more: it fails as something that passes, in every thread."""
    errors: list[CertctlError] = []

    def ask() -> None:
        try:
            deadline.left(1.0)
        except CertctlError as error:
            errors.append(error)

    with deadline.limit(0.01):
        time.sleep(0.02)
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(10)
        with pytest.raises(CertctlError, match=r"no answer within 0\.01s"):
            deadline.left(1.0)
    assert [error.transient for error in errors] == [True]


def test_an_inner_limit_is_no_extension() -> None:
    """What is begun within a pass ends with it, whatever it allows itself."""
    with deadline.limit(1.0), deadline.limit(100.0):
        assert deadline.left(50.0) <= 1.0


def test_a_share() -> None:
    """A part of the time is for one kind of asking: the dead of one kind leave time for others."""
    with deadline.share(0.5):
        assert deadline.left(50.0) == 50.0
    with deadline.limit(20.0):
        with deadline.share(0.25):
            assert 3 < deadline.left(50.0) <= 5.0
        assert 15 < deadline.left(50.0) <= 20.0
