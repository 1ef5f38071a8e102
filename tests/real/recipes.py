"""Pages of documentation that are recipes: every block on them is done, in order, on hosts of their own.

A page is read from top to bottom, and nothing in a fence is left out:

- a `sh` block is typed into a shell as it stands, and every command of it must succeed;
- a `console` block has commands after `$ `, and below each what it prints, compared as tests.transcript
  does (a command that is followed by `$ echo $?` may fail);
- any other block goes into a file: the sentence above it ends with a colon, and the last path in backticks in
  it is the file. `.toml`: tables of the same name are replaced, others are added. Other files are written
  anew, or extended where that sentence says "add" or "added".

What is shortened with `…` in a command or in a file is pasted, as a reader does, from what was printed
before: the last lines that look like it, or the last word that begins like it.

Comments that no reader sees set the stage:

- `<!-- on HOST -->`: what follows is done on another host;
- `<!-- later 14d -->`: time passes, for certctl on all hosts;
- `<!-- copy HOST:FILE HOST:FILE -->`: what the text says to copy;
- `<!-- hidden` … `-->`: commands that would be in a reader's way.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from tests.real.booted import Booted
from tests.transcript.compare import difference

DOCS = Path(__file__).parents[2] / "docs"
AHEAD = "/run/certctl-tests-ahead"

# What `booted` puts there, but for the clock, which may be ahead.
_CERTCTL = f"""\
#!/certctl-venv/bin/python
import datetime, os, sys
sys.path.insert(0, "/certctl/src")
if os.path.exists("{AHEAD}"):
    from certctl.app import wiring
    from certctl.system import clocks
    seconds = float(open("{AHEAD}").read())
    real, up, ahead = wiring.clock, clocks.uptime, datetime.timedelta(seconds=seconds)
    wiring.clock, clocks.uptime = lambda: real() + ahead, lambda: up() + seconds
