"""Options may stand before, between and behind the words of a command."""

from __future__ import annotations

import shlex

import pytest

from certctl.cli import parser
from certctl.errors import UsageError


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("peers add --yes --name bob https://bob.test/pins", {"action": "add", "yes": True, "name": "bob"}),
        ("peers --dry-run sync", {"action": "sync", "dry_run": True}),
        ("peers --dry-run", {"action": "sync", "what": []}),
        ("probe mx1 --dane smtp://mx.test", {"what": ["mx1", "smtp://mx.test"], "dane": True}),
        ("import certbot --dry-run /etc/letsencrypt", {"tool": "certbot", "path": "/etc/letsencrypt"}),
        ("hooks run --wait 5 postfix --json", {"action": "run", "name": "postfix", "json": True}),
        ("rotate mx1 --force mx2", {"names": ["mx1", "mx2"], "force": True}),
        ("plan mx1 --check mx2", {"names": ["mx1", "mx2"], "check": True}),
    ],
)
def test_any_order(line: str, words: dict[str, object]) -> None:
    """No word is lost, wherever the options stand."""
    found = vars(parser.build(line.partition(" ")[0]).parse_args(shlex.split(line)))
    assert {name: found[name] for name in words} == words


@pytest.mark.parametrize("line", ["ack mx1 --wait 5 bob eve", "plan mx1 --nonsense mx2", "peers x --yes y"])
def test_what_is_too_much(line: str) -> None:
    """What a command does not know is refused all the same."""
    with pytest.raises(UsageError):
        parser.build(line.partition(" ")[0]).parse_args(line.split())
