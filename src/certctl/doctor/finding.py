"""One fault that the doctor found, and what to type against it."""

from __future__ import annotations

from typing import NamedTuple

ERROR, WARNING, INFO = "error", "warning", "info"


class Finding(NamedTuple):
    """A fault, or something worth knowing."""

    severity: str
    """error: TLS fails, or keeps nothing secret; warning: weak, or about to fail; info: worth knowing."""
    subject: str
    """Where: "postfix /etc/postfix/main.cf"."""
    check: str
    """Stable: "postfix-key-mismatch"."""
    message: str
    fix: str
    """What to type, or to write into which file; NAME in it is the certificate of certctl's in *path*."""
    path: str = ""
    """The file with a certificate or a key that it is about."""


class Used(NamedTuple):
    """A certificate that a server is configured to serve."""

    subject: str
    path: str
    leaf_sha256: str
    names: tuple[str, ...]


class Place(NamedTuple):
    """Whose configuration is looked at: fills in what all findings of one place share."""

    subject: str
    prefix: str
    """Of its checks: postfix, dovecot, …"""

    def error(self, check: str, message: str, fix: str, path: str = "") -> Finding:
        return Finding(ERROR, self.subject, f"{self.prefix}-{check}", message, fix, path)

    def warning(self, check: str, message: str, fix: str, path: str = "") -> Finding:
        return Finding(WARNING, self.subject, f"{self.prefix}-{check}", message, fix, path)

    def info(self, check: str, message: str, fix: str, path: str = "") -> Finding:
        return Finding(INFO, self.subject, f"{self.prefix}-{check}", message, fix, path)


def findings_as_json(findings: list[Finding]) -> list[dict[str, str]]:
    """The findings as what json.dumps takes."""
    return [finding._asdict() for finding in findings]
