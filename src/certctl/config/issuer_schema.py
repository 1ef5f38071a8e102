"""The keys of [issuer.NAME], by type; and of the tables for dns-01 inside it."""

from __future__ import annotations

from certctl.config.addresses import acme_directory, email, listen, name_constraint, resolver, server, zone
from certctl.config.durations import duration
from certctl.config.key import Key, Section
from certctl.config.problems import BadValueError
from certctl.config.schema import COMMAND, TIMEOUT
from certctl.config.values import at, choice, directory, flag, integer, listed, path, text
from certctl.planning.spec import CHALLENGES, ISSUER_TYPES
from certctl.x509 import ALGORITHMS

TYPE = Key(choice(ISSUER_TYPES), "one of " + ", ".join(ISSUER_TYPES), '"acme"')
SIGN_COMMAND = COMMAND._replace(example='["/usr/local/bin/sign"]')


def provider(value: object) -> str:
    """Take rfc2136, command, or the name of a dns-lexicon provider."""
    found = text(value)
    if not found.isascii() or not found.replace("-", "").replace("_", "").isalnum() or found in ACME.keys:
        raise BadValueError(
            'not the name of a DNS provider: "rfc2136", "command", or one that dns-lexicon knows'
        )
    return found


def common_name(value: object) -> str:
    """Take the start of a CA's subject, short enough for what is put after it (RFC 5280: 64 in all)."""
    found = text(value)
    if len(found) > 40:
        raise BadValueError("longer than 40 characters")
    return found


_ca_names = listed(name_constraint)

PRIVATE_CA = Section(
    {
        "type": TYPE,
        "key": Key(choice(ALGORITHMS), "a key algorithm", '"ecdsa-p256"'),
        "common_name": Key(common_name, "a short text", '"Example Mail"'),
        "root_validity": Key(duration(), "a duration", '"7300d"'),
        "intermediate_validity": Key(duration(), "a duration", '"1825d"'),
        "path_length": Key(integer(0, 8), "a small number", "0"),
        "permitted_names": Key(_ca_names, "a list of DNS suffixes and IP networks", '["example.org"]'),
        "excluded_names": Key(_ca_names, "a list of DNS suffixes and IP networks", '["192.0.2.0/24"]'),
    }
)

COMMAND_ISSUER = Section({"type": TYPE, "command": SIGN_COMMAND, "timeout": TIMEOUT}, required=("command",))

ACME = Section(
    {
        "type": TYPE,
        "directory": Key(
            acme_directory,
            'the URL of the CA\'s directory, or "letsencrypt", or "letsencrypt-staging"',
            '"letsencrypt"',
        ),
        "email": Key(listed(email), "an e-mail address, or a list of them", '"hostmaster@example.org"'),
        "agree_tos": Key(flag, "true or false", "true"),
        "challenge": Key(choice(CHALLENGES), "one of " + ", ".join(CHALLENGES), '"http-01"'),
        "listen": Key(listed(listen, empty=False), "an address and port, or a list of them", '"0.0.0.0:80"'),
        "webroot": Key(directory, "the path of a directory", '"/var/www/html"', place=at),
        "dns": Key(provider, '"rfc2136", "command", or a provider of dns-lexicon', '"rfc2136"'),
        "profile": Key(text, "the name of one of the CA's profiles", '"tlsserver"'),
        "preferred_chain": Key(text, "the common name of a root", '"ISRG Root X1"'),
        "ca_file": Key(path, "the path of a file", '"/etc/certctl/ca.pem"', place=at),
        "eab_kid": Key(text, "the key identifier that the CA gave", '"kid-1"'),
        "eab_hmac_key_file": Key(path, "the path of a file", '"/etc/certctl/eab.key"', place=at),
        "eab_algorithm": Key(choice(("HS256", "HS384", "HS512")), '"HS256", "HS384" or "HS512"', '"HS256"'),
        "ari": Key(flag, "true or false", "true"),
        "max_orders": Key(integer(1, 1000), "a number", "20"),
        "timeout": TIMEOUT,
        "validation_timeout": Key(duration(), "a duration", '"5m"'),
    },
    required=("directory",),
)

ISSUERS = {
    "self-signed": Section({"type": TYPE}),
    "private-ca": PRIVATE_CA,
    "acme": ACME,
    "command": COMMAND_ISSUER,
    "csr": Section({"type": TYPE}),
}

DNS_COMMON = {
    "ttl": Key(integer(0, 86400), "a number of seconds", "60"),
    "propagation": Key(duration(zero=True), "a duration", '"2m"'),
    "resolver": Key(listed(resolver), "the address of a DNS server, or a list of them", '"127.0.0.1:5353"'),
}

DNS_TABLES = {
    "rfc2136": Section(
        {
            "server": Key(server, "a host, or HOST:PORT", '"192.0.2.53"'),
            "zone": Key(zone, "the name of a zone", '"example.org"'),
            "tsig_key_file": Key(path, "the path of a file", '"/etc/certctl/tsig.key"', place=at),
            **DNS_COMMON,
        },
        required=("server",),
    ),
    "command": Section(
        {
            "command": COMMAND._replace(example='["/usr/local/bin/dns-hook"]'),
            "timeout": TIMEOUT,
            **DNS_COMMON,
        },
        required=("command",),
    ),
}

COMMON_DEFAULTS: dict[str, object] = {"ttl": 60, "propagation": 120.0, "resolver": ()}
DNS_DEFAULTS: dict[str, dict[str, object]] = {
    "rfc2136": {"zone": "", "tsig_key_file": "", **COMMON_DEFAULTS},
    "command": {"timeout": 60.0, **COMMON_DEFAULTS},
}
