"""nginx's configuration form: words, `;`, `{ … }`, include.

`nginx -T` would print it too, but it opens (and makes) logs and temporary directories, and prints nothing of
a configuration that has the very fault that is looked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from certctl.errors import CertctlError
from certctl.servers.including import Includes

_TOKEN = re.compile(
    r"""\#[^\n]*
    | (?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<word>[;{}]|(?:\$\{[^}\s]*\}|\\.|[^\s;{}])+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class _Token(NamedTuple):
    text: str
    line: int
    quoted: bool = False

    def is_mark(self, marks: str) -> bool:
        """Whether it is one of these marks, and not a word that was quoted."""
        return not self.quoted and self.text in marks


class Directive(NamedTuple):
    """One directive, with its block where it has one."""

    name: str
    arguments: tuple[str, ...]
    block: list[Directive] | None
    path: str
    line: int


def parse_nginx(text: str, path: str, base: str) -> list[Directive]:
    """Parse *text*, with what it includes in place; relative includes are below *base*.

    Raises CertctlError for blocks that are nested too deeply.
    """
    try:
        return list(_directives(_tokens(text), path, base, Includes()))
    except RecursionError:
        raise CertctlError(f"{path} has blocks that are nested too deeply") from None


def _directives(tokens: Iterator[_Token], path: str, base: str, includes: Includes) -> Iterator[Directive]:
    words: list[_Token] = []
    for token in tokens:
        if token.is_mark("}"):
            return
        if not token.is_mark(";{"):
            words.append(token)
            continue
        if not words:
            continue
        name, *arguments = (word.text for word in words)
        line, words = words[0].line, []
        block = list(_directives(tokens, path, base, includes)) if token.text == "{" else None
        if name == "include" and arguments:
            for place, more in includes.texts(os.path.join(base, arguments[0])):
                yield from _directives(_tokens(more), place, base, includes)
        else:
            yield Directive(name, tuple(arguments), block, path, line)


def _tokens(text: str) -> Iterator[_Token]:
    """Yield words, `;`, `{` and `}` with their lines; quotes and backslashes hold words together."""
    line, at = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        if match["quoted"]:
            yield _Token(_ESCAPE.sub(r"\1", match["quoted"][1:-1]), line, quoted=True)
        elif match["word"]:
            yield _Token(match["word"], line)
