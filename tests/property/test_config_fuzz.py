"""Whatever is in a configuration file, only `ConfigError` comes out, in lines that can be read."""

from __future__ import annotations

import copy
import datetime
import math
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from certctl import config
from certctl.config.announcer_schema import ANNOUNCERS
from certctl.config.explain import KINDS
from certctl.config.issuer_schema import DNS_TABLES, ISSUERS
from certctl.config.loading import build
from certctl.config.schema import CERTIFICATE, DHPARAM, FILE, HOOK, PEER, TOP, WATCH
from certctl.errors import ConfigError, UsageError
from certctl.onboarding.starter import starter
from certctl.planning.spec import Spec
from tests.unit.config_files import CONTRACT

PATH = "/etc/certctl/certctl.toml"
DOCUMENT = tomllib.loads(CONTRACT)

SECTIONS = [TOP, CERTIFICATE, FILE, DHPARAM, WATCH, HOOK, PEER]
SECTIONS += [*ISSUERS.values(), *ANNOUNCERS.values(), *DNS_TABLES.values()]
KEYS = sorted({key for section in SECTIONS for key in section.keys})
TYPES = [*ISSUERS, *ANNOUNCERS, "rfc2136", "dns-01", "http-01", "self-signed", "ffdhe", "certificate", "key"]

# What is nearly right finds more than what is wholly wrong.
near = st.sampled_from(
    [
        *TYPES,
        *(tomllib.loads(f"x = {key.example}")["x"] for section in SECTIONS for key in section.keys.values()),
        *("mx1", "office", "a", "*.example.org", "::1", "192.0.2.1", "ü.example"),
        *("0s", "9w", "0644", "never", "/"),
    ]
)
scalars = st.one_of(
    near,
    st.text(max_size=20),
    st.text("0123456789wdhms:/.*[]@-_ü\0\n", max_size=20),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.just(10**600),
    st.just("9" * 5000),
    st.datetimes(),
    st.dates(),
    st.times(),
)
keys = st.one_of(st.sampled_from(KEYS), st.sampled_from(TYPES), st.text(max_size=8))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)
documents = st.dictionaries(
    st.one_of(st.sampled_from([*KINDS, *TOP.keys]), st.text(max_size=8)),
    st.one_of(values, st.dictionaries(keys, st.dictionaries(keys, values, max_size=6), max_size=3)),
    max_size=5,
)


WRONG: list[Any] = [
    0,
    -1,
    1.5,
    True,
    "",
    "x",
    "\n",
    [],
    [[]],
    [1],
    ["x", "x"],
    {},
    {"x": {}},
    [{}],
    datetime.time(),
]


def check(document: dict[str, Any]) -> None:
    """Build a spec, or find faults that are one printable line each."""
    try:
        spec = build(PATH, document)
    except ConfigError as error:
        assert error.problems
        assert len(error.problems) < 10_000
        for line in error.problems:
            assert line.startswith(f"{PATH}: ")
            assert line.isprintable()
            assert len(line) < 2000
    else:
        sound(spec)


def sound(spec: Spec) -> None:
    """Check what the rest of certctl takes for granted of every spec."""
    for certificate in spec.certificates.values():
        assert certificate.names
        assert certificate.keys
        assert set(certificate.issuers) <= set(spec.issuers)
        assert set(certificate.announce) <= set(spec.announcers)
        assert math.isfinite(certificate.validity)
        assert datetime.timedelta(seconds=certificate.validity)
        assert all(name.isascii() and name == name.lower() for name in certificate.names)
        for file in certificate.files:
            assert file.path.startswith("/")
            assert not file.path.startswith("//")
            assert "key" not in file.parts or file.mode & 0o007 == 0
    named = [spec.certificates, spec.issuers, spec.hooks, spec.announcers, spec.peers, spec.dhparams]
    for name in (name for table in named for name in table):
        assert "/" not in name
        assert name not in ("", ".", "..")


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container with each of its keys or indices."""
    pairs = list(node.items() if isinstance(node, dict) else enumerate(node))
    for key, value in pairs:
        yield node, key
        if isinstance(value, (dict, list)):
            yield from places(value)


@settings(max_examples=300, deadline=None)
@given(documents)
def test_any_document(document: dict[str, Any]) -> None:
    """Any document at all is a spec or a list of faults."""
    check(document)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutated_contract(data: st.DataObject) -> None:
    """The contract's example with values replaced, taken away, or under other keys."""
    document = copy.deepcopy(DOCUMENT)
    for _ in range(data.draw(st.integers(1, 3))):
        spots = list(places(document))
        if not spots:
            break
        container, key = spots[data.draw(st.integers(0, len(spots) - 1))]
        how = data.draw(st.sampled_from(["replace", "remove", "rename", "add"]))
        if how == "replace":
            container[key] = data.draw(values)
        elif how == "remove":
            del container[key]
        elif isinstance(container, dict):
            value = container.pop(key) if how == "rename" else data.draw(values)
            container[data.draw(keys)] = value
        else:
            container.append(data.draw(values))
    check(document)


@pytest.mark.parametrize("number", range(len(list(places(DOCUMENT)))))
def test_every_place(number: int) -> None:
    """A value of each type, in every place of the contract's example."""
    for value in WRONG:
        document = copy.deepcopy(DOCUMENT)
        container, key = list(places(document))[number]
        container[key] = value
        check(document)


def load_bytes(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "certctl.toml"
        path.write_bytes(content)
        path.chmod(0o600)
        try:
            sound(config.load(str(path)))
        except ConfigError as error:
            assert all(line.isprintable() for line in error.problems)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf")
@example(b"\x00")
@example(b"[a" * 2000)
@example(b"a = " + b"[" * 100_000)
@example(b"a = " + b"{b = " * 100_000)
@example(b"a." * 50_000 + b"b = 1")
@example(b"[" + b"a." * 5_000 + b"b]\nc = 1")
@example(b"a = 0x" + b"f" * 10_000)
@example(b"a = 1" + b"0" * 10_000)
@example(b"a = 1e999\nb = nan\nc = 0001-01-01")
def test_any_bytes(content: bytes) -> None:
    """Bytes that are no TOML, and TOML that is beyond all measure."""
    load_bytes(content)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_contract(data: st.DataObject) -> None:
    """The contract's example with bytes cut out, put in, or doubled."""
    content = CONTRACT.encode()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        end = min(len(content), start + data.draw(st.integers(0, 40)))
        middle = data.draw(st.sampled_from([b"", content[start:end] * 2]) | st.binary(max_size=5))
        content = content[:start] + middle + content[end:]
    load_bytes(content)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=12) | near.filter(lambda v: isinstance(v, str)), max_size=4))
def test_any_names_for_init(names: list[str]) -> None:
    """Whatever names init is given, it refuses them or writes a file that loads."""
    for directory in ("/etc/certctl", "/tmp/somewhere"):
        try:
            text = starter(names, [], directory)
        except ConfigError:
            raise
        except UsageError:
            continue
        sound(build(PATH, tomllib.loads(text)))
