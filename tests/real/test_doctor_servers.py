"""The doctor against the servers themselves: what it calls an error is one, and what it passes works."""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime, timezone

import pytest

from certctl.deploy.probe import Expected, probe
from certctl.doctor.finding import Place
from certctl.doctor.policy_attributes import Rules
from certctl.doctor.policy_table import check_policy
from certctl.doctor.run import Target, doctor
from certctl.servers.map_source import Line, source_lines
from tests.real.servers.dovecot import dovecot
from tests.real.servers.exim import exim
from tests.real.servers.haproxy import haproxy
from tests.real.servers.nginx import nginx
from tests.real.servers.pki import Identity, make_authority, make_identity
from tests.real.servers.postfix import postfix
from tests.real.servers.process import run, until
from tests.real.servers.require import program
from tests.real.servers.scratch import write
from tests.real.servers.start import Start
from tests.unit.doctor_case import CORPUS


@pytest.fixture(scope="module")
def pair() -> tuple[Identity, Identity]:
    authority = make_authority()
    return make_identity(authority=authority), make_identity(authority=authority)


def bundles(one: Identity, other: Identity) -> dict[str, bytes]:
    """What may stand in a bundle, right and wrong."""
    leaf = one._replace(intermediates=()).fullchain_pem
    chain = one.fullchain_pem[len(leaf) :]
    return {
        "right": one.bundle_pem,
        "mismatch": other.key_pem + one.fullchain_pem,
        "key last": one.fullchain_pem + one.key_pem,
        "no key": one.fullchain_pem,
        "no certificate": one.key_pem,
        "issuer first": one.key_pem + chain + leaf,
        "a web page": b"<html></html>\n",
        "two of one kind": one.bundle_pem + other.bundle_pem,
    }


def errors(kind: str, path: str) -> list[str]:
    """The errors that the doctor finds."""
    found = doctor([Target(kind, path)], datetime.now(timezone.utc))
    return [one.check for one in found if one.severity == "error"]


def test_postfix_agrees_about_bundles(start: Start, scratch: str, pair: tuple[Identity, Identity]) -> None:
    """The doctor finds an error in a bundle if and only if Postfix cannot serve it."""
    path = pair[0].save(scratch)
    server = start(postfix, chain_files=[path])
    for name, data in bundles(*pair).items():
        write(path, data, 0o600)
        server.reload()
        claim = errors("postfix", server.directory) == []
        until(lambda: _all_say(f"smtp://127.0.0.1:{server.smtp}", claim), f"{name}: works {claim}")  # noqa: B023 (called at once)


def _all_say(url: str, works: bool) -> bool:
    """Whether TLS works, or fails, on every connection: old processes may linger after a reload."""
    return {one.failure is None for one in probe(url, Expected(), timeout=5)} == {works}


def test_nginx_agrees_about_bundles(start: Start, scratch: str, pair: tuple[Identity, Identity]) -> None:
    """The doctor finds an error in a bundle if and only if `nginx -t` does, but for a key's place in it."""
    path = pair[0].save(scratch)
    server = start(nginx, path)
    for name, data in bundles(*pair).items():
        write(path, data, 0o600)
        works = _accepts([program("nginx"), "-e", server.log_file, "-c", server.config_file, "-t"])
        assert works == (errors("nginx", server.config_file) == []), name


def test_dovecot_agrees_about_bundles(start: Start, scratch: str, pair: tuple[Identity, Identity]) -> None:
    """The doctor finds an error in a bundle if and only if Dovecot cannot serve it."""
    path = pair[0].save(scratch)
    server = start(dovecot, path)
    for name, data in bundles(*pair).items():
        write(path, data, 0o600)
        server.reload()
        claim = errors("dovecot", server.config_file) == []
        until(lambda: _all_say(f"imaps://127.0.0.1:{server.imaps}", claim), f"{name}: works {claim}")  # noqa: B023 (called at once)


def test_haproxy_agrees_about_bundles(start: Start, scratch: str, pair: tuple[Identity, Identity]) -> None:
    """The doctor finds an error in a bundle if and only if `haproxy -c` does."""
    path = pair[0].save(scratch)
    server = start(haproxy, path)
    for name, data in bundles(*pair).items():
        write(path, data, 0o600)
        works = _accepts([program("haproxy"), "-c", "-f", server.config_file])
        assert works == (errors("haproxy", server.config_file) == []), name


def _accepts(argv: list[str]) -> bool:
    try:
        run(argv)
    except AssertionError:
        return False
    return True


