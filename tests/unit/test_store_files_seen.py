"""What is seen of the files of a certificate."""

from __future__ import annotations

from pathlib import Path

from certctl.planning.observed import FileSeen
from certctl.planning.spec import CertificateSpec, FileSpec
from certctl.planning.state import SLOTS, CertificateState
from certctl.planning.transitions import with_slot
from certctl.store import keys, unknown
from certctl.store.disk import DiskStore
from tests.unit.planning_cases import NOW, each, generation, served, state


def test_live_is_marked(tmp_path: Path) -> None:
    """Of all files live/NAME alone stands for others: it says so, wherever it stands among them."""
    cert = CertificateSpec("mx1", ("mx1.example",), files=(FileSpec(f"{tmp_path}/mx1.pem"),))
    seen = DiskStore(f"{tmp_path}/state").observe_certificate(cert, NOW)
    assert {file.path: file.is_live for file in seen.files} == {
        f"{tmp_path}/state/live/mx1": True,
        f"{tmp_path}/mx1.pem": False,
    }


OWN = generation(2)
AHEAD: dict[str, tuple[CertificateState, bool]] = {
    "only next has it: the state is older": (state(served(1), OWN, served(0)), True),
    "current has it too: next renews it": (state(served(2), OWN._replace(number=3), served(1)), False),
    "previous has it too: it was left, and next was to renew it": (
        state(served(1), OWN._replace(number=3), served(2)),
        False,
    ),
    "there is no next": (state(served(1), None, served(2)), False),
    "there is no current": (state(None, OWN), False),
}


@each(AHEAD)
def test_a_file_ahead_of_the_state(row: tuple[CertificateState, bool], tmp_path: Path) -> None:
    """The key of next in a file proves that the state is older, unless what is or was served has it, too."""
    held, ahead = row
    path = tmp_path / "mx1.pem"
    path.write_bytes(keys.generate_many(["ecdsa-p256"])[0])
    (pin,) = unknown.pins(str(path))
    for slot in SLOTS:
        one = held.slot(slot)
        if one is not None and one.keys == OWN.keys:
            held = with_slot(held, slot, one._replace(keys=(one.keys[0]._replace(sha256=pin),)))
    files = (FileSeen("/live/mx1", None), FileSeen(str(path), "does not hold the current certificate"))
    assert unknown.served_next(held, files) == (str(path) if ahead else None)
