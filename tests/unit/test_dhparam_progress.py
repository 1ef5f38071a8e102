"""A search's progress is told in one line that people can plan by."""

from __future__ import annotations

import pytest

from certctl.dhparam.progress import (
    Meter,
    Progress,
    SearchStoppedError,
    Watch,
    expected_candidates,
    format_progress,
)


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress(2048, 0, 1.0, 0.25, 0.25), "sieving candidates, 0.2 s"),
        (Progress(2048, 1240, 2700.0, 3.1, 0.2), "1,240 candidates tested, 3.1 s, 50 % are done by 5 s"),
        (Progress(2048, 1872, 2700.0, 3.1, 0.2), "1,872 candidates tested, 3.1 s, 90 % are done by 10 s"),
        (
            Progress(4096, 30000, 9000.0, 300.0, 1.0),
            "30,000 candidates tested, 5 min, 99 % are done by 7 min",
        ),
        (Progress(8192, 10, 40000.0, 2.0, 1.0), "10 candidates tested, 2.0 s, 50 % are done by 46 min"),
        (
            Progress(8192, 1000, 40000.0, 600.0, 1.0),
            "1,000 candidates tested, 10 min, 50 % are done by 4.6 h",
        ),
        (Progress(2048, 99999, 2700.0, 99.0, 1.0), "99,999 candidates tested, 99.0 s, one of the slowest in"),
    ],
)
def test_line(progress: Progress, line: str) -> None:
    """It says the size, the work, the time, and by when the next of a few shares of searches is done."""
    text = format_progress(progress)
    assert text.startswith(f"searching a {progress.bits}-bit safe prime: {line}")
    assert "\n" not in text


def test_expected_number_is_the_measured_one() -> None:
    """With primes below 2^21 sieved out a 2048-bit search takes 3,000 tests; none takes less than one."""
    assert 2800 < expected_candidates(2048, 1 << 21) < 3200
    assert expected_candidates(64, 1 << 40) >= 1


def test_meter_times_the_setup_apart() -> None:
    """Before the first test all of the time is setup; afterwards it stays what it was then."""
    seen: list[Progress] = []
    meter = Meter(2048, Watch(seen.append))
    meter.tell(0)
    meter.start_tests(1 << 20)
    meter.tell(5)
    meter.start_tests(1 << 20)
    meter.tell(9)
    assert seen[0].setup == seen[0].elapsed
    assert seen[1].setup == seen[2].setup <= seen[1].elapsed <= seen[2].elapsed
    assert [p.tested for p in seen] == [0, 5, 9]
    assert seen[2].expected == expected_candidates(2048, 1 << 20)


def test_stop_is_an_error_of_its_own() -> None:
    """When the caller's stop says so, a poll raises SearchStoppedError; else it does nothing."""
    Watch().poll()
    Watch(stop=lambda: False).poll()
    with pytest.raises(SearchStoppedError, match="stopped"):
        Watch(stop=lambda: True).poll()
