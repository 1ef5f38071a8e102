"""certctl manages the keys and certificates of servers, and tells peers the next key before it is served."""

__version__ = "0.1.0"
