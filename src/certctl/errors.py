"""The errors that certctl expects: each says what is wrong, and what to type where that helps."""

from __future__ import annotations

from certctl.system.text import bounded, without_passwords

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_WORK = 3
EXIT_LOCKED = 75


class EndedError(BaseException):
    """A signal ends the process; like KeyboardInterrupt, nothing but clean-up stands in its way."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _told(text: str) -> str:
    return bounded(without_passwords(text))


class CertctlError(Exception):
    """Something that a person can act on.

    *message* names what is wrong (lower case, no full stop); *hint* says what to
    type or check. *transient* means that trying again later may help, so the
    engine keeps a back-off; *retry_after* (seconds) is the other side's wish.
    Either text is bounded: what a CA or a program says may be long. Passwords in URLs are struck out.
    """

    exit_code = EXIT_FAILED

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        transient: bool = True,
        retry_after: float | None = None,
    ) -> None:
        self.message = _told(message)
        super().__init__(self.message)
        self.hint = hint and _told(hint)
        self.transient = transient
        self.retry_after = retry_after

    def saying(self, message: str) -> CertctlError:
        """The same error in other words. An error is a value: others may hold this one, too."""
        new = type(self).__new__(type(self), message)
        new.__dict__.update(self.__dict__)
        new.message = _told(message)
        new.__cause__ = self
        return new

    def within(self, prefix: str) -> CertctlError:
        """The same error, told as one of *prefix*: "issuer le"."""
        return self.saying(f"{prefix}: {self.message}")


class InternalError(CertctlError):
    """What no one foresaw: a bug, told like any other failure. *trace* is its traceback, cut to its end."""

    def __init__(self, message: str, hint: str | None = None, *, trace: str = "") -> None:
        super().__init__(message, hint)
        self.trace = trace


class UsageError(CertctlError):
    """The command line asks for something that does not exist or does not go together."""

    exit_code = EXIT_USAGE

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint, transient=False)


class ConfigError(UsageError):
    """Everything that is wrong with a configuration file; *problems* holds one line each."""

    def __init__(self, problems: list[str], hint: str | None = None) -> None:
        super().__init__("\n".join(problems), hint)
        self.problems = [_told(problem) for problem in problems]


class LockedError(CertctlError):
    """Another pass holds the lock at *path*."""

    exit_code = EXIT_LOCKED

    def __init__(self, message: str, hint: str | None = None, *, path: str = "") -> None:
        super().__init__(message, hint)
        self.path = path


class EncryptedKeyError(CertctlError):
    """A private key that only a passphrase opens."""


class StoreError(CertctlError):
    """A durable operation failed; the message names the file."""


class UnreadableError(StoreError):
    """Something is there, or may be, and cannot be read: nothing may be concluded from it.

    *errno* is what the system said (errno(3)); None where the reason is another one.
    """

    def __init__(self, message: str, errno: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.errno = errno


class IssuerError(CertctlError):
    """An issuer refused, or what it returned was refused."""


class StateError(CertctlError):
    """A file in the state directory does not hold what certctl wrote there."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint, transient=False)
