"""docs/configuration.md and the schema say the same."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from certctl.config.announcer_schema import ANNOUNCERS
from certctl.config.issuer_schema import DNS_COMMON, DNS_DEFAULTS, DNS_TABLES, ISSUERS
from certctl.config.key import Section
from certctl.config.schema import CERTIFICATE, DHPARAM, FILE, HOOK, PEER, TOP, WATCH
from certctl.planning.spec import (
    AcmeOptions,
    AnnouncerSpec,
    CertificateSpec,
    CommandOptions,
    DhparamSpec,
    FileSpec,
    HookSpec,
    PeerSpec,
    PrivateCaOptions,
    Spec,
)
from tests.unit.config_files import load_text

PAGE = Path(__file__).parents[2] / "docs/configuration.md"


class Part(NamedTuple):
    """What stands below one heading."""

    rows: Mapping[str, tuple[str, str]]
    """By key: the default's cell, and what the key says."""
    examples: list[str]


def parts() -> dict[str, Part]:
    """Take the page apart: "[announce.NAME] type = "feed"" and the like, to what stands there."""
    found: dict[str, Part] = {}
    above = ""
    for chunk in re.split(r"^##", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE):
        heading, _, body = chunk.partition("\n")
        if heading.startswith("#"):
            heading = f"{above} {heading.lstrip('# ')}"
        else:
            heading = above = heading.strip()
        rows = {
            cells[0].strip("`"): (cells[2], cells[3])
            for line in body.splitlines()
            if line.startswith("| `")
            and len(cells := [c.strip() for c in line.strip("| ").split(" | ")]) == 4
        }
        found[heading] = Part(rows, re.findall(r"^```toml\n(.*?)^```", body, re.MULTILINE | re.DOTALL))
    return found


PARTS = parts()

SECTIONS: dict[str, tuple[Section, Mapping[str, Any]]] = {
    "Top of the file": (TOP, Spec._field_defaults),
    "[certificate.NAME]": (CERTIFICATE, CertificateSpec._field_defaults),
    "[[certificate.NAME.file]]": (FILE, FileSpec._field_defaults),
    "[dhparam.NAME]": (DHPARAM, DhparamSpec._field_defaults),
    "[watch.NAME]": (WATCH, {}),
    "[hook.NAME]": (HOOK, HookSpec._field_defaults),
    "[peer.NAME]": (PEER, PeerSpec._field_defaults),
    '[issuer.NAME] type = "private-ca"': (ISSUERS["private-ca"], PrivateCaOptions._field_defaults),
    '[issuer.NAME] type = "command"': (ISSUERS["command"], CommandOptions._field_defaults),
    '[issuer.NAME] type = "acme"': (ISSUERS["acme"], AcmeOptions._field_defaults),
    '[issuer.NAME] dns = "rfc2136"': (DNS_TABLES["rfc2136"], DNS_DEFAULTS["rfc2136"]),
    '[issuer.NAME] dns = "command"': (DNS_TABLES["command"], DNS_DEFAULTS["command"]),
    **{
        f'[announce.NAME] type = "{kind}"': (section, AnnouncerSpec._field_defaults)
        for kind, section in ANNOUNCERS.items()
    },
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_is_documented(heading: str) -> None:
    """Each key of the schema has its row, no row is about a key that is not there, and an example sets it."""
    section, _ = SECTIONS[heading]
    keys = set(section.keys)
    if "NAME] type" in heading:
        keys.remove("type")
    assert set(PARTS[heading].rows) == keys
    table = heading.partition(" ")[0]
    family = [part for name, part in PARTS.items() if name.startswith(table)]
    examples = "\n".join(example for part in family for example in part.examples)
    keys.discard("file")  # written as tables, and documented below a heading of its own
    assert not [key for key in keys if not re.search(rf"^{key} = ", examples, re.MULTILINE)]


@pytest.mark.parametrize("heading", SECTIONS)
def test_defaults(heading: str) -> None:
    """A default that is written as TOML is what the spec has; what has none is required."""
    section, defaults = SECTIONS[heading]
    for name, (cell, _) in PARTS[heading].rows.items():
        key = section.keys[name]
        assert (name in section.required or name == "agree_tos") == (cell == "required"), name
        written = re.fullmatch(r"`([^`]+)`", cell)
        if written:
            value = tomllib.loads(f"x = {written[1]}")["x"]
            default = defaults[key.field or name]
            assert (() if value == [] else key.parse(value)) == default, name


@pytest.mark.parametrize("heading", SECTIONS)
def test_examples_of_keys(heading: str) -> None:
    """The example in each key's own description, which messages show, is one that the key takes."""
    section, _ = SECTIONS[heading]
    for key in section.keys.values():
        key.parse(tomllib.loads(f"x = {key.example}")["x"])
        assert key.want[0].islower() or key.want[0] in '"'


EXAMPLES = [example for part in PARTS.values() for example in part.examples]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_load(number: int, tmp_path: Path) -> None:
    """Every TOML example of the page is a configuration that loads."""
    load_text(tmp_path, EXAMPLES[number])


def test_issuers_without_keys() -> None:
    """The types of which the page says that they have no other keys have none."""
    assert [kind for kind, section in ISSUERS.items() if set(section.keys) == {"type"}] == [
        "self-signed",
        "csr",
    ]
    assert set(DNS_COMMON) == {"ttl", "propagation", "resolver"}
    assert set(PARTS["[issuer.NAME]"].rows) == set(PARTS["[announce.NAME]"].rows) == {"type"}


def test_error_example(tmp_path: Path) -> None:
    """The messages that the page shows are those that are printed."""
    from tests.unit.config_files import problems

    text = '[certificate.mx1]\nnames = ["a"]\nhold_dwn = "7d"\nkeys = ["ecdsa-p265"]\n'
    page = PAGE.read_text(encoding="utf-8")
    found = problems(tmp_path, text)
    assert len(found) == 2
    assert all(f"/etc/certctl/certctl.toml: {line}\n" in page for line in found)
