"""What strangers wrote reaches neither terminal nor pipe as it is: it is written out, on one line."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.home import Home, Result, write

COUNTED = "hostile inputs"

EVIL = "\x1b[2J\x07\x9b1m\u202eevil\u2066\u2028\r\ncertctl: hint: sudo evil"
SHOWN = "\\x1b[2J\\x07\\x9b1m\\u202eevil\\u2066\\u2028\\r\\ncertctl: hint: sudo evil"
PROGRAM = r"printf '\033[2J\007\302\2331m\342\200\256evil\342\200\250\r\ncertctl: hint: sudo evil\n'; exit 1"


def harmless(result: Result) -> str:
    """All that was printed, after a look that a terminal would obey none of it."""
    for line in result.text.split("\n"):
        assert line.isprintable(), repr(line)
        assert not line.startswith("certctl: hint: sudo"), result.text
    return result.text


@pytest.fixture
def broken(home: Home) -> Home:
    """A certificate whose issuer and hook fail with hostile words, so that they are in state and journal."""
    home.script("hook", PROGRAM)
    home.config(
        'certificate.a = {names = ["a.example"], file = [{path = "a.pem", hooks = ["h"]}]}\n'
        'hook.h.command = ["./hook"]\n'
    )
    home("run", code=1)
    path = home / "state/state/a.json"
    state = json.loads(path.read_text())
    assert state["failures"] == []
    failure = {"kind": "issue", "subject": "le", "message": EVIL, "hint": EVIL, "attempts": 1, "basis": ""}
    state["failures"] = [{**failure, "at": "2026-01-01T00:00:00Z", "retry_at": "2999-01-01T00:00:00Z"}]
    state["renewal_wanted"] = True
    path.write_text(json.dumps(state, ensure_ascii=False))
    with open(home / "state/journal.jsonl", "a", encoding="utf-8") as file:
        event = {"at": "2026-01-01T00:00:00Z", "event": "issue-failed", "subject": "a", "error": EVIL}
        file.write(json.dumps(event, ensure_ascii=False) + "\n")
    return home


@pytest.mark.parametrize("command", ["status", "plan", "log"])
def test_what_is_kept(broken: Home, command: str) -> None:
    """A failure in the state and an event in the journal are read, and not obeyed; JSON says all of it."""
    assert SHOWN in harmless(broken(command))
    told = broken(command, "--json")
    harmless(told)
    assert any(EVIL in text for text in _strings(told.json))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("command", ["hooks", "status", "log", "hooks run h", "run"])
def test_what_a_hook_says(broken: Home, command: str) -> None:
    """A hook's output is shown, and no line of it can be taken for one of certctl's."""
    text = harmless(broken(*command.split(), code=None))
    assert "evil" in text or command == "run"


def test_journal_on_a_terminal(broken: Home) -> None:
    """The journal's own lines can be shown by cat."""
    broken("run", code=1)
    for line in (broken / "state/journal.jsonl").read_text().split("\n")[:-1]:
        event = json.loads(line)
        assert line.isprintable() or event.get("error") == EVIL, line


def test_report(broken: Home) -> None:
    """The page has no character that turns the direction of writing, and no control character."""
    page = broken("report").out
    assert page.replace("\n", "").isprintable()
    assert "evil" in page


def test_peer(home: Home) -> None:
    """A peer whose feed cannot be had, and whose state says so in hostile words, is listed harmlessly."""
    key = "p256:" + "A" * 86
    home.config(f'peer."p.example" = {{feed = "feed.jws", key = "{key}", map = "map", hooks = []}}\n')
    (home / "feed.jws").write_bytes(b"\x1b[2J\xe2\x80\xae.e.e")
    for command in (["peers"], ["peers", "--dry-run"], ["status"], ["peers", "--json"]):
        harmless(home(*command, code=None))
    path = home / "state/peers/p.example.json"
    known = json.loads(path.read_text())
    known["failure"]["message"] = EVIL
    path.write_text(json.dumps(known))
    assert SHOWN in harmless(home("status", code=None))


def test_fingerprints_of_a_file(home: Home) -> None:
    """A file's name and what stands in it are told without being obeyed."""
    name = "evil\x1b[2J\u202e.pem"
    (home / name).write_text(f"-----BEGIN {EVIL}-----\n")
    assert "\\x1b[2J" in harmless(home("fingerprints", "--file", name, code=1))
    pem = home("fingerprints", "--file", "no\nsuch\x1b", code=None)
    assert "no\\nsuch\\x1b" in harmless(pem)


def test_doctor(home: Home) -> None:
    """A server's configuration that names hostile files is doctored harmlessly."""
    (home / "postfix").mkdir()
    settings = f"smtpd_tls_chain_files = /none\x1b[2J\u202e\x9b\nsmtpd_tls_security_level = {EVIL[:12]}\n"
    write(home / "postfix/main.cf", settings)
    harmless(home("doctor", "--postfix", "postfix", code=None))
    harmless(home("doctor", "--postfix", "postfix", "--json", code=None))


@pytest.fixture
def evil_server() -> Iterator[int]:
    """A mail server that greets with what a terminal would obey."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    there, _ = listener.accept()
                except OSError:
                    return
                with there:
                    there.sendall(b"554 \x1b[2J\x07\xc2\x9b\xe2\x80\xaeevil\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_probe(home: Home, evil_server: int) -> None:
    """What a server greets with is shown, and not obeyed."""
    url = f"smtp://127.0.0.1:{evil_server}"
    assert "evil" in harmless(home("probe", url, code=1))
    harmless(home("probe", url, "--json", code=1))


def test_account(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a CA says of an account is shown, and not obeyed."""
    from certctl.cli.commands.issuers import show_account
    from certctl.cli.console import Console

    show_account(Console(), {"issuer": "le", "status": EVIL, "contact": [EVIL]})
    out = capsys.readouterr().out
    assert out == f"issuer            le\nstatus            {SHOWN}\ncontact           {SHOWN}\n"


def test_bug(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is told with its traceback, harmlessly, and as the command's JSON document."""
    from certctl.cli import main
    from certctl.cli.commands import log

    def fail(*_: object) -> int:
        raise ValueError(EVIL)

    monkeypatch.setattr(log, "log", fail)
    assert main.main(["log", "--json"]) == 1
    told = capsys.readouterr()
    harmless(Result(1, told.out, told.err))
    assert "certctl: error: internal error: ValueError" in told.err
    assert json.loads(told.out)["error"]["message"].startswith("internal error")
