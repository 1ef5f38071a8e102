"""issuer command: a program of the user's signs; what it says is checked before it is believed."""

from __future__ import annotations

import time

import pytest

from tests.contract import openssl
from tests.contract.home import Home, gone, until, write
from tests.contract.test_csr import Bank

CONFIG = """
[issuer.vault]
type = "command"
command = ["./sign"]
[certificate.mx1]
names = ["mx1.example", "192.0.2.7"]
issuer = "vault"
[[certificate.mx1.file]]
path = "mx1.pem"
"""


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """A CA to sign by."""
    return Bank(tmp_path_factory.mktemp("vault") / "ca")


def signing(home: Home, bank: Bank, before: str = "", after: str = "", chain: str = "two one") -> None:
    """Configure a program that signs what it gets, and says more."""
    files = " ".join(f'"{bank.path}/{name}.pem"' for name in chain.split())
    home.script(
        "sign",
        f'cat >"$HERE/got.csr"\n{before}\n'
        f'openssl x509 -req -in "$HERE/got.csr" -CA "{bank.path}/two.pem" -CAkey "{bank.path}/two.key" '
        f'-days 90 -extfile "{bank.path}/ext" -extensions leaf 2>/dev/null\n'
        f"cat {files or '/dev/null'}\n{after}",
    )
    home.config(CONFIG)


def test_signs(home: Home, bank: Bank) -> None:
    """The request comes on standard input, the chain goes out on standard output, and is put in order."""
    signing(home, bank, chain="one two root")
    home("run")
    openssl.openssl("req", "-verify", "-noout", "-in", home / "got.csr")
    labels, blocks = openssl.read(home / "mx1.pem")
    assert labels == ["KEY", "CERTIFICATE", "CERTIFICATE", "CERTIFICATE"]
    openssl.verifies(blocks[1], blocks[2:], bank.path / "root.pem", home.path)
    assert "PRIVATE" not in (home / "got.csr").read_text()


def test_no_key_in_sight(home: Home, bank: Bank) -> None:
    """Neither the environment nor the arguments of the program hold a key or the caller's secrets."""
    signing(home, bank, before='cat /proc/$$/environ /proc/$$/cmdline >"$HERE/seen"')
    home("run", env={"SECRET": "hunter2"})
    seen = (home / "seen").read_bytes()
    assert b"hunter2" not in seen
    assert b"PRIVATE" not in seen


BAD = {
    "exit status": ("", "echo the vault is sealed >&2; exit 3"),
    "words first": ("echo Signing...", ""),
    "html after": ("", "echo '<html>503</html>'"),
    "nothing": ("exit 0", ""),
    "rubbish": ("echo rubbish; exit 0", ""),
    "half a block": ("", "echo '-----BEGIN CERTIFICATE-----'; echo MIIB"),
    "a key": ("", "openssl genpkey -algorithm ED25519"),
    "binary": ("head -c 10000 /dev/urandom; exit 0", ""),
    "no end": ("yes; exit 0", ""),
}


@pytest.mark.parametrize("what", BAD)
def test_dirty_output(home: Home, bank: Bank, what: str) -> None:
    """What is not a clean chain is refused with the reason, and nothing of it is written anywhere."""
    before, after = BAD[what]
    signing(home, bank, before, after)
    failed = home("run", code=1)
    assert "vault" in failed.err
    if what == "exit status":
        assert "the vault is sealed" in failed.err
    assert not (home / "mx1.pem").exists()
    entry = home.certificate()
    assert (entry["state"], entry["current"]) == ("failing", None)
    assert entry["last_error"]


def test_incomplete_chain(home: Home, bank: Bank) -> None:
    """An intermediate that is missing is named."""
    signing(home, bank, chain="")
    assert "Bank two" in home("run", code=1).err
    assert not (home / "mx1.pem").exists()


def test_old_certificate_stays(home: Home, bank: Bank) -> None:
    """A renewal that fails leaves what is served."""
    signing(home, bank)
    home("run")
    before = (home / "mx1.pem").read_bytes()
    signing(home, bank, "echo rubbish; exit 0")
    failed = home("renew", "mx1", code=1)
    assert "vault" in failed.err
    assert (home / "mx1.pem").read_bytes() == before
    entry = home.certificate()
    assert entry["state"] == "failing"
    assert entry["current"] is not None


def test_wrong_names(home: Home, bank: Bank) -> None:
    """A certificate that lacks a name is refused."""
    signing(home, bank)
    home.edit('"mx1.example"', '"mx1.example", "missing.example"')
    assert "missing.example" in home("run", code=1).err


def test_timeout(home: Home) -> None:
    """A program that takes too long is killed with all that it started."""
    home.script("sign", 'sleep 300 & echo $! >"$HERE/pid"; cat >/dev/null; wait')
    home.config(CONFIG.replace('command = ["./sign"]', 'command = ["./sign"]\ntimeout = "1s"'))
    start = time.monotonic()
    failed = home("run", code=1)
    assert time.monotonic() - start < 20
    assert "1s" in failed.err or "1 s" in failed.err
    pid = int(home.lines("pid")[0])
    until(lambda: gone(pid), "the program's child has ended", 10)


@pytest.mark.parametrize("command", ["./nowhere", "no-such-program-at-all", "./certctl.toml"])
def test_no_program(home: Home, command: str) -> None:
    """A program that is missing or no program fails in words."""
    home.config(CONFIG.replace("./sign", command))
    failed = home("run", code=1)
    assert command.removeprefix("./") in failed.err


def test_a_program_that_others_may_write(home: Home) -> None:
    """A program that anybody may write does not get to sign."""
    script = home.script("sign", 'echo ran >"$HERE/ran"')
    script.chmod(0o777)
    home.config(CONFIG)
    failed = home("run", code=1)
    assert "chmod" in failed.err
    assert home.lines("ran") == []


def test_a_program_that_reads_nothing(home: Home, bank: Bank) -> None:
    """A program that closes its standard input is heard all the same."""
    write(home / "x", "")
    home.script("sign", "exec 0<&-; exit 7")
    home.config(CONFIG)
    assert "7" in home("run", code=1).err


def test_served_at_once(home: Home, bank: Bank) -> None:
    """What one issuer gave is written and delivered while another one still thinks."""
    wait = '[ "$CERTCTL_CERTIFICATE" != mx2 ] || until [ -e "$HERE/go" ]; do sleep 0.05; done'
    signing(home, bank, before=wait)
    # Both sign at the same time, so each keeps its own request.
    write(home / "sign", (home / "sign").read_text().replace("got.csr", "got.$CERTCTL_CERTIFICATE"))
    (home / "sign").chmod(0o755)
    home.script("note", 'echo "$CERTCTL_CERTIFICATES" >>"$HERE/runs"')
    hook = 'hooks = ["note"]\n[hook.note]\ncommand = ["./note"]\n'
    second = CONFIG[CONFIG.index("[certificate") :].replace("te.mx1", "te.mx2").replace("mx1.pem", "mx2.pem")
    home.config(CONFIG + hook + second + 'hooks = ["note"]\n')
    passing = home.start("run")
    until(lambda: home.lines("runs"), "the first one is delivered", 60)
    assert home.lines("runs") == ["mx1"]
    assert passing.poll() is None
    assert (home / "mx1.pem").exists()
    (home / "go").touch()
    assert passing.wait(60) == 0, (home / "err").read_text()
    assert home.lines("runs") == ["mx1", "mx2"]