def test_running_servers_are_sound(start: Start, scratch: str, pair: tuple[Identity, Identity]) -> None:
    """Of servers that serve the right bundle, no error about keys and certificates is found."""
    path = pair[0].save(scratch)
    mail, boxes, web, proxy = (
        start(postfix, chain_files=[path]),
        start(dovecot, path),
        start(nginx, path),
        start(haproxy, path),
    )
    targets = [
        Target("postfix", mail.directory),
        Target("dovecot", boxes.config_file),
        Target("nginx", web.config_file),
        Target("haproxy", proxy.config_file),
    ]
    found = doctor(targets, datetime.now(timezone.utc))
    assert [one for one in found if one.severity == "error"] == []


@pytest.mark.parametrize("kind", ["hash", "btree", "cdb", "lmdb"])
def test_sni_tables_as_postmap_builds_them(
    kind: str, start: Start, scratch: str, pair: tuple[Identity, Identity]
) -> None:
    """An index that postmap built with -F is told from one without, whatever its type."""
    bundle = pair[0].save(scratch)
    server = start(postfix, chain_files=[bundle])
    if kind not in run([program("postconf"), "-m"]).split():
        pytest.fail(f"this Postfix has no {kind} tables: install postfix-{kind}")
    table = write(os.path.join(scratch, "sni"), f"other.example.test {bundle}\n", 0o600)
    server.set(tls_server_sni_maps=f"{kind}:{table}")
    seen = []
    for flags in ([], ["-F"]):
        run([program("postmap"), "-c", server.directory, *flags, f"{kind}:{table}"])
        found = doctor([Target("postfix", server.directory)], datetime.now(timezone.utc))
        seen.append([one.check for one in found if "-sni-" in one.check or "-map-" in one.check])
    assert seen == [["postfix-sni-not-f"], []]


def _policies() -> list[Line]:
    """Every entry of the corpus's policy tables that does not need DNS, with a next-hop of its own each."""
    lines: list[Line] = []
    for case in (
        "postfix-policy-levels",
        "postfix-policy-attributes",
        "postfix-policy-pins",
        "postfix-policy-names",
    ):
        with open(os.path.join(CORPUS, case, "policy"), encoding="utf-8") as file:
            lines += source_lines(file.read().replace("@DIR@", "/nonexistent"))
    usable = [line for line in lines if line.value and not line.value.startswith("dane")]
    return [Line(number, f"[127.0.1.{number}]:1", line.value) for number, line in enumerate(usable, 1)]


def test_postfix_agrees_about_policies(start: Start) -> None:
    """The doctor says that mail is deferred with 4.7.5 if and only if Postfix defers it so."""
    lines = _policies()
    routes = {f"n{line.number}.test": f"smtp:{line.key}" for line in lines}
    client = start(postfix, policy=[f"{line.key} {line.value}" for line in lines], routes=routes)
    ids = {line.number: client.send(recipient=f"a@n{line.number}.test") for line in lines}
    version = tuple(map(int, run([program("postconf"), "-h", "mail_version"]).split(".")[:2]))
    for line in lines:
        outcome = client.outcome(ids[line.number])
        found = list(check_policy(Place("table", "postfix"), [line], Rules(version=version)))
        says = any("4.7.5" in one.message for one in found)
        assert says == ("dsn=4.7.5" in outcome), f"{line.value}: {outcome}: {found}"


def test_unreadable_configuration(tmp_path: os.PathLike[str]) -> None:
    """A configuration that is not there is a finding, and does not keep the others from being looked at."""
    missing = os.path.join(tmp_path, "none")
    targets = [Target(kind, missing) for kind in ("postfix", "dovecot", "nginx", "haproxy")]
    found = doctor(targets, datetime.now(timezone.utc))
    assert [one.check for one in found] == [f"{target.kind}-unreadable" for target in targets]
    assert all(re.search(f"--{kind.kind} /etc", one.fix) for kind, one in zip(targets, found, strict=True))


def test_exim_that_may_not_read_its_key(scratch: str, pair: tuple[Identity, Identity]) -> None:
    """A key that only root may read fails at Exim's first connection; with the group's right it works."""
    path, home = pair[0].save(scratch), os.path.join(scratch, "exim")
    os.mkdir(home)
    shutil.chown(home, "mail")  # its logs are written by the user that it runs as
    with exim(home, path, user="mail", group="mail") as server:
        url = f"smtp://127.0.0.1:{server.smtp}"
        assert errors("exim", server.config_file) == ["exim-key-unreadable"]
        assert _all_say(url, works=False)
        shutil.chown(path, group="mail")
        os.chmod(path, 0o640)
        assert errors("exim", server.config_file) == []
        until(lambda: _all_say(url, works=True), "Exim reads the key")
