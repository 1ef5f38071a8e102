"""A program of the user's own gets a request and no key, and only a clean chain of it is taken."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.issuers import program
from certctl.issuers.command import CommandIssuer
from certctl.issuers.private_ca import PrivateCaIssuer
from certctl.planning.spec import CommandOptions, IssuerSpec
from certctl.ports import Issued, IssueRequest
from certctl.store.keys import generate
from certctl.system import programs
from certctl.x509.keys import request_facts
from tests.unit.issuer_world import NAMES, checked, issued, openssl_verify, request

KEY = generate("ecdsa-p256")


def script(directory: Path, text: str, shell: str = "#!/bin/sh") -> str:
    path = directory / "sign"
    path.write_text(f"{shell}\n{text}\n")
    path.chmod(0o755)
    return str(path)


def issuer(*command: str, timeout: float = 20.0) -> CommandIssuer:
    options = CommandOptions(command, timeout)
    return CommandIssuer(IssuerSpec("vault", "command", command=options), "/nonexistent/home")


class Signed:
    """A CA's answer to one request, lying in files for a script to print."""

    def __init__(self, directory: Path) -> None:
        self.asked = request(directory, key_pem=KEY)
        office = PrivateCaIssuer(IssuerSpec("office", "private-ca"), str(directory / "ca"))
        self.answer: Issued = issued(office.issue(self.asked))
        assert self.answer.root is not None
        self.root = directory / "root.pem"
        self.leaf = directory / "leaf.pem"
        self.middle = directory / "middle.pem"
        self.root.write_bytes(self.answer.root)
        self.leaf.write_bytes(self.answer.chain[0])
        self.middle.write_bytes(self.answer.chain[1])


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    return Signed(tmp_path)


def refused(signing: CommandIssuer, asked: IssueRequest) -> str:
    with pytest.raises(CertctlError) as raised:
        signing.issue(asked)
    return raised.value.message


def test_openssl_as_the_program(tmp_path: Path) -> None:
    """A script around OpenSSL signs the request that comes on its standard input."""
    text = f"""
cd {tmp_path}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \\
    -subj "/CN=Test CA" -addext keyUsage=critical,keyCertSign -days 30 2>/dev/null
openssl x509 -req -in /dev/stdin -CA ca.pem -CAkey ca.key -days 30 -copy_extensions copy -text
cat ca.pem"""
    asked = request(tmp_path)
    answer = issuer(script(tmp_path, text)).issue(asked)
    assert answer.root == (tmp_path / "ca.pem").read_bytes()
    assert len(answer.chain) == 1
    # OpenSSL signs by its own clock, whatever the request says.
    now = datetime.now(timezone.utc)
    assert openssl_verify(tmp_path, answer, "-verify_hostname", "mx.example.test", now=now) == "OK"


def test_any_order_and_comments(signed: Signed, tmp_path: Path) -> None:
    """Root, intermediate and leaf in any order, with the comments of tools, come out as a chain."""
    text = f"""
echo '# made by hand'; cat {signed.root}; echo
echo 'Bag Attributes'; echo '    localKeyID: 01'; echo 'subject=CN = x'; cat {signed.middle} {signed.leaf}"""
    answer = checked(issuer(script(tmp_path, text)).issue(signed.asked), signed.asked)
    assert answer == signed.answer