from certctl.cli.main import entry
sys.exit(entry())
"""
_COMMENT = re.compile(r"<!-- (?P<verb>on|later|copy) (?P<words>\S+(?: \S+)?) -->$")


class Step(NamedTuple):
    """One thing to do."""

    place: str
    """Page and line, for whoever mends it."""
    section: str
    host: str
    kind: str
    """sh, console, file, add, later, copy"""
    text: str
    path: str = ""


class Fence(NamedTuple):
    """A fenced block or a comment of several lines."""

    kind: str
    body: list[str]


def read_page(page: Path, host: str) -> list[Step]:
    """Return everything that *page* says to do, beginning on *host*; complain of what cannot be done."""
    steps: list[Step] = []
    section = ""
    paragraph: list[str] = []
    above = ""
    numbered = enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
    for number, line in numbered:
        place = f"{page.name}:{number}"
        if line.startswith("#"):
            section = line.lstrip("# ")
        elif line.startswith("```") or line == "<!-- hidden":
            fence = _fence(line, (text for _, text in numbered), place)
            kind, path = _kind(fence.kind, " ".join(paragraph), place)
            steps.append(Step(place, section, host, kind, "\n".join(fence.body) + "\n", path))
        elif line.startswith("<!--"):
            comment = _COMMENT.match(line)
            assert comment, f"{place}: {line} is no comment of a recipe"
            if comment["verb"] == "on":
                host = comment["words"]
            else:
                steps.append(Step(place, section, host, comment["verb"], comment["words"]))
        elif line:
            assert "```" not in line and not line.startswith(("    ", "\t")), f"{place}: a block in disguise"
            paragraph = [*paragraph, line] if [above] == paragraph[-1:] else [line]
        above = line
    return steps


def _fence(first: str, lines: Iterator[str], place: str) -> Fence:
    kind, end = ("sh", "-->") if first == "<!-- hidden" else (first[3:], "```")
    body: list[str] = []
    for line in lines:
        if line == end:
            return Fence(kind, body)
        body.append(line)
    raise AssertionError(f"{place}: no end")


def _kind(fence: str, prose: str, place: str) -> tuple[str, str]:
    """What to do with a block of the kind *fence*, and with which file, by the paragraph above it."""
    if fence in ("sh", "console"):
        return fence, ""
    sentence = re.split(r"(?<=[.!?]) ", prose)[-1]
    paths = re.findall(r"`(/[^`\s]+)`", sentence)
    assert prose.endswith(":") and paths, f"{place}: which file this goes to is not said above it"
    return ("add" if re.search(r"\badd(?:ed)?\b", sentence, re.IGNORECASE) else "file"), paths[-1]


def merge_tables(old: str, new: str) -> str:
    """Return the TOML text *old* with the tables of *new* in the place of those of the same name."""
    wanted: dict[str, str] = {}
    for header, text in _tables(new):
        wanted[header] = wanted.get(header, "") + text
    merged: dict[str, str] = {}
    for number, (header, text) in enumerate(_tables(old)):
        merged[header if header in wanted else f"{number} {header}"] = wanted.get(header, text)
    return "\n".join(f"{text.rstrip()}\n" for text in {**merged, **wanted}.values())


def _tables(text: str) -> list[tuple[str, str]]:
    """Header and text of each table; before the first header it is ""."""
    pieces = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
    return [(piece.partition("\n")[0] if piece[0] == "[" else "", piece) for piece in pieces if piece.strip()]


class Recipe:
    """Hosts, and a page that is done on them."""

    def __init__(self, page: Path, hosts: Mapping[str, Booted], *, before: str = ":") -> None:
        """*before* is a command that runs before each command of the page."""
        self.page, self.hosts, self.before = page, hosts, before
        self.printed: list[str] = []
        self.machines = list({machine.pid: machine for machine in hosts.values()}.values())
        for machine in self.machines:
            machine.sh("cat >/usr/local/bin/certctl", _CERTCTL)

    def follow(self, proofs: Mapping[str, Callable[[], object]]) -> int:
        """Do the page section by section, beginning on the first host; return how many steps it had.

        *proofs*: section → what must be true after it. A section with something to do and without a proof
        fails, and so does a proof without its section.
        """
        steps = read_page(self.page, next(iter(self.hosts)))
        sections = list(dict.fromkeys(step.section for step in steps))
        assert sections == list(proofs), "each section of the page is proved"
        for section in sections:
            for step in steps:
                if step.section == section:
                    self.do(step)
            proofs[section]()
        return len(steps)

    def do(self, step: Step) -> None:
        """Do one step; what fails is told with its place on the page."""
        assert step.host in self.hosts, f"{step.place}: there is no host {step.host}"
        if step.kind == "sh":
            self._type(step, step.text, "-euo pipefail")
        elif step.kind == "console":
            for command, expected in console(step):
                wrong = difference(expected, self._type(step, command, "-uo pipefail"))
                assert wrong is None, f"{step.place}: {command}\n{wrong}"
        elif step.kind == "later":
            self.later(step.text)
        elif step.kind == "copy":
            (source, path), (target, new) = (word.split(":") for word in step.text.split())
            self.hosts[target].sh(f"umask 077; cat >{new}", self.hosts[source].sh(f"cat {path}"))
        else:
            self._write(step)

    def later(self, duration: str) -> None:
        """Let time pass, for certctl on all hosts."""
        for machine in self.machines:
            ahead = f"$(cat {AHEAD} 2>/dev/null || echo 0) + {seconds(duration)}"
            machine.sh(f"echo $(({ahead})) >{AHEAD}")

    def _type(self, step: Step, text: str, options: str) -> list[str]:
        """Type *text* into a root shell; return the lines that it printed."""
        script = f"trap {shlex.quote(self.before)} DEBUG\n{self._paste_words(text)}"
        try:
            printed = self.hosts[step.host].sh(
                f"exec 2>&1; cd /root; exec bash {options} -c {shlex.quote(script)}"
            )
        except AssertionError as error:
            raise AssertionError(f"{step.place}: {error}") from None
        lines = printed.splitlines()
        self.printed += lines
        return lines

    def _write(self, step: Step) -> None:
        machine, path = self.hosts[step.host], shlex.quote(step.path)
        text = self._paste_lines(step.text, step.place)
        if step.kind == "file" and step.path.endswith(".toml"):
            text = merge_tables(machine.sh(f"cat {path} 2>/dev/null || :"), text)
        machine.sh(f"umask 022; cat >{'>' if step.kind == 'add' else ''}{path}", text)

    def _paste_lines(self, text: str, place: str) -> str:
        """Put what was printed last into the place of each run of shortened lines that looks like it."""
        pasted: list[str] = []
        for shortened, run in groupby(text.splitlines(), key=lambda line: "…" in line):
            lines = list(run)
            starts = range(len(self.printed) - len(lines), -1, -1) if shortened else ()
            fitting = [at for at in starts if difference(lines, self.printed[at : at + len(lines)]) is None]
            assert fitting or not shortened, f"{place}: nothing like this was printed before"
            pasted += self.printed[fitting[0] : fitting[0] + len(lines)] if shortened else lines
        return "".join(f"{line}\n" for line in pasted)

    def _paste_words(self, text: str) -> str:
        words = " ".join(self.printed).split()
        return re.sub(r"([^\s'\"]+)…", lambda cut: [one for one in words if one.startswith(cut[1])][-1], text)


def seconds(duration: str) -> int:
    """`14d` or `2h` in seconds."""
    return int(duration[:-1]) * {"h": 3600, "d": 86400}[duration[-1]]


def console(step: Step) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands of a console block, each with the lines that it must print.

    A command must succeed, unless `$ echo $?` follows it.
    """
    found: list[tuple[str, list[str]]] = []
    for line in step.text.splitlines():
        if line == "$ echo $?":
            found[-1] = (f"{found[-1][0]}\nprintf '%s\\n' $?", found[-1][1])
        elif line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, f"{step.place}: output without a command"
            found[-1][1].append(line)
    yield from found
