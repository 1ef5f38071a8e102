"""The versions that tests are installed with: all of them, each with hashes, and from no particular place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_served() -> None:
    """constraints.txt has a version of everything in pyproject.toml, for the Python that runs here."""
    command = [sys.executable, str(ROOT / "tests/constraints"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_hashes() -> None:
    """Each version has a hash, and neither the file nor the script that makes it names an index."""
    text = (ROOT / "constraints.txt").read_text()
    entries = re.sub(r" \\\n +", " ", text).splitlines()
    for entry in (line for line in entries if not line.startswith("#")):
        assert re.fullmatch(r"[a-z0-9-]+==[^ ]+( --hash=sha256:[0-9a-f]{64})+", entry), entry
    assert "://" not in text + (ROOT / "tests/constraints").read_text()
