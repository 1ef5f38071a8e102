"""What an Exim serves, asked of itself where it is installed."""

from __future__ import annotations

import os
from collections.abc import Mapping

from certctl.errors import CertctlError
from certctl.onboarding.setups.setup import Hook, Setup, Use, unique, url
from certctl.servers.exim import files_of, read_exim
from certctl.servers.files import read_text
from certctl.servers.program import Answer, ask

_OPTIONS = (
    *("primary_hostname", "tls_certificate", "tls_privatekey", "tls_dhparam"),
    *("daemon_smtp_ports", "tls_on_connect_ports", "local_interfaces", "exim_group"),
)
_DEBIAN = "/etc/exim4/update-exim4.conf.conf"
_PORTS = {"smtp": 25, "submission": 587, "smtps": 465, "submissions": 465}


def exim_setup(path: str, hook: Hook, program: str = "exim4", group: str | None = None) -> Setup:
    """Look at the configuration *path*. Raises CertctlError if it cannot be read, or Exim refuses it."""
    settings = _ask(path, program)
    if settings is None:
        if read_text(path) is None:
            raise CertctlError(f"cannot read {path}", hint="name the file: --exim /etc/exim4/exim4.conf")
        settings = read_exim(path)
    name = settings.get("primary_hostname", "")
    certificates = files_of(settings.get("tls_certificate", ""))
    keys = files_of(settings.get("tls_privatekey", "")) or certificates
    use = Use(
        f"Exim ({path})",
        unique(one for pair in zip(keys, certificates, strict=False) for one in pair),
        (name,) if "." in name else (),
        unique(_probes(settings)),
        _lines(path),
        of_host=True,
    )
    if group is None and settings.get("exim_group") not in (None, "", "root", "0"):
        group = settings["exim_group"]
    computed = settings.get("tls_certificate", "") != "" and not certificates
    return Setup(
        "exim",
        "Exim",
        path,
        hook,
        f"{os.path.dirname(path)}/tls",
        "# Exim reads the bundle at each connection, and needs no reload for it",
        # What Exim works out at each connection is not for us to work out.
        () if computed else (use,),
        tuple(files_of(settings.get("tls_dhparam", ""))),
        0o600 if group is None else 0o640,
        group,
    )


def _ask(path: str, program: str) -> Mapping[str, str] | None:
    """What `exim -bP` prints; None where Exim is not installed."""
    named = () if path == _DEBIAN else ("-C", path)
    answer = ask([program, *named, "-bP", *_OPTIONS]) if os.path.exists(path) else None
    if answer is None:
        return None
    if answer.status != 0:
        raise CertctlError(_complaint(answer), hint=f"{' '.join([program, *named])} -bV")
    pairs = (line.partition("=") for line in answer.output.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _complaint(answer: Answer) -> str:
    """What Exim says is wrong: a line that names the place, and one that says what."""
    lines = [line.strip() for line in (answer.errors + answer.output).splitlines()]
    at = next((at for at, line in enumerate(lines) if "configuration error" in line), None)
    return answer.complaint if at is None else " ".join(lines[at : at + 2])


def _probes(settings: Mapping[str, str]) -> list[str]:
    words = settings.get("local_interfaces", "").replace("<;", " ").replace(";", " ").split()
    host = next((word.rstrip(":") for word in words if word.count(".") == 3), "")
    direct = set(_ports(settings.get("tls_on_connect_ports", "")))
    ports = _ports(settings.get("daemon_smtp_ports", "") or "smtp")
    return [url("smtps" if port in direct else "smtp", host, port) for port in ports]


def _ports(value: str) -> list[int]:
    words = value.replace(":", " ").split()
    numbers = (int(word) if word.isdigit() else _PORTS.get(word, 0) for word in words)
    return [number for number in numbers if number]


def _lines(path: str) -> tuple[str, ...]:
    if path != _DEBIAN:
        return (f"# in {path}: tls_certificate = {{bundle}}", f"# in {path}: tls_privatekey = {{bundle}}")
    split = "dc_use_split_config='true'" in (read_text(path) or "")
    place = "/etc/exim4/conf.d/main/000_localmacros" if split else "/etc/exim4/exim4.conf.localmacros"
    macros = "'MAIN_TLS_ENABLE = yes' 'MAIN_TLS_CERTIFICATE = {bundle}' 'MAIN_TLS_PRIVATEKEY = {bundle}'"
    return (f"printf '%s\\n' {macros} >>{place} && update-exim4.conf && systemctl reload exim4",)
