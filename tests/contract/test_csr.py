"""issuer csr: a request goes out, certificates come back in any order, and none that is foreign is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract import openssl
from tests.contract.home import Home, write

CONFIG = """
[issuer.bank]
type = "csr"
[certificate.mx1]
names = ["mx1.example", "192.0.2.7"]
issuer = "bank"
[[certificate.mx1.file]]
path = "mx1.pem"
"""
EXTENSIONS = """
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:mx1.example, IP:192.0.2.7
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Bank:
    """A CA by openssl: a root and two intermediates below it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        write(path / "ext", EXTENSIONS)
        self._key("root")
        openssl.openssl(
            *("req", "-x509", "-new", "-key", path / "root.key", "-subj", "/CN=Bank Root"),
            *("-days", "3650", "-extensions", "ca", "-config", path / "ext.cnf"),
            "-out",
            path / "root.pem",
        )
        self._ca("one", "root")
        self._ca("two", "one")

    def _key(self, name: str) -> None:
        openssl.openssl(
            *("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-out", self.path / f"{name}.key"),
        )
        if not (self.path / "ext.cnf").exists():
            write(
                self.path / "ext.cnf",
                "[req]\ndistinguished_name = dn\n[dn]\n" + EXTENSIONS,
            )

    def _ca(self, name: str, by: str) -> None:
        self._key(name)
        openssl.openssl(
            *("req", "-new", "-key", self.path / f"{name}.key", "-subj", f"/CN=Bank {name}"),
            *("-config", self.path / "ext.cnf", "-out", self.path / f"{name}.csr"),
        )
        self.sign(self.path / f"{name}.csr", self.path / f"{name}.pem", by, "ca")

    def sign(self, request: Path, to: Path, by: str = "two", what: str = "leaf", days: int = 90) -> Path:
        """Sign a request."""
        openssl.openssl(
            *("x509", "-req", "-in", request, "-CA", self.path / f"{by}.pem"),
            *("-CAkey", self.path / f"{by}.key", "-days", str(days), "-extfile", self.path / "ext"),
            *("-extensions", what, "-out", to),
        )
        return to


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """A CA to sign by."""
    return Bank(tmp_path_factory.mktemp("bank") / "ca")


def requests(home: Home, name: str = "mx1") -> list[Path]:
    """The requests that wait in the state directory, which `run` has named."""
    told = home("run", "-v", name, code=None).text + home("status").out
    found = sorted((home / "state").rglob("*.csr"))
    assert found
    for path in found:
        assert str(path) in told, told
    return found


def test_waits(home: Home) -> None:
    """A pass writes the request, says where it is and what to type, and fails nothing."""
    home.config(CONFIG)
    told = home("run")
    (request,) = requests(home)
    assert str(request) in told.err
    assert "certctl accept mx1" in told.err + home("status").out
    openssl.openssl("req", "-verify", "-noout", "-in", request)
    text = openssl.openssl("req", "-noout", "-text", "-in", request).decode()
    assert "DNS:mx1.example" in text
    assert "192.0.2.7" in text
    before = request.read_bytes()
    assert home("run").code == 0
    assert (request.read_bytes(), home.steps()) == (before, [])
    assert home.certificate()["current"] is None
    assert home("run", "-q").err == ""


@pytest.mark.parametrize("order", ["leaf one two", "two leaf one", "one two leaf root", "root two one leaf"])
def test_any_order(home: Home, bank: Bank, order: str) -> None:
    """Certificates are taken in any order, and stand in the right one afterwards, checked by openssl."""
    home.config(CONFIG)
    home("run")
    bank.sign(requests(home)[0], home / "leaf.pem")
    for name in ("one", "two", "root"):
        write(home / f"{name}.pem", (bank.path / f"{name}.pem").read_text())
    ordered = [(home / f"{name}.pem").read_text() for name in order.split()]
    write(home / "all.pem", "some words\n" + "".join(ordered))
    home("accept", "mx1", "all.pem")
    labels, blocks = openssl.read(home / "mx1.pem")
    assert labels == ["KEY", "CERTIFICATE", "CERTIFICATE", "CERTIFICATE"]
    assert openssl.key_spki(blocks[0]) == openssl.certificate_spki(blocks[1])
    assert [openssl.field(block, "-subject").split("=")[-1].strip() for block in blocks[2:]] == [
        "Bank two",
        "Bank one",
    ]
    openssl.verifies(blocks[1], blocks[2:], bank.path / "root.pem", home.path)
    assert home.certificate()["state"] == "ok"
    assert home.steps() == []


def test_several_files(home: Home, bank: Bank) -> None:
    """Certificates may come in files of their own."""
    home.config(CONFIG)
    home("run")
    bank.sign(requests(home)[0], home / "leaf.pem")
    home("accept", "mx1", str(bank.path / "one.pem"), "leaf.pem", str(bank.path / "two.pem"))
    assert home.certificate()["state"] == "ok"


def test_missing_intermediate(home: Home, bank: Bank) -> None:
    """An intermediate that is missing is named, nothing is served, and the next attempt may be right."""
    home.config(CONFIG)
    home("run")
    bank.sign(requests(home)[0], home / "leaf.pem")
    refused = home("accept", "mx1", "leaf.pem", code=1)
    assert "Bank two" in refused.err
    refused = home("accept", "mx1", "leaf.pem", str(bank.path / "one.pem"), code=1)
    assert "Bank two" in refused.err
    assert home.certificate()["current"] is None
    assert not (home / "mx1.pem").exists()
    two = str(bank.path / "two.pem")
    gap = home("accept", "mx1", "leaf.pem", two, code=None)
    if gap.code:
        assert "Bank one" in gap.err
        home("accept", "mx1", "leaf.pem", two, str(bank.path / "one.pem"))
    assert home.certificate()["state"] == "ok"


def test_foreign_key(home: Home, bank: Bank) -> None:
    """A certificate for another key is refused in words, and nothing changes."""
    home.config(CONFIG)
    home("run")
    openssl.openssl(
        *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", home / "x.key", "-out", home / "x.csr", "-subj", "/CN=x"),
        *("-config", bank.path / "ext.cnf"),
    )
    bank.sign(home / "x.csr", home / "leaf.pem")
    chain = [str(bank.path / "two.pem"), str(bank.path / "one.pem")]
    refused = home("accept", "mx1", "leaf.pem", *chain, code=1)
    assert "key" in refused.err
    assert home.certificate()["current"] is None
    assert not (home / "mx1.pem").exists()


def test_wrong_certificates(home: Home, bank: Bank) -> None:
    """Other names, an expired certificate, and a leaf that is no leaf are refused."""
    home.config(CONFIG.replace('"mx1.example"', '"mx1.example", "missing.example"'))
    home("run")
    (request,) = requests(home)
    chain = [str(bank.path / "two.pem"), str(bank.path / "one.pem")]
    bank.sign(request, home / "names.pem")
    assert "missing.example" in home("accept", "mx1", "names.pem", *chain, code=1).err
    home("accept", "mx1", *chain, code=1)
    home("accept", "mx1", str(request), code=1)
    home("accept", "mx1", "certctl.toml", code=1)
    assert "nowhere.pem" in home("accept", "mx1", "nowhere.pem", code=None).err
    assert home.certificate()["current"] is None


def test_an_expired_one(home: Home, bank: Bank) -> None:
    """A certificate that has expired is refused."""
    home.config(CONFIG)
    home("run")
    bank.sign(requests(home)[0], home / "leaf.pem", days=-1)
    chain = [str(bank.path / "two.pem"), str(bank.path / "one.pem")]
    assert "expired" in home("accept", "mx1", "leaf.pem", *chain, code=1).err
    assert home.certificate()["current"] is None


def test_nothing_asked_for(home: Home) -> None:
    """accept for a certificate that waits for nothing fails in words."""
    home.config('[certificate.mx1]\nnames = ["mx1.example"]\n[[certificate.mx1.file]]\npath = "mx1.pem"\n')
    home("run")
    before = (home / "mx1.pem").read_bytes()
    failed = home("accept", "mx1", "state/live/mx1/cert.pem", code=None)
    assert failed.code in (1, 2)
    assert "mx1" in failed.err
    assert (home / "mx1.pem").read_bytes() == before


def test_several_algorithms(home: Home, bank: Bank) -> None:
    """With several keys there is a request for each; their certificates come together or one by one."""
    home.config(CONFIG.replace("issuer =", 'keys = ["ecdsa-p256", "rsa-2048"]\nissuer ='))
    home("run")
    found = requests(home)
    assert len(found) == 2
    signed = [str(bank.sign(path, home / f"leaf{at}.pem")) for at, path in enumerate(found)]
    chain = [str(bank.path / "two.pem"), str(bank.path / "one.pem")]
    one = home("accept", "mx1", signed[0], *chain, code=None)
    if one.code:
        assert home.certificate()["current"] is None
        home("accept", "mx1", signed[1], *chain, signed[0])
    else:
        home("accept", "mx1", signed[1], *chain)
    labels, blocks = openssl.read(home / "mx1.pem")
    assert labels == ["KEY", "CERTIFICATE", "CERTIFICATE", "CERTIFICATE"] * 2
    for at in (0, 4):
        assert openssl.key_spki(blocks[at]) == openssl.certificate_spki(blocks[at + 1])
        openssl.verifies(blocks[at + 1], blocks[at + 2 : at + 4], bank.path / "root.pem", home.path)


def test_renewal_and_rotation(home: Home, bank: Bank) -> None:
    """While a renewal or a rotation waits for its certificate, what is there is served."""
    home.config(CONFIG)
    home("run")
    chain = [str(bank.path / "two.pem"), str(bank.path / "one.pem")]
    home("accept", "mx1", str(bank.sign(requests(home)[0], home / "a.pem")), *chain)
    first = (home / "mx1.pem").read_bytes()
    pins = home.pins("all")
    home("renew", "mx1")
    assert (home / "mx1.pem").read_bytes() == first
    home("accept", "mx1", str(bank.sign(requests(home)[-1], home / "b.pem")), *chain)
    second = (home / "mx1.pem").read_bytes()
    assert second != first
    assert home.pins("all") == pins
    announced = home.pins("next")
    home("rotate", "mx1")
    assert (home / "mx1.pem").read_bytes() == second
    home("accept", "mx1", str(bank.sign(requests(home)[-1], home / "c.pem")), *chain)
    assert openssl.served(home / "mx1.pem") == announced[0]
