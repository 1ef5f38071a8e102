"""Every command, with its options and their help."""

from __future__ import annotations

import argparse

MOST_SECONDS = 366 * 86400.0


def _names(parser: argparse.ArgumentParser, count: str = "*", what: str = "certificates") -> None:
    parser.add_argument(
        "names", nargs=count, metavar="NAME", help=f"{what}; default: all" if count == "*" else what
    )


def _pass(parser: argparse.ArgumentParser) -> None:
    _wait(parser)
    parser.add_argument(
        "--verify", action="store_true", help="compare the content of every file, whatever its times say"
    )


def _wait(parser: argparse.ArgumentParser, seconds: float = 30.0) -> None:
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=seconds,
        metavar="SECONDS",
        help=f"how long to wait for another pass to end (default {seconds:g})",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def _init(parser: argparse.ArgumentParser) -> None:
    from certctl.cli import acme, servers

    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="names of the certificate; default: this host's"
    )
    parser.add_argument(
        "--dir", metavar="DIR", help="where to write it (default: /etc/certctl for root, else here)"
    )
    parser.add_argument("--run", action="store_true", help="run a pass at once, and show what there is then")
    parser.add_argument("--yes", action="store_true", help="for scripts: ask nothing")
    parser.add_argument(
        "--pin",
        choices=("key", "certificate"),
        help="which fingerprint peers hold of a certificate that is taken over; default: asked, else "
        "certificate, unless another tool renewed it",
    )
    acme.add(parser)
    servers.add(parser, "to fit: ")


def _plan(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    parser.add_argument("--check", action="store_true", help="exit 3 if there is work")
    parser.add_argument("--verify", action="store_true", help="compare the content of every file")


def _run(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    _pass(parser)
    parser.add_argument(
        "--replace-unknown-keys",
        action="append",
        default=[],
        metavar="NAME",
        help="replace keys in the files of this certificate that the state does not have: "
        "who pins them has to be told (a copy is kept in the state directory)",
    )
    _dry_run(parser)
    parser.add_argument(
        "--accept-clock", action="store_true", help="the time is right, though the clock jumped"
    )


def _dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="keep nothing: only order from the ACME CA's staging directory, to see whether it would issue "
        "(what a pass would do: certctl plan)",
    )


def _account(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("show", "rollover", "deactivate"))
    parser.add_argument("issuer", metavar="ISSUER", help="an issuer of type acme")
    _pass(parser)


def _doctor(parser: argparse.ArgumentParser) -> None:
    from certctl.cli import servers

    servers.add(parser)
    parser.add_argument(
        "--pem",
        action="append",
        default=[],
        metavar="FILE",
        help="a bundle by itself; without any of these options: every server that is set up here",
    )


def _probe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="*",
        metavar="NAME|URL",
        help="a certificate, and URLs to probe in place of its own; default: all that are configured",
    )
    parser.add_argument(
        "--dane",
        action="store_true",
        help="compare what is served with the TLSA records at every server of the zone",
    )
    parser.add_argument(
        "--resolver",
        default="",
        metavar="HOST[:PORT]",
        help="with --dane: who is asked for addresses and the AD bit; default: that of resolv.conf",
    )


def _revoke(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="certificate")
    parser.add_argument("--slot", choices=("current", "next", "previous"), default="current")
    parser.add_argument(
        "--reason",
        default="unspecified",
        metavar="R",
        help="keyCompromise, superseded, cessationOfOperation, … (RFC 5280); default: unspecified",
    )
    _pass(parser)


def _rotate(parser: argparse.ArgumentParser) -> None:
    _names(parser, "+")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--force", action="store_true", help="promote now, and list whose pins break")
    how.add_argument("--abort", action="store_true", help="cancel a waiting rotation, replace the next key")
    parser.add_argument(
        "--compromised",
        action="store_true",
        help="the key may be stolen: like --force, but its pins are retracted at once, and it is never "
        "served again",
    )
    parser.add_argument(
        "--yes", action="store_true", help="with --force: even where a key that was served only just is lost"
    )
    _pass(parser)


def _renew(parser: argparse.ArgumentParser) -> None:
    _names(parser, "+")
    _pass(parser)
    _dry_run(parser)


def _rollback(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="certificate")
    parser.add_argument(
        "--certificate",
        action="store_true",
        help="keep the key, and serve the certificate before the last renewal again",
    )
    _pass(parser)


def _ack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="certificate")
    parser.add_argument("peer", metavar="PEER", help="as require_ack has it")
    _pass(parser)


def _accept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="certificate")
    parser.add_argument(
        "pem", nargs="+", metavar="PEM", help="files with the certificate and its intermediates"
    )
    _pass(parser)


def _fingerprints(parser: argparse.ArgumentParser) -> None:
    from certctl.planning.pins import DIGESTS, FORMATS

    _names(parser)
    parser.add_argument(
        "--slot", choices=("current", "next", "previous", "all"), help="default: what is announced"
    )
    parser.add_argument("--of", choices=("key", "certificate"), help="default: as the certificate is pinned")
    parser.add_argument("--digest", choices=DIGESTS, default="sha256", help="default: sha256")
    parser.add_argument("--format", choices=FORMATS, default="text", dest="form", help="default: text")
    parser.add_argument(
        "--nexthop",
        action="append",
        default=[],
        metavar="'[HOST]:25'",
        help="the key of policy lines, as often as wanted; default: as announced, else [NAME] for each name",
    )
    parser.add_argument(
        "--port",
        action="append",
        type=int,
        default=[],
        metavar="PORT",
        help="for tlsa; default: as announced, else 25",
    )
    parser.add_argument("--file", metavar="PEM", help="of this certificate, key or public key instead")


