"""The arrows between modules, and what only certain modules may do, read off the source."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).parents[2] / "src/certctl"
MODULES = sorted(SOURCE.rglob("*.py"))

ADAPTERS = ("store", "issuers", "announce", "peers", "deploy", "dhparam", "doctor")
INWARD = ("planning", "x509", "core", "ports", "errors", "system", "dns", "__version__", "store.atomic")
# What each part may import of certctl, besides itself. "*": everything.
ALLOWED = {
    "errors": ("system",),
    "system": ("errors",),
    "dns": ("errors", "system"),
    "x509": ("errors",),
    "planning": ("x509", "errors"),
    "core": ("errors",),
    "ports": ("planning", "x509", "errors"),
    "config": ("planning", "x509", "core", "errors", "system"),
    "engine": ("planning", "x509", "ports", "errors", "system"),
    **dict.fromkeys(ADAPTERS, INWARD),
    "servers": INWARD,
    "doctor": (*INWARD, "servers"),
    "report": ("planning", "errors", "system"),
    "app": ("*",),
    "onboarding": ("app", "config", "dhparam", "doctor", "issuers", "servers", "store", *INWARD),
    "sdnotify": (),
    "daemon": ("app", "planning", "errors", "config", "sdnotify", "system"),
    "cli": ("app", "planning", "errors", "config", "daemon", "onboarding", "system", "__version__"),
    "__init__": (),
    "__main__": ("start",),
    "start": ("cli",),
}
# Values of the engine that app hands on to those who show them.
OUTCOME = "engine.outcome"
# Importer (a module or a part) and what it imports although it should not; why that is borne.
EXCEPTIONS = {
    ("announce", "store.outputs"): "what is announced in files has their checks, modes and owners",
    ("peers", "store.outputs"): "maps that others write too have its checks",
    ("cli/console.py", OUTCOME): "shows events",
    ("daemon.py", OUTCOME): "reports events",
    ("cli/arguments.py", "dhparam.progress"): "shows the progress of a search",
    ("cli/commands/doctor.py", "doctor.finding"): "shows findings",
    ("cli/commands/doctor.py", "doctor.run"): "names what was looked at",
    ("cli/commands/probe.py", "deploy.probe"): "tells what is served",
    ("cli/commands/hooks.py", "ports"): "shows how a hook ended",
    ("cli/commands/log.py", "store.journal"): "reads what people are to read",
    ("cli/commands/log.py", "store.layout"): "where that is",
}

# Beside the standard library; what is not listed here imports that and certctl only.
THIRD_PARTY: dict[str, set[str]] = {
    "system": set(),
    "dns": {"dns"},
    "planning": set(),
    "x509": {"cryptography"},
    "core": set(),
    "config": {"idna"},
    "store": set(),
    "engine": set(),
    "app": set(),
    "cli": set(),
    "ports": set(),
    "daemon": {"apscheduler"},
}

HEAVY = (
    *("cryptography", "acme", "josepy", "OpenSSL", "apscheduler", "requests", "urllib3", "dns", "tomlkit"),
    *("subprocess", "logging", "threading", "dataclasses", "pathlib", "tempfile", "shutil"),
    *("asyncio", "email", "http"),
)


class Import(NamedTuple):
    """One import, wherever in the module it stands."""

    line: int
    name: str
    """With what is imported from it: certctl.x509.pem, certctl.x509.pem.blocks."""


def tree(path: Path) -> ast.Module:
    return _tree(path, path.stat().st_mtime_ns)


@cache
def _tree(path: Path, _: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[Import]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{short(path)}:{node.lineno}: imports are absolute"
            yield from (Import(node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def short(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def part(path: Path) -> str:
    """The part of certctl that a module belongs to: the directory, or the module's own name."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def within(name: str, allowed: str) -> bool:
    return allowed == "*" or name == allowed or name.startswith(f"{allowed}.")


def borne(path: Path, name: str) -> list[tuple[str, str]]:
    """The exceptions that cover an import of *name*."""
    return [e for e in EXCEPTIONS if within(name, e[1]) and e[0] in (short(path), part(path))]


def crossings(path: Path) -> Iterator[tuple[Import, str]]:
    """The imports of other parts of certctl that the table does not allow, without "certctl."."""
    own = part(path)
    assert own in ALLOWED, f"{short(path)}: what may {own} import? It is not in the table"
    for found in imports(path):
        if found.name.split(".")[0] == "certctl":
            name = found.name.removeprefix("certctl.")
            allowed = (own, *ALLOWED[own])
            if not any(within(name, one) for one in allowed):
                yield found, name


def test_imports_point_inward() -> None:
    """Planning knows X.509 only, the engine no adapter, an adapter no other one, and the CLI only the app."""
    wrong = [
        f"{short(path)}:{found.line} imports {name}"
        for path in MODULES
        for found, name in crossings(path)
        if not borne(path, name)
    ]
    assert not wrong
    assert any(crossings(SOURCE / "cli/commands/log.py")), "the check sees nothing"


