"""Dovecot's configuration form: `name = value`, `name [argument] { … }`, !include (Dovecot 2.3 and 2.4)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from certctl.servers.including import Includes

_PREFIXES = ("ssl_server", "ssl_client")
"""2.4 also takes, and doveconf 2.4 prints, `ssl_server { cert_file = F }` for `ssl_server_cert_file = F`."""


class Block(NamedTuple):
    """A block, or the whole file, which has no name."""

    name: str
    argument: str
    settings: dict[str, str]
    blocks: list[Block]

    def below(self) -> Iterator[Block]:
        """This block and all in it."""
        yield self
        for block in self.blocks:
            yield from block.below()

    @property
    def title(self) -> str:
        return f"{self.name} {self.argument}".strip()


def parse(text: str, path: str = "", includes: Includes | None = None) -> Block:
    """Parse *text*; includes are relative to the directory of *path*, and taken in where they stand."""
    includes = includes or Includes()
    root = Block("", "", {}, [])
    stack = [root]
    for line in _lines(text):
        if line.startswith(("!include ", "!include_try ")):
            _include(stack[-1], line.split(None, 1)[1], path, includes)
        elif line == "}":
            if len(stack) > 1:
                stack.pop()
        elif line.endswith("{") and "=" not in line.split("{")[0]:
            name, _, argument = line[:-1].strip().partition(" ")
            block = Block(name, argument.strip().strip('"'), {}, [])
            if name not in _PREFIXES:
                stack[-1].blocks.append(block)
            stack.append(block)
        else:
            name, equals, value = line.partition("=")
            if equals:
                _set(stack, name.strip(), _unquote(value.strip()))
    return root


def _set(stack: list[Block], name: str, value: str) -> None:
    """Put a setting where it counts: into the innermost block that is more than a prefix of names."""
    for block in reversed(stack):
        if block.name not in _PREFIXES:
            block.settings[name] = value
            return
        name = f"{block.name}_{name}"


def _lines(text: str) -> Iterator[str]:
    pending = ""
    for raw in text.split("\n"):
        line = (pending + " " + raw.strip()).strip() if pending else raw.strip()
        if line.startswith("#"):
            pending = ""
            continue
        line = _without_comment(line)
        if line.endswith("\\"):
            pending = line[:-1].rstrip()
            continue
        pending = ""
        if line:
            yield line


def _without_comment(line: str) -> str:
    quoted = False
    for at, character in enumerate(line):
        quoted ^= character == '"'
        if character == "#" and not quoted and line[at - 1 : at].isspace():
            return line[:at].rstrip()
    return line


def _unquote(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _include(into: Block, pattern: str, path: str, includes: Includes) -> None:
    for name, text in includes.texts(os.path.join(os.path.dirname(path), _unquote(pattern.strip()))):
        inner = parse(text, name, includes)
        into.settings.update(inner.settings)
        into.blocks.extend(inner.blocks)
