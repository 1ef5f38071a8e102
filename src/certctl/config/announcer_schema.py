"""The keys of [announce.NAME], by type."""

from __future__ import annotations

from certctl.config.addresses import server, url, zone
from certctl.config.durations import duration
from certctl.config.key import Key, Section
from certctl.config.schema import COMMAND, GROUP, HOOKS, MODE, NEXTHOPS, OWNER, TIMEOUT, output
from certctl.config.values import at, choice, integer, listed, path
from certctl.planning.spec import ANNOUNCER_TYPES

TYPE = Key(choice(ANNOUNCER_TYPES), "one of " + ", ".join(ANNOUNCER_TYPES), '"feed"')

# What every announcer has that writes a file.
_FILE = {
    "mode": MODE,
    "owner": OWNER,
    "group": GROUP,
    "check": Key(url, "the https URL where it can be read", '"https://mx1.example.org/certctl-pins.jws"'),
    "hooks": HOOKS,
}

_DNS = {
    "ports": Key(listed(integer(1, 65535), empty=False), "a list of ports", "[25, 465]"),
    "ttl": Key(integer(0, 2**31 - 1), "a number of seconds", "3600"),
}

ANNOUNCERS = {
    "feed": Section(
        {
            "type": TYPE,
            "path": output('"/var/www/html/.well-known/certctl-pins.jws"'),
            **_FILE,
            "validity": Key(duration(), "a duration", '"30d"'),
        },
        required=("path",),
    ),
    "policy": Section(
        {"type": TYPE, "path": output('"/var/www/html/tls_policy"'), **_FILE, "nexthops": NEXTHOPS},
        required=("path",),
    ),
    "tlsa": Section(
        {"type": TYPE, "path": output('"/etc/bind/tlsa.zone"'), **_FILE, **_DNS}, required=("path",)
    ),
    "dns": Section(
        {
            "type": TYPE,
            "server": Key(server, "a host, or HOST:PORT", '"192.0.2.53"'),
            "zone": Key(zone, "the name of a zone", '"example.org"'),
            "tsig_key_file": Key(path, "the path of a file", '"/etc/certctl/tsig.key"', place=at),
            **_DNS,
            "timeout": TIMEOUT,
        },
        required=("server", "zone"),
    ),
    "command": Section({"type": TYPE, "command": COMMAND, "timeout": TIMEOUT}, required=("command",)),
}
