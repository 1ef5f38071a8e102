"""What is seen of the files of a certificate."""

from __future__ import annotations

from pathlib import Path

from certctl.planning.spec import CertificateSpec, FileSpec
from certctl.store.disk import DiskStore
from tests.unit.planning_cases import NOW


def test_live_is_marked(tmp_path: Path) -> None:
    """Of all files live/NAME alone stands for others: it says so, wherever it stands among them."""
    cert = CertificateSpec("mx1", ("mx1.example",), files=(FileSpec(f"{tmp_path}/mx1.pem"),))
    seen = DiskStore(f"{tmp_path}/state").observe_certificate(cert, NOW)
    assert {file.path: file.is_live for file in seen.files} == {
        f"{tmp_path}/state/live/mx1": True,
        f"{tmp_path}/mx1.pem": False,
    }
