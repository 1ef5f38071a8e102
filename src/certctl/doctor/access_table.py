"""Tables of client certificates: relay_clientcerts and check_ccert_access (postconf(5))."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from certctl.doctor.finding import Finding, Place
from certctl.doctor.policy_match import LENGTHS, pin_bytes
from certctl.servers.map_source import Line


def check_access(place: Place, lines: Sequence[Line], digest: str) -> Iterator[Finding]:
    """Check that every key is what is looked up: pairs of hex joined by colons, of *digest*'s length."""
    for line in lines:
        here = Place(f"{place.subject} line {line.number}", place.prefix)
        length = pin_bytes(line.key)
        again = (
            f"ask the client's host for it (with certctl there: certctl fingerprints --format access "
            f"--digest {digest})"
        )
        if length is None:
            yield here.error("access-pin", f"{line.key} is no fingerprint, so it is never found", again)
        elif ":" not in line.key:
            pairs = ":".join(line.key[at : at + 2] for at in range(0, len(line.key), 2))
            yield here.error(
                "access-pin",
                f"{line.key}: the lookup joins pairs by colons, so it is never found",
                f"write {pairs}",
            )
        elif length != LENGTHS.get(digest, length):
            made_with = next((name for name, size in LENGTHS.items() if size == length), "another digest")
            yield here.error(
                "access-pin-length",
                f"{line.key[:23]}… is of {made_with} ({length} bytes), the digest is {digest}: never found",
                again,
            )
        if length is not None and not line.value:
            yield here.error(
                "access-pin",
                f"{line.key[:23]}… has no value: postmap passes over the line",
                "write a name after it",
            )
