"""Files that people name: none of them makes certctl wait, or read without end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from certctl.app import fingerprints
from certctl.app.fingerprints import Query
from certctl.dns import tsig
from certctl.errors import CertctlError
from certctl.issuers import csr
from certctl.issuers.acme import account, lexicon, transport
from certctl.system.files import read_given
from certctl.system.secret import read_secret

READERS: dict[str, Callable[[str], object]] = {
    "anything": read_given,
    "a secret": read_secret,
    "fingerprints --file": lambda path: fingerprints.of_file(path, Query()),
    "csr": csr.read,
    "tsig_key_file": tsig.read,
    "eab_hmac_key_file": account._mac_key,
    "ca_file": transport.roots,
    "a token in a file": lambda path: lexicon._content("issuer le", path),
}


@pytest.mark.parametrize("name", READERS)
def test_no_plain_file(tmp_path: Path, name: str) -> None:
    """A FIFO, which nobody writes to, and a device without end are refused by name, at once."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    for path in (str(fifo), "/dev/zero", str(tmp_path)):
        with pytest.raises(CertctlError, match=f"{path}.*(is not a regular file|gives everybody a right)"):
            READERS[name](path)


@pytest.mark.parametrize("name", READERS)
def test_too_large(tmp_path: Path, name: str) -> None:
    """A file that is larger than anything of its kind is not read."""
    path = tmp_path / "large"
    path.touch(0o600)
    os.truncate(path, 1 << 40)
    with pytest.raises(CertctlError, match=f"{path}: it has more than"):
        READERS[name](str(path))