def needs(path: Path, modules: Mapping[str, Path]) -> set[str]:
    """The modules of certctl that *path* imports, late imports too; not those for type checkers alone."""
    unreal = {
        line
        for node in ast.walk(tree(path))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    names = [found.name for found in imports(path) if found.line not in unreal]
    return {name if name in modules else name.rpartition(".")[0] for name in names} & set(modules)


def test_no_module_needs_itself() -> None:
    """There is no circle of imports, not even one that late imports hide."""
    modules = {f"certctl.{short(path).removesuffix('.py').replace('/', '.')}": path for path in MODULES}
    modules = {name.removesuffix(".__init__"): path for name, path in modules.items()}
    graph = {name: needs(path, modules) - {name} for name, path in modules.items()}
    assert "certctl.app.tools" in graph["certctl.app.wiring"], "the check sees no late imports"
    order = tuple(TopologicalSorter(graph).static_order())
    assert set(order) == set(modules)


def test_exceptions_are_needed() -> None:
    """An exception that nobody needs any more goes."""
    needed = {e for path in MODULES for _, name in crossings(path) for e in borne(path, name)}
    assert set(EXCEPTIONS) == needed


def test_third_party_imports() -> None:
    """Only adapters bring other people's packages; what is pure or always loaded does without."""
    ours = {"certctl", *sys.stdlib_module_names}
    wrong = [
        f"{short(path)}:{found.line} imports {found.name}"
        for path in MODULES
        for found in imports(path)
        if part(path) in THIRD_PARTY and found.name.split(".")[0] not in ours | THIRD_PARTY[part(path)]
    ]
    assert not wrong


def test_only_dns_knows_dnspython() -> None:
    """What asks the DNS gets and gives plain values, so that it can be done by another process."""
    found = {part(path) for path in MODULES for one in imports(path) if within(one.name, "dns")}
    assert found == {"dns"}


WRITING_OS = {
    *("rename", "renames", "replace", "link", "symlink", "unlink", "remove", "rmdir", "removedirs"),
    *("mkdir", "makedirs", "mkfifo", "mknod", "chmod", "fchmod", "lchmod", "chown", "fchown", "lchown"),
    *("truncate", "utime", "setxattr", "removexattr"),
}
WRITING_METHODS = {
    *("write_text", "write_bytes", "touch", "symlink_to", "hardlink_to", "mkdir", "rmdir", "unlink"),
}
WRITING_FLAGS = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"}
MAY_WRITE = {
    "store/atomic.py": "the one place",
    "app/rehearsal.py": "a throw-away directory for what an issuer notes, never to be kept",
}
HARMLESS_SHUTIL = {"which", "get_terminal_size", "disk_usage"}


def writes(path: Path) -> Iterator[str]:
    """Whatever opens a file for writing, or changes a directory."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and _writes(node):
            yield f"{short(path)}:{node.lineno} {ast.unparse(node)[:70]}"
    for found in imports(path):
        if found.name.split(".")[0] == "tempfile" or found.name.startswith(("os.", "shutil.")):
            name = found.name.split(".")[-1]
            if name not in HARMLESS_SHUTIL | {"path"}:
                yield f"{short(path)}:{found.line} import {found.name}"


def _writes(call: ast.Call) -> bool:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id == "open" and _mode_writes(call)
    if not isinstance(function, ast.Attribute):
        return False
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    if owner == "os" and function.attr == "open":
        words = {node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)}
        return bool(words & WRITING_FLAGS) and "devnull" not in words
    if owner == "os" and function.attr == "fdopen":
        return _mode_writes(call)
    if owner == "os":
        return function.attr in WRITING_OS
    if owner == "shutil":
        return function.attr not in HARMLESS_SHUTIL
    return function.attr in WRITING_METHODS


def _mode_writes(call: ast.Call) -> bool:
    given = call.args[1:2] + [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    if not given:
        return False
    mode = given[0]
    return not (isinstance(mode, ast.Constant) and set(str(mode.value)) <= set("rbt"))


def test_only_store_atomic_writes() -> None:
    """Nobody else opens a file for writing, renames, or changes a mode: so all of it is durable and seen."""
    assert not [line for path in MODULES if short(path) not in MAY_WRITE for line in writes(path)]
    assert all(any(writes(SOURCE / name)) for name in MAY_WRITE), "an exception that nobody needs"


def speaks(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        words = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Call | ast.Name) else ""
        call = isinstance(node, ast.Call) and words.startswith(("print(", "exit(", "quit(", "input("))
        if call or words in ("sys.exit", "os._exit", "SystemExit", "sys.stdout", "sys.stderr"):
            yield f"{short(path)}:{getattr(node, 'lineno', '?')} {words[:60]}"


def test_only_cli_prints_or_exits() -> None:
    """The rest returns values; the search's worker alone answers on a pipe, as a process of its own."""
    # start, where not even the cli can be loaded; a child, which answers on its socket.
    allowed = {"start.py", "system/child.py"}
    quiet = [path for path in MODULES if part(path) != "cli" and short(path) not in allowed]
    assert not [line for path in quiet for line in speaks(path)]


TEXTS = {"reason", "message", "hint", "problem", "trouble", "doubt", "conflict", "output"}
LOOKING = {"startswith", "endswith", "find", "index", "count", "removeprefix", "removesuffix"}
PROSE = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
MAY_READ_TEXT = {
    "cli/commands/probe.py": "an address that the message names is not told twice",
    "onboarding/tools/pairs.py": "a path that the message names is not told twice",
    "config/file.py": "what tomllib says has no fields",
    "onboarding/setups/exim.py": "what exim says has no fields",
    "system/pool.py": "python has no class for the lack of a thread",
    "system/surprise.py": "nor for that",
}


def is_text(node: ast.expr) -> bool:
    """Whether *node* is what is told to people: hold.reason, str(error.message)[:9], or a sentence."""
    if isinstance(node, ast.Call):
        method = isinstance(node.func, ast.Attribute) and is_text(node.func.value)
        return method or (ast.unparse(node.func) == "str" and any(map(is_text, node.args)))
    if isinstance(node, ast.Subscript):
        return is_text(node.value)
    if isinstance(node, ast.Tuple):
        return any(map(is_text, node.elts))
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and bool(PROSE.search(node.value))
    return isinstance(node, ast.Attribute) and node.attr in TEXTS


def reads_text(path: Path) -> Iterator[str]:
    """Whatever looks into a text, or compares it with words, to decide."""
    for node in ast.walk(tree(path)):
        found = False
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            # Whether there is a text at all, and whether it is the same one, are facts.
            nothing = any(isinstance(side, ast.Constant) and not side.value for side in sides)
            one = all(isinstance(side, ast.Attribute) for side in sides)
            found = any(map(is_text, sides)) and not (nothing or one)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            parts = [node.func.value, *node.args]
            found = node.func.attr in LOOKING and any(map(is_text, parts))
        if found:
            yield f"{short(path)}:{getattr(node, 'lineno', '?')} {ast.unparse(node)[:70]}"


def test_nobody_decides_by_prose() -> None:
    """What is told to people is made of facts at the end; code that branches asks the facts."""
    assert not [line for path in MODULES if short(path) not in MAY_READ_TEXT for line in reads_text(path)]
    assert all(any(reads_text(SOURCE / name)) for name in MAY_READ_TEXT), "an exception that nobody needs"


def test_files_are_short() -> None:
    """A file fits into a head: 400 lines are the end."""
    lines = {short(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert not {name: count for name, count in lines.items() if count > 400}


CONFIG = """\
state_dir = "state"
[certificate.mx1]
names = ["mx1.example.org"]
hold_down = "7d"
[[certificate.mx1.file]]
path = "mx1.pem"
hooks = ["true"]
[dhparam.dh]
path = "dh.pem"
source = "ffdhe"
[hook.true]
command = ["true"]
"""

COMMAND = """\
import sys
before = set(sys.modules)
from certctl.cli.main import main
try:
    sys.exit(main(sys.argv[1:]))
finally:
    sys.stderr.write("\\n" + " ".join(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
"""


def certctl(directory: Path, *arguments: str) -> set[str]:
    """Run a command in *directory*; returns the top-level modules that it loaded."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CERTCTL_")}
    process = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return set(process.stderr.splitlines()[-1].split())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which a pass has been run."""
    directory = tmp_path_factory.mktemp("served")
    (directory / "certctl.toml").write_text(CONFIG, encoding="utf-8")
    assert "cryptography" in certctl(directory, "run"), "the check sees nothing"
    return directory


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "--version",
        "status",
        "status --json",
        "plan",
        "plan --json",
        "fingerprints",
        "fingerprints --format policy",
        "hooks",
        "log",
        "rotate --help",
        "run",
    ],
)
def test_quick_commands_load_little(served: Path, command: str) -> None:
    """What people and scripts ask often, and a pass with nothing to do, starts in milliseconds."""
    loaded = certctl(served, *command.split())
    assert "certctl" in loaded
    assert not loaded & set(HEAVY)


def test_lost_files_are_written_without_taking_certificates_apart(served: Path) -> None:
    """What an earlier pass verified is written again for its bytes: no parsing, no signatures."""
    path = served / "mx1.pem"
    before = path.read_bytes()
    path.unlink()
    assert "cryptography" not in certctl(served, "run")
    assert path.read_bytes() == before
