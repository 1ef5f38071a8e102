"""What is made is good, confirmed, and written nowhere."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from certctl.dhparam import ffdhe, pem
from certctl.dhparam.check import check_pem, confirm
from certctl.dhparam.make import make
from certctl.dhparam.progress import Progress, SearchStoppedError
from certctl.errors import CertctlError


@pytest.mark.parametrize("bits", [512, 1024])
def test_generate(bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prime of one's own has its size and generator, and passes all checks; no file is made."""
    monkeypatch.chdir(tmp_path)
    seen: list[Progress] = []
    file = make(bits, "generate", progress=seen.append)
    assert check_pem(file, min_bits=bits)[:4] == (bits, 2, ffdhe.private_bits(bits), "generate")
    assert pem.decode(file).p % 24 == 23
    assert confirm(file, min_bits=bits)
    assert seen[-1].bits == bits
    assert os.listdir() == []


@pytest.mark.parametrize("bits", ffdhe.SIZES)
def test_ffdhe_takes_no_time(bits: int) -> None:
    """The groups of the RFC are there at once, with the private value length that it recommends."""
    start = time.process_time()
    facts = check_pem(make(bits, "ffdhe"))
    assert time.process_time() - start < 1
    assert facts[:4] == (bits, 2, ffdhe.private_bits(bits), "ffdhe")


def test_ffdhe_of_another_size_names_the_nearest() -> None:
    """A size that the RFC lacks is refused, with the nearest as the hint."""
    with pytest.raises(CertctlError) as caught:
        make(2100, "ffdhe")
    assert caught.value.hint == "the nearest is bits = 2048"


def test_sizes_that_openssl_cannot_use_are_refused() -> None:
    """More than 10000 bits are refused before hours are spent."""
    with pytest.raises(CertctlError, match="10001 bits are more than openssl can use"):
        make(10001, "generate")


def test_stop_ends_making() -> None:
    """Stop ends it as it ends the search."""
    with pytest.raises(SearchStoppedError):
        make(4096, "generate", stop=lambda: True)
