"""What is wrong with the TLS of this host's servers, and what to type to mend it."""

from __future__ import annotations