def _hooks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("list", "run"), default="list", help="default: list")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the hook to run now")
    _pass(parser)


def _dhparam(parser: argparse.ArgumentParser) -> None:
    _names(parser, what="DH parameter files")
    _pass(parser)


def _status(parser: argparse.ArgumentParser) -> None:
    _names(parser)


def _log(parser: argparse.ArgumentParser) -> None:
    _names(parser, "?", "a certificate, hook or DH parameter file")
    parser.add_argument(
        "-n", "--lines", type=int, default=50, metavar="N", help="at most N events (default 50)"
    )


def _import(parser: argparse.ArgumentParser) -> None:
    from certctl.onboarding.tools import NAMES

    parser.add_argument("tool", metavar="TOOL", choices=NAMES, help=", ".join(NAMES))
    parser.add_argument(
        "path", nargs="?", metavar="PATH", help="its directory; for pem a file or directory; default: its own"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="add the tables to FILE, the configuration or a new file; default: print them",
    )
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="pem: the certificate that serves this key now, whatever the state says of it; "
        "without PATH the key in its configured files",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="keep nothing: only show what would be taken over"
    )
    _wait(parser)


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", metavar="FILE", help="replace FILE by the page, whole or not at all; default: print it"
    )


def _systemd(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--write",
        nargs="?",
        const="/etc/systemd/system",
        metavar="DIR",
        help="put it beside both units (default DIR: /etc/systemd/system); default: print it",
    )


def _daemon(parser: argparse.ArgumentParser) -> None:
    _wait(parser, 300.0)


def _announce(parser: argparse.ArgumentParser) -> None:
    _names(parser, what="announcers or certificates")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--show", action="store_true", help="what is announced since when, and who has not acknowledged"
    )
    what.add_argument("--key", action="store_true", help="the feed's public key, as a peer's key wants it")
    what.add_argument(
        "--new-key", action="store_true", help="replace the feed's key; the old one signs that it gave way"
    )
    _pass(parser)


def _peers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("sync", "add"), default="sync", help="default: sync")
    parser.add_argument("what", nargs="*", metavar="NAME|URL", help="sync: peers; add: the feed")
    parser.add_argument(
        "--dry-run", action="store_true", help="sync: keep nothing: only show what would change in the maps"
    )
    parser.add_argument(
        "--force", action="store_true", help="sync: believe feeds that drop a pin which is still served"
    )
    parser.add_argument(
        "--accept-serial",
        action="store_true",
        help="sync: believe the feed of a peer of which nothing is remembered any more, whatever its serial",
    )
    parser.add_argument("--yes", action="store_true", help="add: do not ask about the fingerprint")
    parser.add_argument("--key", metavar="KEY", help="add: the key it must have; then nothing is asked")
    parser.add_argument("--name", metavar="NAME", default="", help="add: what to call the peer")
    parser.add_argument(
        "--nexthop",
        action="append",
        default=[],
        metavar="'[HOST]:25'",
        help="add: as often as wanted; default: what the feed names at or below its host or parent domain",
    )
    parser.add_argument("--map", metavar="FILE", default="", help="add: the policy map for its lines")
    parser.add_argument("--hook", action="append", default=[], metavar="HOOK", help="add: default postmap")
    _pass(parser)


COMMANDS = {
    "init": ("write a certctl.toml that fits what runs here", _init),
    "plan": ("show what a pass would do now, what waits, and when the next pass is due", _plan),
    "run": ("run one pass: for cron and the systemd timer", _run),
    "daemon": ("run passes at the moments that the plan says", _daemon),
    "status": ("show certificates, DH parameters, hooks, announcers and peers", _status),
    "rotate": ("ask for a new key: promoted once its hold-down is over", _rotate),
    "renew": ("get a new certificate for the same key, now", _renew),
    "rollback": ("make the previous generation current again", _rollback),
    "fingerprints": ("print pins to publish", _fingerprints),
    "announce": ("publish the pins now, or show who has seen them", _announce),
    "ack": ("record that a peer has taken the next pin", _ack),
    "peers": ("follow the pins of peers: fetch their feeds, merge them into policy maps", _peers),
    "accept": ("complete the request of a csr issuer", _accept),
    "doctor": ("find faults around TLS on this host, and say what to type", _doctor),
    "probe": ("connect, and compare what is served with what should be", _probe),
    "account": ("show an ACME account, give it a new key, or end it", _account),
    "revoke": ("revoke a certificate, once another one is served", _revoke),
    "hooks": ("show hooks, or run one now", _hooks),
    "dhparam": ("make or check DH parameters now", _dhparam),
    "log": ("show what happened", _log),
    "import": ("take over the certificates of another tool, keys kept", _import),
    "report": ("make one HTML page of all that was, is and will be", _report),
    "systemd": ("let the systemd units write where the configuration says, and nowhere else", _systemd),
}
