"""What a server really serves: connect, look, compare, and name the difference in words.

`probe` connects and looks, `compare` judges and needs no network, `probe_settled` does both until a reload is
through.
"""

from __future__ import annotations

from certctl.deploy.probe.compare import compare
from certctl.deploy.probe.run import probe
from certctl.deploy.probe.settle import probe_settled
from certctl.deploy.probe.values import (
    Difference,
    Expected,
    ExpectedKey,
    Failure,
    Served,
    ServedCertificate,
    as_json,
)

__all__ = [
    "Difference",
    "Expected",
    "ExpectedKey",
    "Failure",
    "Served",
    "ServedCertificate",
    "as_json",
    "compare",
    "probe",
    "probe_settled",
]
