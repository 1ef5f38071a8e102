"""docs/acme.md: what it tells people to write is what the configuration takes and the issuer understands."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from certctl import config
from certctl.cli.main import main
from certctl.issuers.acme.answer import HINTS
from certctl.issuers.acme.issuer import AcmeIssuer
from certctl.issuers.acme.transport import NAMED
from certctl.planning.spec import Spec
from tests.real.servers.require import missing
from tests.unit.config_files import load_text

PAGE = (Path(__file__).parents[2] / "docs/acme.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ASKED, FIRST = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[:2]


def test_first_certificate_takes_ten_lines(tmp_path: Path) -> None:
    """From nothing to a first certificate: ten lines to type, and the file in them is right."""
    lines = FIRST.splitlines()
    assert len(lines) == 10
    text = FIRST.partition("<<'EOF'\n")[2].partition("EOF\n")[0]
    spec = load_text(tmp_path, text)
    acme = spec.issuers["letsencrypt"].acme
    assert acme is not None
    assert acme.directory == "https://acme-v02.api.letsencrypt.org/directory"
    assert spec.certificates["mx1"].issuers == ("letsencrypt",)


def test_first_certificate_takes_one_line(tmp_path: Path) -> None:
    """The line for newcomers is a right one, and makes a configuration of that CA."""
    (line,) = ASKED.splitlines()
    command = [*shlex.split(line.removesuffix(" --run")), "--agree-tos", "--dir", str(tmp_path)]
    assert main(command[1:]) == 0
    spec = config.load(str(tmp_path / "certctl.toml"))
    acme = spec.issuers["letsencrypt"].acme
    assert acme is not None
    assert (acme.directory, acme.email) == (NAMED["letsencrypt"], ("hostmaster@example.org",))
    assert spec.certificates["mx1.example.org"].issuers == ("letsencrypt",)


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples(tmp_path: Path, text: str) -> None:
    """Each example is a whole, right configuration, and its challenge can be answered with it."""
    text = text.replace("/etc/certctl/cloudflare.token", str(tmp_path / "token"))
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "token").chmod(0o600)
    spec: Spec = load_text(tmp_path, text)
    if 'dns = "cloudflare"' in text and importlib.util.find_spec("lexicon") is None:
        missing("dns-lexicon is not installed", "pip install 'certctl[dns]'")
    AcmeIssuer(spec.issuers["letsencrypt"], str(tmp_path / "home")).session().solver()


def test_hints_point_at_what_is_there() -> None:
    """A hint that sends people to this page sends them to a heading that exists."""
    for hint in HINTS.values():
        if "docs/acme.md" in hint:
            heading = hint.partition("docs/acme.md, ")[2]
            assert f"## {heading}" in PAGE.lower()
