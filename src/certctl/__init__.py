"""certctl keeps the TLS identity of servers alive, and tells peers the next key before it is served."""

__version__ = "0.1.0"
