"""The postmap hook against the real Postfix: tables whole at every instant, keys renewed, refusals told."""

from __future__ import annotations

import os

import pytest

from tests.real.hooks import Hooks, reloaded, renew, rests, said, serves, succeeded
from tests.real.servers import pki
from tests.real.servers.postfix import Postfix, postfix
from tests.real.servers.process import run
from tests.real.servers.require import program
from tests.real.servers.scratch import write
from tests.real.servers.served import served
from tests.real.servers.start import Start


@pytest.fixture
def hook(scratch: str) -> Hooks:
    return Hooks(scratch)


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    """One CA for all of these tests."""
    return pki.make_authority()


@pytest.mark.parametrize("type_", ["hash", "btree", "cdb", "lmdb"])
def test_postmap_that_is_stopped_half_way_leaves_the_old_table(start: Start, hook: Hooks, type_: str) -> None:
    """Whenever a rebuild is stopped, every entry of the old table is found, and nothing is left beside it."""
    server = start(postfix)
    source = write(os.path.join(server.directory, "access"), "mx.example.test old\n")
    table = f"{type_}:{source}"
    build = ("postmap", "--config-dir", server.directory, table)
    look_up = [program("postmap"), "-c", server.directory, "-q", "mx.example.test", table]
    assert succeeded(hook(*build))
    write(source, "mx.example.test new\n" + "".join(f"k{i}.example.test x\n" for i in range(400_000)))
    for seconds in (0.03, 0.06, 0.1, 0.15):
        assert hook(*build, timeout=seconds).timed_out
        assert run(look_up) == "old\n"
        assert not [name for name in os.listdir(server.directory) if name.startswith(".postmap")]
    assert succeeded(hook(*build))
    assert run(look_up) == "new\n"


@pytest.mark.parametrize("type_", ["hash", "cdb", "lmdb"])
def test_postmap_renews_the_keys_in_an_sni_map(
    start: Start, scratch: str, hook: Hooks, authority: pki.Authority, type_: str
) -> None:
    """After the hook the name's new certificate is served; a missing PEM leaves the old table in use."""
    default, first = renew(scratch, authority, "default.pem"), renew(scratch, authority)
    pem = first.save(scratch)
    sni = write(os.path.join(scratch, "sni"), f"www.example.test {pem}\n")
    command = ("postmap", "-F", f"{type_}:{sni}")
    assert succeeded(hook(*command))
    suffix = "db" if type_ == "hash" else type_
    assert os.stat(f"{sni}.{suffix}").st_mode & 0o7777 == 0o600
    server = start(
        postfix,
        chain_files=[default.save(scratch, "default.pem")],
        parameters={"tls_server_sni_maps": f"{type_}:{sni}"},
    )
    assert served(server.smtps, name="www.example.test") == first.chain
    assert served(server.smtps) == default.chain

    renewed = renew(scratch, authority)
    assert succeeded(hook(*command, files=[pem]))
    assert serves(renewed, server, server.smtps, name="www.example.test")

    os.unlink(pem)
    assert said(hook(*command), f"{sni}.{suffix} cannot be built whole and stays as it was")
    assert serves(renewed, server, server.smtps, name="www.example.test")


def policy_client(start: Start, type_: str, line: str) -> tuple[Postfix, str]:
    """An instance whose TLS policy table is a map of *type_* with *line*; and its source's path."""
    server = start(postfix)
    source = write(os.path.join(server.directory, "policy"), line)
    server.set(smtp_tls_policy_maps=f"{type_}:{source}")
    return server, source


def test_postmap_reloads_for_texthash(start: Start, hook: Hooks) -> None:
    """A map without a table file is tried and Postfix reloaded; a broken rule is refused before that."""
    server, source = policy_client(start, "regexp", "/example/ encrypt\n")
    command = ("postmap", "--config-dir", server.directory, f"regexp:{source}")
    assert succeeded(hook(*command))
    assert reloaded(server, "reload -- version", 1)
    write(source, "/example/ encrypt\n/(/ encrypt\n")
    outcome = hook(*command)
    assert said(outcome, f"regexp:{source} is broken")
    assert "line 2" in outcome.output
    assert succeeded(hook("postmap", "--config-dir", server.directory, f"texthash:{source}"))
    assert reloaded(server, "reload -- version", 2)
    server.control("stop")
    assert rests(
        hook("postmap", "--config-dir", server.directory, f"texthash:{source}"), "Postfix is not running"
    )


def test_postmap_takes_the_default_type(start: Start, hook: Hooks) -> None:
    """A changed file without a type gets the table that default_database_type asks for."""
    server = start(postfix, parameters={"default_database_type": "cdb"})
    source = write(os.path.join(server.directory, "access"), "mx.example.test OK\n", 0o640)
    assert succeeded(hook("postmap", "--config-dir", server.directory, files=[source]))
    assert os.stat(f"{source}.cdb").st_mode & 0o7777 == 0o640
    assert not os.path.exists(f"{source}.db")
