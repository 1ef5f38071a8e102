"""The keys of certctl.toml, table by table; those of issuers and announcers are in files of their own."""

from __future__ import annotations

from certctl.config.addresses import feed, feed_at, nexthop, probe
from certctl.config.durations import duration, mode
from certctl.config.key import Key, Section
from certctl.config.names import server_name
from certctl.config.problems import BadValueError
from certctl.config.values import (
    account,
    all_at,
    at,
    choice,
    command,
    command_at,
    directory,
    file_name,
    integer,
    listed,
    path,
    repeated,
    text,
)
from certctl.planning.spec import PARTS
from certctl.x509 import ALGORITHMS

FFDHE_BITS = (2048, 3072, 4096, 6144, 8192)


def parts(value: object) -> tuple[str, ...]:
    """Take parts of a bundle in the order in which they are written."""
    found = _parts(value)
    ordered = tuple(part for part in PARTS if part in found)
    if found != ordered:
        words = ", ".join(f'"{part}"' for part in ordered)
        raise BadValueError(f"a bundle holds its parts in this order: [{words}]")
    return found


def tables(value: object) -> list[dict[str, object]]:
    """Take what [[…]] makes: a list of tables."""
    if isinstance(value, dict):
        raise BadValueError(
            "needs two pairs of brackets, since there may be several: [[certificate.NAME.file]]"
        )
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadValueError
    return value


_parts = listed(choice(PARTS), empty=False)
_words = repeated(listed(text))

HOOKS = Key(repeated(listed(file_name)), "a list of hooks' names", '["postfix"]')
OWNER = Key(account, "a user's name or number", '"root"')
GROUP = Key(account, "a group's name or number", '"root"')
MODE = Key(mode, "octal digits in quotes", '"0644"')
COMMAND = Key(command, "a list: the program, then its arguments", '["postfix", "reload"]', place=command_at)
TIMEOUT = Key(duration(), "a duration", '"30s"')
NEXTHOPS = Key(listed(nexthop), "a list of next-hops", '["[mx1.example.org]:25"]')
ROTATE_EVERY = Key(duration(word="never"), 'a duration, or "never"', '"365d"')


def output(example: str) -> Key:
    """A file that certctl writes."""
    return Key(path, "the path of a file", example, place=at)


TOP = Section(
    {
        "state_dir": Key(directory, "the path of a directory", '"/var/lib/certctl"', place=at),
        "hooks_dir": Key(directory, "the path of a directory", '"/etc/certctl/hooks"', place=at),
        "network_timeout": Key(duration(), "a duration", '"5m"'),
    }
)

CERTIFICATE = Section(
    {
        "names": Key(
            listed(server_name, empty=False, single=False),
            "a list of DNS names and IP addresses",
            '["mx1.example.org", "192.0.2.25"]',
        ),
        "issuer": Key(
            listed(text, empty=False),
            "an issuer's name, or a list of them that is tried in order",
            '"letsencrypt"',
            "issuers",
        ),
        "keys": Key(
            repeated(listed(choice(ALGORITHMS), empty=False)),
            "a list of key algorithms",
            '["ecdsa-p256", "rsa-2048"]',
        ),
        "validity": Key(duration(), "a duration", '"90d"'),
        "renew_before": Key(duration(word="auto"), 'a duration, or "auto"', '"auto"'),
        "rotate_every": ROTATE_EVERY,
        "pin": Key(choice(("key", "certificate")), '"key" or "certificate"', '"key"'),
        "hold_down": Key(duration(zero=True), "a duration", '"7d"'),
        "announce": Key(_words, "a list of announcers' names", '["partners"]'),
        "require_ack": Key(listed(file_name), "a list of peers' names", '["thumb.example.net"]'),
        "probe": Key(
            repeated(listed(probe)), "a list of URLs", '["smtp://127.0.0.1:25", "smtps://127.0.0.1:465"]'
        ),
        "on_failed_probe": Key(choice(("rollback", "keep")), '"rollback" or "keep"', '"rollback"'),
        "hooks": HOOKS,
        "nexthops": NEXTHOPS,
        "file": Key(tables, "tables [[certificate.NAME.file]]", '[{ path = "mx1.pem" }]', "files"),
    },
    required=("names",),
)

FILE = Section(
    {
        "path": output('"/etc/postfix/tls/mx1.pem"'),
        "parts": Key(repeated(parts), "a list out of key, cert, chain, root", '["key", "cert", "chain"]'),
        "algorithm": Key(choice(ALGORITHMS), "one of the certificate's key algorithms", '"rsa-2048"'),
        "mode": MODE._replace(example='"0600"'),
        "owner": OWNER,
        "group": GROUP,
        "hooks": HOOKS,
    },
    required=("path",),
)

DHPARAM = Section(
    {
        "path": output('"/etc/postfix/tls/dh2048.pem"'),
        "bits": Key(integer(2048, 16384), "a number of bits", "2048"),
        "source": Key(choice(("generate", "ffdhe")), '"generate" or "ffdhe"', '"generate"'),
        "rotate_every": ROTATE_EVERY,
        "mode": MODE,
        "owner": OWNER,
        "group": GROUP,
        "hooks": HOOKS,
    },
    required=("path",),
)

WATCH = Section(
    {
        "paths": Key(listed(path, empty=False), "a list of files", '["/etc/postfix/sni"]', place=all_at),
        "hooks": HOOKS._replace(parse=listed(file_name, empty=False)),
    },
    required=("paths", "hooks"),
)

HOOK = Section({"command": COMMAND, "timeout": TIMEOUT})

PEER = Section(
    {
        "feed": Key(
            feed,
            "an https URL, or the path of a file",
            '"https://thumb.example.net/.well-known/certctl-pins.jws"',
            place=feed_at,
        ),
        "key": Key(text, "the peer's feed key, as `certctl announce --key` prints it there", '"…"'),
        "nexthops": NEXTHOPS._replace(example='["[thumb.example.net]"]'),
        "map": output('"/etc/postfix/tls_policy.certctl"'),
        "hooks": HOOKS._replace(example='["postmap"]'),
    },
    required=("feed", "key", "map"),
)
