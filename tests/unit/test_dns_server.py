"""Where DNS servers are, and the time for them."""

from __future__ import annotations

import pytest

from certctl.dns.server import Deadline, locate, place
from certctl.errors import CertctlError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("ns.example.test", ("ns.example.test", 53)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
    ],
)
def test_place(text: str, found: tuple[str, int]) -> None:
    """Names and addresses of both families, with a port or without."""
    assert place(text) == found


@pytest.mark.parametrize("text", ["192.0.2.53:x", "192.0.2.53:", "[2001:db8::53]:x"])
def test_no_place(text: str) -> None:
    """What no port can be made of is refused, with an example."""
    with pytest.raises(CertctlError, match="is no DNS server") as caught:
        place(text)
    assert "[2001:db8::53]:5353" in str(caught.value.hint)
    assert not caught.value.transient


def test_locate() -> None:
    """Addresses stay what they are; a name without one is told."""
    assert locate("[::1]:5353", 1) == ("::1", 5353)
    with pytest.raises(CertctlError, match=r"no\.such\.invalid has no address: "):
        locate("no.such.invalid", 5)


def test_deadline() -> None:
    """It gives what is left, no more than is asked for, and then says whose time is over."""
    deadline = Deadline(60, "the zone")
    assert 50 < deadline.left() <= 60
    assert deadline.left(5) == 5
    with pytest.raises(CertctlError, match=r"the zone took longer than 0 s"):
        Deadline(0, "the zone").left()
