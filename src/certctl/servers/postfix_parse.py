"""main.cf and master.cf read as Postfix reads them (postconf(5), master(5)), where there is no postconf."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_NAME = re.compile(r"[A-Za-z0-9_]+")
_CONDITION = re.compile(
    r"\{(?P<left>.*?)\}\s*(?P<operator><=level|>=level|==|!=|<=|>=|<level|>level|<|>)\s*\{(?P<right>.*?)\}"
)
_DEEPEST = 20
_MOST_LOOKS = 1000
_LONGEST = 65_536


class Logical(NamedTuple):
    """A line with those that continue it."""

    number: int
    """Of its first line, from 1."""
    text: str
    parts: tuple[tuple[int, str], ...]
    """Each line of it, with its number."""


class Service(NamedTuple):
    """One line of master.cf."""

    name: str
    type: str
    command: str
    """The program: smtpd, smtp, …"""
    options: Mapping[str, str]
    """Its -o options."""

    @property
    def key(self) -> str:
        """What postconf -P calls it."""
        return f"{self.name}/{self.type}"


def logical_lines(text: str) -> Iterator[Logical]:
    """Yield logical lines: white space continues one, comments and empty lines in between are passed over."""
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace() and lines:
            lines.append((number, line))
            continue
        if lines:
            yield _join(lines)
        lines = [(number, line)]
    if lines:
        yield _join(lines)


def _join(lines: list[tuple[int, str]]) -> Logical:
    return Logical(lines[0][0], "".join(line for _, line in lines).rstrip(), tuple(lines))


def parse_main(text: str) -> dict[str, str]:
    """Return the parameters of a main.cf, not expanded; of several settings of one, the last counts."""
    found: dict[str, str] = {}
    for line in logical_lines(text):
        name, equals, value = line.text.partition("=")
        if equals:
            found[name.strip()] = value.strip()
    return found


def parse_master(text: str) -> list[Service]:
    """Return the services of a master.cf."""
    return [service for line in logical_lines(text) if (service := _service(line.text))]


def _service(line: str) -> Service | None:
    words = split_words(line)
    if len(words) < 8:
        return None
    options: dict[str, str] = {}
    rest = iter(words[8:])
    for word in rest:
        if word.startswith("-o"):
            setting = word[2:] or next(rest, "")
            if setting.startswith("{"):
                setting = setting[1:].removesuffix("}")
            name, equals, value = setting.partition("=")
            if equals:
                options[name.strip()] = value.strip()
    return Service(words[0], words[1], words[7], options)


def split_words(text: str, separators: str = " \t\r\n") -> list[str]:
    """Split at *separators*, but not inside braces."""
    words, word, depth = [], "", 0
    for character in text:
        if depth == 0 and character in separators:
            if word:
                words.append(word)
            word = ""
            continue
        depth = max(0, depth + {"{": 1, "}": -1}.get(character, 0))
        word += character
    return [*words, word] if word else words


def expand(value: str, parameters: Mapping[str, str]) -> str:
    """Expand $name, ${name}, $(name), ${name?text}, ${name:text} and ${{a} op {b} ? {c} : {d}} in *value*.

    Of what refers to itself, or to ever more of the others, something is left as it stands.
    """
    return _expand(value, _Counted(parameters), 0)


class _Counted:
    """Parameters that can be asked for a bounded number of times."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters
        self.left = _MOST_LOOKS

    def get(self, name: str) -> str:
        self.left -= 1
        return self._parameters.get(name, "")[:_LONGEST] if self.left > 0 else ""


def _expand(value: str, parameters: _Counted, depth: int) -> str:
    if depth > _DEEPEST or "$" not in value:
        return value
    out, at = "", 0
    while at < len(value):
        if value[at] != "$":
            out += value[at]
            at += 1
            continue
        at += 1
        if value[at : at + 1] == "$":
            out += "$"
            at += 1
        elif value[at : at + 1] in ("{", "("):
            inner = _balanced(value, at)
            out += _expression(inner, parameters, depth)
            at += len(inner) + 2
        else:
            name = _NAME.match(value, at)
            if name:
                out += _expand(parameters.get(name[0]), parameters, depth + 1)
                at = name.end()
            else:
                out += "$"
    return out


def _balanced(text: str, start: int) -> str:
    """Return what stands between the bracket at *start* and the one that closes it."""
    depth, closing = 0, {"{": "}", "(": ")"}[text[start]]
    for at in range(start, len(text)):
        depth += (text[at] == text[start]) - (text[at] == closing)
        if depth == 0:
            return text[start + 1 : at]
    return text[start + 1 :]


def _expression(inner: str, parameters: _Counted, depth: int) -> str:
    inner = inner.strip()
    condition = _CONDITION.match(inner)
    if condition:
        holds = _compare(*(_expand(part.strip(), parameters, depth + 1) for part in condition.groups()))
        return _expand(_choose(inner[condition.end() :], holds), parameters, depth + 1)
    name = _NAME.match(inner)
    if not name:
        return ""
    value = parameters.get(name[0])
    rest = inner[name.end() :].lstrip()
    if not rest:
        return _expand(value, parameters, depth + 1)
    is_set = bool(_expand(value, parameters, depth + 1))
    return _expand(_choose(rest, is_set), parameters, depth + 1)


def _choose(rest: str, holds: bool) -> str:
    """Return the branch of `? {a} : {b}`, `?a` or `:b` that is taken."""
    branches = {"?": "", ":": ""}
    rest = rest.strip()
    while rest and rest[0] in branches:
        mark, rest = rest[0], rest[1:].lstrip()
        if rest.startswith("{"):
            inner = _balanced(rest, 0)
            branches[mark], rest = inner.strip(), rest[len(inner) + 2 :].lstrip()
        else:
            branches[mark], rest = rest, ""
    return branches["?" if holds else ":"]


def _compare(left: str, operator: str, right: str) -> bool:
    if operator.endswith("level"):
        one, other = _level(left), _level(right)
    elif left.isdigit() and right.isdigit():
        one, other = (int(left),), (int(right),)
    else:
        return {"==": left == right, "!=": left != right}.get(operator, left < right)
    bare = operator.removesuffix("level")
    return {
        "<": one < other,
        "<=": one <= other,
        ">": one > other,
        ">=": one >= other,
        "==": one == other,
    }.get(bare, one != other)


def _level(text: str) -> tuple[int, ...]:
    """A compatibility_level, 3.6 or 2."""
    return tuple(int(part) for part in text.split(".") if part.isdigit()) or (0,)
