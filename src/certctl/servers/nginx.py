"""An nginx's configuration: its server blocks, each with what it inherits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from certctl.errors import CertctlError
from certctl.servers.files import read_text
from certctl.servers.nginx_form import Directive, parse_nginx

_CONTEXTS = ("http", "mail", "stream")


class Server(NamedTuple):
    """A server block with what it inherits: the directives of the blocks around it, outermost first."""

    context: str
    """http | mail | stream"""
    directive: Directive
    levels: tuple[list[Directive], ...]
    base: str
    """The directory that relative names are below."""

    def all(self, name: str) -> list[Directive]:
        """The directives *name* that hold here: those of the innermost level that has any."""
        for level in reversed(self.levels):
            found = [one for one in level if one.name == name]
            if found:
                return found
        return []

    @property
    def speaks_tls(self) -> bool:
        listens = any("ssl" in one.arguments or "quic" in one.arguments for one in self.all("listen"))
        switched = any(one.arguments[:1] == ("on",) for one in self.all("ssl"))
        starttls = any(one.arguments[:1] in (("on",), ("only",)) for one in self.all("starttls"))
        return listens or switched or starttls

    @property
    def subject(self) -> str:
        """Where it stands, for people."""
        names = self.all("server_name")
        name = f" ({names[0].arguments[0]})" if names and names[0].arguments else ""
        return f"nginx {self.directive.path} line {self.directive.line}{name}"

    def file(self, directive: Directive) -> str:
        """The file that a directive names; empty for variables, engines and inline data."""
        name = directive.arguments[0] if directive.arguments else ""
        if not name or "$" in name or name.startswith(("data:", "engine:", "store:")):
            return ""
        return os.path.join(self.base, name)


def read_nginx(path: str) -> list[Server]:
    """Read the server blocks of the configuration *path*. Raises CertctlError if it cannot be read."""
    text = read_text(path)
    if text is None:
        raise CertctlError(f"cannot read {path}", hint="name the file: --nginx /etc/nginx/nginx.conf")
    base = os.path.dirname(os.path.abspath(path))
    return list(_servers(parse_nginx(text, path, base), base))


def _servers(tree: list[Directive], base: str) -> Iterator[Server]:
    for context in tree:
        if context.name in _CONTEXTS and context.block is not None:
            for one in context.block:
                if one.name == "server" and one.block is not None:
                    yield Server(context.name, one, (tree, context.block, one.block), base)