def test_what_the_program_sees(signed: Signed, tmp_path: Path) -> None:
    """It gets a whole request, four variables and its arguments; no key is near it."""
    text = f"""
cat >{tmp_path}/stdin; env >{tmp_path}/env; pwd >{tmp_path}/pwd; echo "$@" >{tmp_path}/arguments
ls -l /proc/self/fd >{tmp_path}/descriptors
cat {signed.leaf} {signed.middle}"""
    issuer(script(tmp_path, text), "--role", "mail server").issue(signed.asked)
    asked = request_facts((tmp_path / "stdin").read_bytes())
    assert asked.names == NAMES
    lines = (tmp_path / "env").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines if "=" in line}
    ours = {"PATH", "CERTCTL_CERTIFICATE", "CERTCTL_ALGORITHM", "CERTCTL_NAMES"}
    assert ours <= names <= ours | {"PWD", "SHLVL", "_", "OLDPWD"}  # the shell's own
    assert "CERTCTL_CERTIFICATE=mx" in lines
    assert "CERTCTL_ALGORITHM=ecdsa-p256" in lines
    assert lines[lines.index(f"CERTCTL_NAMES={NAMES[0]}") + 1] == NAMES[1]
    assert (tmp_path / "pwd").read_text() == "/\n"
    assert (tmp_path / "arguments").read_text() == "--role mail server\n"
    seen = b"".join((tmp_path / name).read_bytes() for name in ("stdin", "env", "arguments", "descriptors"))
    assert b"PRIVATE" not in seen


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit 0", "printed nothing"),
        ("echo", "printed nothing"),
        ("echo '<!DOCTYPE html><title>502</title>'", "line 1 is neither PEM nor a comment: 33 bytes"),
        ("echo '  <html>'", "line 1 is neither PEM nor a comment"),
        ("cat LEAF MIDDLE; echo '{\"warning\": 1}'", "is neither PEM nor a comment"),
        ("cat LEAF; echo 'Warning: token expires soon'; cat MIDDLE", "'Warning: token expires soon'"),
        ("cat LEAF MIDDLE KEY", "begins a PRIVATE KEY, where only certificates belong"),
        ("echo '# nothing yet'", "there is no certificate in 14 bytes that begin with '# nothing yet'"),
        ("cat LEAF", "is missing, which signed 'CN=mx.example.test'"),
        ("cat MIDDLE ROOT", "none of 2 certificates is for the key"),
        ("head -5 LEAF", "cut off: it has no END"),
        ("cat LEAF MIDDLE | tr A B", "line"),
    ],
)
def test_dirty_output(signed: Signed, tmp_path: Path, text: str, said: str) -> None:
    """Whatever is not a chain for the key is refused, and the message shows what it was."""
    key = tmp_path / "key.pem"
    key.write_bytes(KEY)
    for word, path in (("LEAF", signed.leaf), ("MIDDLE", signed.middle), ("ROOT", signed.root), ("KEY", key)):
        text = text.replace(word, str(path))
    message = refused(issuer(script(tmp_path, text)), signed.asked)
    assert message.startswith(f"{tmp_path}/sign printed no usable chain: ")
    assert said in message


def test_key_never_in_a_message(signed: Signed, tmp_path: Path) -> None:
    """A program that prints a key instead of a chain does not get it into a log."""
    key = tmp_path / "key.pem"
    key.write_bytes(KEY)
    message = refused(issuer(script(tmp_path, f"cat {key}")), signed.asked)
    assert KEY.splitlines()[1].decode()[:20] not in message


def test_failure_shows_the_end_of_standard_error(signed: Signed, tmp_path: Path) -> None:
    """Status and the last lines that it wrote are shown, in one printable line."""
    text = "seq 1 2000 >&2; printf 'connecting\\n\\033[31mpermission denied\\n' >&2; exit 7"
    message = refused(issuer(script(tmp_path, text)), signed.asked)
    assert message.startswith(f"{tmp_path}/sign ended with status 7: ")
    assert message.endswith("1999 | 2000 | connecting | [31mpermission denied")


def test_failure_counts_even_with_a_chain(signed: Signed, tmp_path: Path) -> None:
    """A chain that comes with a failure is not taken."""
    text = f"cat {signed.leaf} {signed.middle}; exit 1"
    assert "ended with status 1" in refused(issuer(script(tmp_path, text)), signed.asked)
    text = f"cat {signed.leaf} {signed.middle}; kill -TERM $$"
    assert "ended with status 143" in refused(issuer(script(tmp_path, text)), signed.asked)


def alive(pid_file: Path) -> bool:
    pid = int(pid_file.read_text())
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def wait_until_dead(pid_file: Path) -> bool:
    deadline = time.monotonic() + 10
    while alive(pid_file) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid_file)


def test_timeout_ends_the_whole_group(signed: Signed, tmp_path: Path) -> None:
    """At the timeout the program and its children end, and the message shows what it last said."""
    text = f"sleep 100 & echo $! >{tmp_path}/child; echo 'waiting for the HSM' >&2; wait"
    start = time.monotonic()
    message = refused(issuer(script(tmp_path, text), timeout=0.5), signed.asked)
    assert message == f"{tmp_path}/sign was ended after 0.5 s: waiting for the HSM"
    assert time.monotonic() - start < 10
    assert wait_until_dead(tmp_path / "child")


