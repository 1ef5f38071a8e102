"""What a Postfix is configured to do: asked of postconf, or read from its files where that is missing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from certctl.errors import CertctlError
from certctl.servers.files import read_text
from certctl.servers.postfix_defaults import DEFAULTS
from certctl.servers.postfix_parse import Service, expand, parse_main, parse_master, split_words
from certctl.servers.program import ask, run_program

PAIRS = (("cert", "key"), ("eccert", "eckey"), ("dcert", "dkey"))
"""What the parameters of a certificate and its key are called: smtpd_tls_cert_file, smtpd_tls_key_file, …"""


class Postfix(NamedTuple):
    """One instance. Values are expanded."""

    directory: str
    explicit: Mapping[str, str]
    """What main.cf sets."""
    values: Mapping[str, str]
    """Every parameter, defaults too."""
    services: Sequence[Service]
    map_types: frozenset[str] | None = None
    """What postconf -m lists; None: unknown."""
    version: tuple[int, ...] = ()
    """(3, 7); empty: unknown."""

    @property
    def subject(self) -> str:
        return f"postfix {self.directory}/main.cf"

    def get(self, name: str, service: Service | None = None) -> str:
        """The value of a parameter, for *service* where its -o options say otherwise."""
        if service is not None and name in service.options:
            return expand(service.options[name], self.values)
        return self.values.get(name, "")

    def words(self, name: str, service: Service | None = None) -> list[str]:
        """The value as a list: separated by commas or white space, braces hold together."""
        return split_words(self.get(name, service), ", \t\r\n")

    def file(self, name: str, service: Service | None = None) -> str:
        """The value as a path: daemons stand in queue_directory (master(8))."""
        path = self.get(name, service)
        return os.path.join(self.values.get("queue_directory", ""), path) if path not in ("", "none") else ""

    def files(self, name: str, service: Service | None = None) -> list[str]:
        """The value as a list of paths."""
        return [
            os.path.join(self.values.get("queue_directory", ""), path) for path in self.words(name, service)
        ]

    def pairs(self, side: str, service: Service | None = None) -> list[tuple[str, str]]:
        """The files of certificates and their keys that *side* (smtpd, smtp, lmtp) is given one by one."""
        found = []
        for certificate, key in PAIRS:
            path = self.file(f"{side}_tls_{certificate}_file", service)
            if not path:
                continue
            # A key's default is $…_cert_file, which -o may have changed.
            key_name = f"{side}_tls_{key}_file"
            own = key_name in self.explicit or (service is not None and key_name in service.options)
            found.append((path, (own and self.file(key_name, service)) or path))
        return found

    def is_yes(self, name: str, service: Service | None = None) -> bool:
        return self.get(name, service).lower() == "yes"

    def at_least(self, *version: int) -> bool:
        """Whether it is that version or later; an unknown one counts as today's."""
        return not self.version or self.version >= version

    @property
    def conf(self) -> str:
        """`postconf`, with the directory where it is not the usual one."""
        return "postconf" if self.directory == "/etc/postfix" else f"postconf -c {self.directory}"

    @property
    def reload(self) -> str:
        return "postfix reload" if self.directory == "/etc/postfix" else f"postfix -c {self.directory} reload"

    @property
    def inbound(self) -> list[Service]:
        """The services that take mail over the network."""
        return [one for one in self.services if one.command == "smtpd" and one.type in ("inet", "pass")]


def read_postfix(directory: str, *, ask_postconf: bool = True) -> Postfix:
    """Read the instance whose main.cf is in *directory*. Raises CertctlError if there is none."""
    directory = os.path.abspath(directory)
    text = read_text(os.path.join(directory, "main.cf"))
    if text is None:
        raise CertctlError(
            f"cannot read {directory}/main.cf",
            hint="name the directory: --postfix /etc/postfix",
        )
    asked = _ask(directory) if ask_postconf else None
    if asked is not None:
        return asked
    explicit = parse_main(text)
    domain = explicit.get("myhostname", "").partition(".")[2] or "localdomain"
    raw = {**DEFAULTS, "mydomain": domain, **explicit, "config_directory": directory}
    services = _services(directory)
    return Postfix(
        directory,
        {name: expand(value, raw) for name, value in explicit.items()},
        {name: expand(value, raw) for name, value in raw.items()},
        services,
    )


def _services(directory: str) -> list[Service]:
    return parse_master(read_text(os.path.join(directory, "master.cf")) or "")


def _ask(directory: str) -> Postfix | None:
    """Ask postconf(1); None if it is not there or does not answer."""
    everything = run_program(["postconf", "-c", directory, "-x"])
    if everything is None:
        return None
    explicit = run_program(["postconf", "-c", directory, "-xn"])
    # Without a master.cf, as in a directory that only holds an example, postconf -M fails, and slowly.
    has_master = os.path.exists(os.path.join(directory, "master.cf"))
    master = run_program(["postconf", "-c", directory, "-M"]) if has_master else ""
    types = run_program(["postconf", "-m"])
    if explicit is None or types is None:
        return None
    services = _services(directory) if master is None else parse_master(master)
    values = parse_main(everything)
    version = tuple(int(part) for part in values.get("mail_version", "").split(".")[:2] if part.isdigit())
    return Postfix(directory, parse_main(explicit), values, services, frozenset(types.split()), version)


def enabled_instances() -> list[str]:
    """The directories of the instances that `postmulti -l` lists as enabled; none if it does not answer."""
    answer = ask(["postmulti", "-l"])
    rows = [line.split() for line in answer.output.splitlines()] if answer and answer.status == 0 else []
    return [row[3] for row in rows if len(row) == 4 and row[2] == "y"]
