"""What a Postfix serves: its own certificate, those of single services, those by SNI, and its client's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from certctl.errors import CertctlError
from certctl.onboarding.setups.setup import Hook, Setup, Use, endpoint, unique, url
from certctl.servers.files import read_text
from certctl.servers.map_source import Line, Table, source_lines, tables
from certctl.servers.postfix import Postfix, read_postfix
from certctl.servers.postfix_parse import Service, split_words
from certctl.servers.program import ask

_PORTS = {"smtp": 25, "submission": 587, "smtps": 465, "submissions": 465, "urd": 465}
_MAY = "smtpd_tls_security_level=may"
_DIGESTS = ("smtpd_tls_fingerprint_digest", "smtp_tls_fingerprint_digest")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def postfix_setup(directory: str, hook: Hook) -> Setup:
    """Look at the instance in *directory*. Raises CertctlError if it is none, or postconf refuses it."""
    _check(directory)
    postfix = read_postfix(directory)
    dh = postfix.file("smtpd_tls_dh1024_param_file") if _has_dh(postfix) else ""
    return Setup(
        "postfix",
        "Postfix",
        postfix.directory,
        hook,
        f"{postfix.directory}/tls",
        postfix.reload,
        (*_server_uses(postfix), *_sni_uses(postfix), *_client_uses(postfix)),
        (dh,) if dh else (),
        digests=unique(one.lower() for one in map(postfix.get, _DIGESTS) if one),
    )


def _check(directory: str) -> None:
    for option in ("-xn", "-M"):
        answer = ask(["postconf", "-c", directory, option])
        if answer is not None and answer.status != 0 and os.path.exists(os.path.join(directory, "main.cf")):
            raise CertctlError(
                answer.complaint.removeprefix("postconf: "), hint=f"postconf -c {directory} {option}"
            )


def _has_dh(postfix: Postfix) -> bool:
    return postfix.get("smtpd_tls_dh1024_param_file") not in ("", "auto")


def _server_uses(postfix: Postfix) -> Iterator[Use]:
    """The certificate of main.cf, then those that services of master.cf have instead."""
    apart = [one for one in _listening(postfix) if _has_own(postfix, one)]
    shared = [one for one in _listening(postfix) if one not in apart]
    yield Use(
        f"Postfix ({postfix.directory})",
        _files(postfix, "smtpd", None),
        _names(postfix),
        unique(one for service in shared for one in _probe(postfix, service)),
        _lines(postfix),
        () if all(_is_on(postfix, one) for one in shared) else (f"{postfix.conf} -e {_MAY}",),
        of_host=True,
        optional=not shared,
    )
    for service in apart:
        yield Use(
            f"Postfix ({postfix.directory}, {service.key})",
            _files(postfix, "smtpd", service),
            (),
            tuple(_probe(postfix, service)),
            (f"{postfix.conf} -P '{service.key}/smtpd_tls_chain_files={{bundle}}'",),
            () if _is_on(postfix, service) else (f"{postfix.conf} -P {service.key}/{_MAY}",),
            of_host=True,
        )


def _listening(postfix: Postfix) -> list[Service]:
    """The services that speak TLS with those who bring mail, or would once main.cf has it switched on."""
    return [
        one
        for one in postfix.services
        if one.type == "inet"
        and one.command in ("smtpd", "postscreen")
        and (one.options.get("smtpd_tls_security_level") != "none" or _is_on(postfix, one))
    ]


def _has_own(postfix: Postfix, service: Service) -> bool:
    """Whether its options name a certificate; smtpd_tls_chain_files wins over the older parameters."""
    if "smtpd_tls_chain_files" in service.options:
        return True
    named = any(name.startswith("smtpd_tls_") and name.endswith("cert_file") for name in service.options)
    return named and not postfix.words("smtpd_tls_chain_files")


def _files(postfix: Postfix, side: str, service: Service | None) -> tuple[str, ...]:
    chain = postfix.files(f"{side}_tls_chain_files", service)
    return unique(chain or (path for pair in postfix.pairs(side, service) for path in pair[::-1]))


def _names(postfix: Postfix) -> tuple[str, ...]:
    name = postfix.get("myhostname")
    return (name,) if "." in name and not name.endswith(".localdomain") else ()


def _is_on(postfix: Postfix, service: Service | None) -> bool:
    """Whether TLS is offered: a level that is empty leaves it to the parameters before Postfix 2.3."""
    if postfix.is_yes("smtpd_tls_wrappermode", service):
        return True
    level = postfix.get("smtpd_tls_security_level", service)
    if not level:
        return any(postfix.is_yes(name, service) for name in ("smtpd_use_tls", "smtpd_enforce_tls"))
    return level != "none"


def _lines(postfix: Postfix) -> tuple[str, ...]:
    if postfix.at_least(3, 4):
        return (f"{postfix.conf} -e 'smtpd_tls_chain_files = {{bundle}}'",)
    return (f"{postfix.conf} -e 'smtpd_tls_cert_file = {{bundle}}' 'smtpd_tls_key_file = {{bundle}}'",)


def _probe(postfix: Postfix, service: Service) -> Iterator[str]:
    place = endpoint(service.name)
    port = _port(place[1]) if place else 0
    if place and port:
        scheme = "smtps" if postfix.is_yes("smtpd_tls_wrappermode", service) else "smtp"
        yield url(scheme, place[0] or _interface(postfix), port)


def _port(name: str) -> int:
    import socket

    if name.isdigit():
        return int(name)
    try:
        return _PORTS.get(name) or socket.getservbyname(name, "tcp")
    except OSError:
        return 0


def _interface(postfix: Postfix) -> str:
    """An address of inet_interfaces, loopback where it is among them."""
    words = [word.strip("[]") for word in postfix.words("inet_interfaces")]
    if not words or {"all", "loopback-only"} & set(words):
        return "::1" if postfix.words("inet_protocols") == ["ipv6"] else "127.0.0.1"
    return next((word for word in words if word in _LOOPBACK), words[0])


def _sni_uses(postfix: Postfix) -> Iterator[Use]:
    probes = unique(one for service in _listening(postfix) for one in _probe(postfix, service))
    for table in tables(postfix.get("tls_server_sni_maps"), postfix.get("default_database_type")):
        for line in _entries(table):
            files = split_words(line.value, ", \t\r\n")
            if not files or not all(path.startswith("/") for path in files):
                continue
            # ".example.org" is for whatever is below it: there is no one name to look by.
            name = () if line.key.startswith(".") else (line.key.lower(),)
            yield Use(
                f"Postfix ({postfix.directory}, tls_server_sni_maps {line.key})",
                tuple(files),
                name,
                probes if name else (),
                _sni_lines(table, line),
                (),
                (_postmap(postfix, table),) if isinstance(table, Table) else (),
            )


def _entries(table: Table | tuple[Line, ...]) -> Sequence[Line]:
    if not isinstance(table, Table):
        return table
    return list(source_lines(read_text(table.path) or "")) if table.has_source else []


def _sni_lines(table: Table | tuple[Line, ...], line: Line) -> tuple[str, ...]:
    if not isinstance(table, Table):
        return (f"# in tls_server_sni_maps: {line.key} = {{bundle}}",)
    build = (f"postmap -F {table}",) if table.built else ()
    return (f"# in {table.path}, line {line.number}: {line.key} {{bundle}}", *build)


def _postmap(postfix: Postfix, table: Table) -> Hook:
    """postmap -F copies keys into the table, so it is built anew whenever they change."""
    where = () if postfix.directory == "/etc/postfix" else ("--config-dir", postfix.directory)
    return Hook(f"postmap-{os.path.basename(table.path)}", ("hook:postmap", *where, "-F", str(table)))


def _client_uses(postfix: Postfix) -> Iterator[Use]:
    for client in ("smtp", "lmtp"):
        files = _files(postfix, client, None)
        if files:
            yield Use(f"Postfix ({postfix.directory}, as a client)", files, optional=True)