def test_program_that_ignores_sigterm(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever does not end when asked is ended."""
    monkeypatch.setattr(program, "GRACE", 0.3)
    text = f"trap '' TERM; echo $$ >{tmp_path}/child; while :; do sleep 1; done"
    assert "was ended after 0.3 s" in refused(issuer(script(tmp_path, text), timeout=0.3), signed.asked)
    assert wait_until_dead(tmp_path / "child")


def test_child_that_stays_behind(signed: Signed, tmp_path: Path) -> None:
    """A child that holds the pipe open delays nothing, and ends with the program."""
    text = f"sleep 100 & echo $! >{tmp_path}/child; cat {signed.leaf} {signed.middle}"
    start = time.monotonic()
    issuer(script(tmp_path, text)).issue(signed.asked)
    assert time.monotonic() - start < 5
    assert wait_until_dead(tmp_path / "child")


@pytest.mark.parametrize("stream", ["", ">&2"])
def test_endless_output(signed: Signed, tmp_path: Path, stream: str) -> None:
    """Output without end costs neither memory nor time."""
    signing = issuer(script(tmp_path, f"exec yes {stream}"), timeout=1.0)
    expected = "was ended after 1 s" if stream else "printed more than 1048576 bytes"
    assert expected in refused(signing, signed.asked)


def test_request_need_not_be_read(signed: Signed, tmp_path: Path) -> None:
    """A program that closes its standard input unread is no failure."""
    text = f"exec <&-; cat {signed.leaf} {signed.middle}"
    checked(issuer(script(tmp_path, text)).issue(signed.asked), signed.asked)


@pytest.mark.parametrize(
    ("mode", "said", "hint"),
    [
        (0o757, "may be written by everybody", "chmod o-w"),
        (0o644, "is not executable", "chmod 755"),
    ],
)
def test_unsafe_program(signed: Signed, tmp_path: Path, mode: int, said: str, hint: str) -> None:
    """A program that others may change is not run, and the chmod to type is shown."""
    path = script(tmp_path, f"cat {signed.leaf} {signed.middle}")
    Path(path).chmod(mode)
    with pytest.raises(CertctlError, match=said) as raised:
        issuer(path).issue(signed.asked)
    assert raised.value.hint == f"{hint} {path}"


def test_program_in_an_open_directory(signed: Signed, tmp_path: Path) -> None:
    """A directory in which others may put another program in its place is refused, also behind a link."""
    place = tmp_path / "open"
    place.mkdir()
    path = script(place, f"cat {signed.leaf} {signed.middle}")
    place.chmod(0o777)
    link = tmp_path / "link"
    link.symlink_to("open/sign")
    for name in (path, str(link)):
        assert f"{place} may be written by everybody" in refused(issuer(name), signed.asked)
    place.chmod(0o1777)
    checked(issuer(str(link)).issue(signed.asked), signed.asked)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_program_of_another_user(signed: Signed, tmp_path: Path) -> None:
    """A program that belongs to somebody else, or that their group may write, is refused."""
    path = script(tmp_path, f"cat {signed.leaf} {signed.middle}")
    os.chown(path, 12345, 0)
    assert "belongs to 12345" in refused(issuer(path), signed.asked)
    os.chown(path, 0, 12345)
    Path(path).chmod(0o775)
    assert "may be written by its group" in refused(issuer(path), signed.asked)


def test_unknown_programs(signed: Signed, tmp_path: Path) -> None:
    """Missing programs, relative paths and unknown interpreters are told apart."""
    assert "does not exist" in refused(issuer(str(tmp_path / "none")), signed.asked)
    assert "does not exist in " in refused(issuer("certctl-test-no-such-program"), signed.asked)
    assert "relative path" in refused(issuer("./sign"), signed.asked)
    assert "has no command" in refused(issuer(), signed.asked)
    path = script(tmp_path, "exit", "#!/nonexistent/interpreter")
    assert "cannot be started: no such file" in refused(issuer(path), signed.asked)


def test_name_is_looked_up_in_path(signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name is found in certctl's PATH, to which the system's directories are added."""
    script(tmp_path, f"cat {signed.leaf} {signed.middle}")
    monkeypatch.setenv("PATH", f"relative:{tmp_path}")
    checked(issuer("sign").issue(signed.asked), signed.asked)
    assert programs.search_path() == (
        f"{tmp_path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    )


def test_python_program(signed: Signed, tmp_path: Path) -> None:
    """Large output below the limit arrives whole."""
    text = f"""
import sys
sys.stdout.write("# padding\\n" * 100_000)
sys.stdout.write(open({str(signed.leaf)!r}).read() + open({str(signed.middle)!r}).read())"""
    path = script(tmp_path, text, f"#!{sys.executable}")
    checked(issuer(path).issue(signed.asked), signed.asked)


def test_finish_is_harmless(signed: Signed) -> None:
    """There is nothing to finish."""
    issuer("x").finish(signed.asked)
