"""Anti-replay nonces (RFC 8555 §6.5), shared by all threads that speak to one CA."""

from __future__ import annotations

import re
import threading
from collections import deque

_NONCE = re.compile(r"[A-Za-z0-9_-]+")
KEPT = 64


class NoncePool:
    """Unused nonces, the freshest first: CAs forget old ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nonces: deque[str] = deque(maxlen=KEPT)

    def put(self, nonce: str | None) -> None:
        """Keep a nonce that came with an answer; what is no base64url is dropped (§6.5.1).

        It is kept as it was spelled: decoding and encoding it again would change
        those of CAs whose last character carries unused bits.
        """
        if nonce and _NONCE.fullmatch(nonce):
            with self._lock:
                self._nonces.append(nonce)

    def take(self) -> str | None:
        """Return a nonce that nobody else gets, if there is one."""
        with self._lock:
            return self._nonces.pop() if self._nonces else None
