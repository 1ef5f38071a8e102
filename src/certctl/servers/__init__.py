"""How the servers of this host are configured, as far as TLS goes: read, never changed."""

from __future__ import annotations
