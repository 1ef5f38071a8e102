"""The configuration file itself: where it is, whether it can be trusted, and its TOML."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping

from certctl.errors import CertctlError, ConfigError, UsageError
from certctl.system.safety import check_safe_place

HERE = "certctl.toml"
SYSTEM_DIRECTORY = "/etc/certctl"
VARIABLE = "CERTCTL_CONFIG"
LARGEST = 16 << 20


def find(explicit: str | None, environ: Mapping[str, str]) -> str:
    """Give the file: *explicit*, else $CERTCTL_CONFIG, else ./certctl.toml, else /etc/certctl/certctl.toml.

    The first two need not exist: `load` says so with their name. Raises `UsageError`
    when nothing was named and nothing is there.
    """
    named = explicit or environ.get(VARIABLE)
    if named:
        return named
    places = [HERE, f"{SYSTEM_DIRECTORY}/{HERE}"]
    for place in places:
        if os.path.lexists(place):
            return place
    raise UsageError(
        f"no configuration: neither ./{places[0]} nor {places[1]} is there",
        f"write one with `certctl init`, or name one with --config FILE or ${VARIABLE}",
    )


def read(path: str) -> str:
    """Give the text of a plain file that nobody but its owner and root may write; raises `ConfigError`."""
    try:
        # Not to hang on a FIFO that somebody put there.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file"], "write one with `certctl init`") from None
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: cannot be read: {_why(error)}"]) from None
    try:
        _check(path, os.fstat(fd))
        with open(fd, "rb", closefd=False) as file:
            data = file.read(LARGEST)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {_why(error)}"]) from None
    finally:
        os.close(fd)
    try:
        # Editors on Windows put a byte order mark first.
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            [f"{path}: line {line}: not UTF-8 (byte 0x{data[error.start]:02x}); TOML is UTF-8 only"],
            f"convert it: iconv -f ISO-8859-1 -t UTF-8 {path}",
        ) from None


def _check(path: str, info: os.stat_result) -> None:
    """Raise `ConfigError` for what is no file, or none that only root and ourselves can exchange."""
    if not stat.S_ISREG(info.st_mode):
        kind = "a directory" if stat.S_ISDIR(info.st_mode) else "no plain file"
        raise ConfigError([f"{path}: is {kind}"], f"name the file, such as --config {HERE}")
    if info.st_size > LARGEST:
        raise ConfigError([f"{path}: has {info.st_size} bytes, more than any configuration"])
    refuse_unsafe(path, info.st_mode, info.st_uid, info.st_gid)
    try:
        check_safe_place(path, "configuration", "to obey")
    except CertctlError as error:
        raise ConfigError([error.message], error.hint) from None


def refuse_unsafe(path: str, mode: int, uid: int, gid: int) -> None:
    """Raise `ConfigError` when somebody else could have written what certctl would run and obey."""
    if uid not in (0, os.geteuid()):
        raise ConfigError(
            [f"{path}: belongs to user {uid}, who is neither root nor the one that runs certctl"],
            f"if it is right, type: chown {os.geteuid()} {path}",
        )
    by_group = mode & stat.S_IWGRP
    if by_group or mode & stat.S_IWOTH:
        who = "everybody" if mode & stat.S_IWOTH else f"group {gid}"
        raise ConfigError(
            [f"{path}: {who} may write it (its mode is {stat.S_IMODE(mode):04o})"],
            f"type: chmod go-w {path}",
        )


def parse(path: str, text: str) -> dict[str, object]:
    """Parse TOML; raises `ConfigError` with line, column and the parser's words."""
    try:
        document: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(*_syntax(path, text, str(error))) from None
    except (ValueError, RecursionError) as error:
        # Beyond TOML's grammar: numbers of thousands of digits, brackets without end.
        raise ConfigError([f"{path}: cannot be parsed: {_why(error)}"]) from None
    if not document:
        raise ConfigError([f"{path}: is empty"], "`certctl init` writes a starter")
    return document


def _syntax(path: str, text: str, said: str) -> tuple[list[str], str | None]:
    """The problem that the parser told in the words *said*, and what people mostly forgot there."""
    words, row, column = _where(said, text)
    lines = text.splitlines()
    line = lines[row - 1] if 0 < row <= len(lines) else ""
    told = _printable(words[:1].lower() + words[1:])
    shown = _printable(line.strip()[:60])
    problem = f"{path}: line {row}, column {column}: {told}" + (f": {shown}" if shown else "")
    return [problem], _advice(words, line[: column - 1])


def _where(said: str, text: str) -> tuple[str, int, int]:
    """Words, line and column of the parser's message: Python 3.11 has the place in the message alone."""
    words, _, place = said.rpartition(" (at ")
    numbers = [int(word) for word in place.rstrip(")").replace(",", "").split() if word.isdecimal()]
    if len(numbers) == 2:
        return words, numbers[0], numbers[1]
    # "(at end of document)"; the parser counts lines by line feeds, and columns from 1.
    return words, text.count("\n") + 1, len(text) - text.rfind("\n")


def _advice(words: str, before: str) -> str | None:
    """Say what people mostly forgot; *before*: the line up to where the parser stopped."""
    if before.partition("=")[2].strip() == "0":
        return 'a mode goes into quotes: mode = "0600"'
    if words.startswith(("Invalid value", "Expected newline")):
        return 'text goes into quotes: key = "value"; lists into brackets: ["a", "b"]'
    return None


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    text = str(getattr(error, "strerror", None) or error)
    return text[:1].lower() + text[1:]
