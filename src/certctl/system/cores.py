"""Core dumps: there are none of a process that holds keys."""

from __future__ import annotations


def switch_off() -> None:
    """From now on; a child starts with the same soft limit, which is most systems' own, and may raise it."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
