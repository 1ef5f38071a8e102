"""Secrets of the configuration: read from files that others cannot read, and kept out of every text."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence

from certctl.errors import CertctlError, UnreadableError
from certctl.system.files import read_file, unreadable
from certctl.system.text import STRUCK, without_passwords

_SHORTEST = 4
"""Characters: what is shorter would be struck out of ordinary words, and keeps nothing secret."""
_MOST = 64 * 1024
_SECRET_WORDS = {
    "token",
    "password",
    "passwd",
    "pass",
    "passphrase",
    "secret",
    "key",
    "apikey",
    "credentials",
}


def read_secret(path: str) -> str:
    """Return the text of a file that holds a secret. Raises CertctlError.

    As with keys, its group may read it (named(8) shares its TSIG keys so); others may not.
    """
    data = read_file(path, most=_MOST, follow=True)
    if data is None:
        raise UnreadableError(f"cannot read {path}: no such file or directory")
    check_closed(path)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CertctlError(f"cannot read {path}: it is no text", transient=False) from None


def check_closed(path: str) -> None:
    """Raise CertctlError if everybody has some right to the secret in *path*, where there is such a file."""
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(error, path) from error
    if mode & stat.S_IRWXO:
        raise CertctlError(
            f"{path} holds a secret, and its mode {mode:04o} gives everybody a right to it",
            f"chmod o-rwx {path}; whoever could read it may have done so: consider a new secret",
            transient=False,
        )


def strike(text: str, secrets: Iterable[str]) -> str:
    """Return *text* with every one of *secrets* struck out, also as URLs, JSON, Python and HTTP spell it."""
    forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
    # The longest first: one may be a part of another.
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, STRUCK)
    return text


def said_by(argv: Sequence[str], text: str) -> str:
    """What the program *argv* said, without what its arguments keep secret, and without passwords of URLs."""
    return without_passwords(strike(text, _of_arguments(argv)))


def shown(argv: Sequence[str]) -> list[str]:
    """The arguments of a program, without what must stay secret of them."""
    return [said_by(argv, word) for word in argv[1:]]


def _of_arguments(argv: Sequence[str]) -> Iterator[str]:
    """The values of arguments that are named as secrets: ``--token VALUE``, ``PASSWORD=VALUE``."""
    named = False
    for word in argv[1:]:
        name, equals, value = word.partition("=")
        if named and not word.startswith("-"):
            yield word
        if _is_secret(name) and equals:
            yield value
        named = _is_secret(name) and not equals and word.startswith("-")


def _is_secret(name: str) -> bool:
    words = set(name.lower().replace("_", "-").strip("-").split("-"))
    return bool(_SECRET_WORDS & words) and not {"file", "path", "dir"} & words


def _forms(secret: str) -> Iterable[str]:
    import base64
    import json
    from urllib.parse import quote, quote_plus

    yield from (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1])
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    if len(secret) >= 2 * _SHORTEST:
        data = secret.encode()
        yield from (base64.b64encode(data).decode(), data.hex())
        yield base64.urlsafe_b64encode(data).decode().rstrip("=")
