"""Every verb: the module here that has it, and what certctl --help says of it.

A module has for each of its verbs the function VERB_arguments(parser). That adds the arguments, and says
what is called with them: parser.set_defaults(call=…). It is imported only when the verb is used, or helped
with; what it needs to do its work, it imports then.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module

COMMANDS = {
    "init": ("init", "write a certctl.toml that fits what runs here"),
    "plan": ("plan", "show what a pass would do now, what waits, and when the next pass is due"),
    "run": ("run", "run one pass: for cron and the systemd timer"),
    "daemon": ("run", "run passes at the moments that the plan says"),
    "status": ("status", "show certificates, DH parameters, hooks, announcers and peers"),
    "rotate": ("rotate", "ask for a new key: promoted once its hold-down is over"),
    "renew": ("rotate", "get a new certificate for the same key, now"),
    "rollback": ("rotate", "make the previous generation current again"),
    "fingerprints": ("fingerprints", "print pins to publish"),
    "announce": ("announce", "publish the pins now, or show who has seen them"),
    "ack": ("announce", "record that a peer has taken the next pin"),
    "peers": ("peers", "follow the pins of peers: fetch their feeds, merge them into policy maps"),
    "accept": ("issuers", "complete the request of a csr issuer"),
    "doctor": ("doctor", "find faults around TLS on this host, and say what to type"),
    "probe": ("probe", "connect, and compare what is served with what should be"),
    "account": ("issuers", "show an ACME account, give it a new key, or end it"),
    "revoke": ("issuers", "revoke a certificate, once another one is served"),
    "hooks": ("hooks", "show hooks, or run one now"),
    "dhparam": ("dhparam", "make or check DH parameters now"),
    "log": ("log", "show what happened"),
    "import": ("import_", "take over the certificates of another tool, keys kept"),
    "report": ("report", "make one HTML page of all that was, is and will be"),
    "systemd": ("systemd", "let the systemd units write where the configuration says, and nowhere else"),
}


def arguments_of(verb: str) -> Callable[[argparse.ArgumentParser], None]:
    """What adds the arguments of *verb* to its parser."""
    module = import_module(f"{__name__}.{COMMANDS[verb][0]}")
    add: Callable[[argparse.ArgumentParser], None] = getattr(module, f"{verb}_arguments")
    return add
