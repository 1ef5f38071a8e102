"""What a challenge asks for, and what answers it."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol


class Proof(NamedTuple):
    """The answer to one challenge for one name."""

    name: str
    """A DNS name without "*.", or an IP address."""
    is_ip: bool
    token: str
    key_authorization: str
    """RFC 8555 §8.1."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the key authorization: what tls-alpn-01 carries (RFC 8737 §3)."""
        return hashlib.sha256(self.key_authorization.encode()).digest()

    @property
    def txt(self) -> str:
        """The TXT record's value for dns-01 (RFC 8555 §8.4)."""
        return urlsafe_b64encode(self.digest).decode().rstrip("=")


Asked = Callable[[Proof, float], bool]
"""Waits until a proof has been looked at, for at most so many seconds; True: it was."""


class Solver(Protocol):
    """Makes proofs visible to the CA."""

    def present(self, proofs: Sequence[Proof]) -> AbstractContextManager[Asked | None]:
        """Return a context in which all *proofs* can be seen; whatever was put up is gone after it.

        What it yields tells when the CA has come; None where nobody here can know.
        It may be entered from several threads at once. Raises `CertctlError` where a proof cannot
        be put up; then nothing stays.
        """
