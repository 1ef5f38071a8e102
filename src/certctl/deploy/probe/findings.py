"""One connection's certificate, chain, dates and session, each judged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from certctl.deploy.probe.url import is_address, parse_url
from certctl.deploy.probe.values import (
    ERROR,
    INFO,
    WARNING,
    Expected,
    ExpectedKey,
    Served,
    ServedCertificate,
)

_RELOAD = "reload the server, and see that it reads the file that certctl writes: certctl doctor"
_SOON = timedelta(days=30)
_CHAIN = "give the server the whole bundle or fullchain.pem, not cert.pem"


class Found(NamedTuple):
    """A difference, before it is counted over the connections."""

    severity: str
    kind: str
    message: str
    fix: str


def look_at_identity(look: Served, expected: Expected) -> Iterator[Found]:
    """Is it the right certificate? If not: which of those that are known, or whose?"""
    leaf = look.chain[0]
    if not expected.keys:
        yield from _look_at_name(look, leaf)
    elif not any(_same(leaf.sha256, key.leaf_sha256) for key in expected.keys):
        yield _name_it(leaf, expected)
        if expected.names and not set(expected.names) & set(leaf.names):
            yield Found(
                ERROR, "other-name", f"the certificate is for other names: {_list(leaf.names)}", _RELOAD
            )


def _name_it(leaf: ServedCertificate, expected: Expected) -> Found:
    made = f"made {leaf.not_before:%Y-%m-%d}, ends {leaf.not_after:%Y-%m-%d}"
    if _has_key(expected.previous, leaf) and not _has_key(expected.keys, leaf):
        return Found(
            ERROR, "previous", f"the previous key and certificate are still served ({made})", _RELOAD
        )
    if _has_key(expected.keys, leaf):
        message = f"another certificate for the current key is served ({made}): the one before the renewal?"
        return Found(ERROR, "old-certificate", message, _RELOAD)
    if _has_key(expected.next, leaf):
        return Found(ERROR, "next", f"the next key is served already ({made}), before its promotion", _RELOAD)
    message = f"another key is served: {leaf.key_sha256} of {leaf.subject or _list(leaf.names)} ({made})"
    return Found(ERROR, "other-key", message, _RELOAD)


def _look_at_name(look: Served, leaf: ServedCertificate) -> Iterator[Found]:
    name = look.sni or parse_url(look.url).host
    if is_address(name) and not look.sni:
        return  # nobody who connects by address asks for a name
    if not any(_covers(pattern, name) for pattern in leaf.names):
        message = f"the certificate is not for {name} but for {_list(leaf.names)}"
        yield Found(ERROR, "other-name", message, f"serve a certificate for {name}, or probe the right name")


def look_at_chain(look: Served, expected: Expected) -> Iterator[Found]:
    """Are all intermediates there, in order, and nothing else?"""
    leaf, above = look.chain[0], look.chain[1:]
    key = next((key for key in expected.keys if _same(key.leaf_sha256, leaf.sha256)), None)
    if key is None:
        if not expected.keys:
            yield from _look_at_unknown_chain(look.chain)
        return
    wanted, sent = [_norm(digest) for digest in key.chain_sha256], [_norm(one.sha256) for one in above]
    missing = [digest for digest in wanted if digest not in sent]
    if missing:
        message = f"{len(missing)} of {len(wanted)} intermediate certificates {_is(missing)} not sent"
        yield Found(ERROR, "missing-intermediate", message, _CHAIN)
    elif [digest for digest in sent if digest in wanted] != wanted:
        yield Found(ERROR, "wrong-order", "the intermediate certificates are sent in the wrong order", _CHAIN)
    for one in above:
        if _norm(one.sha256) in wanted:
            continue
        if one.subject == one.issuer or _same(one.sha256, expected.root_sha256):
            yield Found(
                INFO, "root-sent", "the root is sent too: peers have it, or must not trust it from here", ""
            )
        else:
            yield Found(
                WARNING, "extra-certificate", f"a certificate too many is sent: {one.subject}", _CHAIN
            )


def _look_at_unknown_chain(chain: tuple[ServedCertificate, ...]) -> Iterator[Found]:
    leaf = chain[0]
    if leaf.signer is None and leaf.subject != leaf.issuer:
        message = f"the issuer is not sent: {leaf.issuer}; an intermediate is missing, unless that is a root"
        yield Found(WARNING, "missing-intermediate", message, _CHAIN)
    # Each certificate is to certify the one before it: RFC 5246 §7.4.2; RFC 8446 §4.4.2 only forgives.
    elif any(one.signer not in (None, i, i + 1) for i, one in enumerate(chain)):
        yield Found(ERROR, "wrong-order", "the certificates are sent in the wrong order", _CHAIN)


def look_at_validity(look: Served, expected: Expected, now: datetime) -> Iterator[Found]:
    """Is every certificate valid, and for how long still?"""
    for number, one in enumerate(look.chain):
        what = "the certificate" if number == 0 else f"the intermediate {one.subject}"
        life = one.not_after - one.not_before
        soon = min(life / 10, _SOON) if expected.soon is None else timedelta(seconds=expected.soon)
        if now >= one.not_after:
            yield Found(ERROR, "expired", f"{what} expired {_moment(one.not_after)}", "certctl status")
        elif now < one.not_before:
            message = f"{what} is valid only from {_moment(one.not_before)}"
            yield Found(ERROR, "not-yet-valid", message, "check the clock of this host: date -u")
        elif one.not_after - now < soon:
            yield Found(WARNING, "expires-soon", f"{what} expires {_moment(one.not_after)}", "certctl status")


def look_at_session(look: Served) -> Iterator[Found]:
    """Is what was negotiated up to date?"""
    if look.protocol in ("SSLv3", "TLSv1", "TLSv1.1"):
        yield Found(
            WARNING, "old-protocol", f"{look.protocol} is all that was agreed on (RFC 8996)", "certctl doctor"
        )
    if any(word in look.cipher for word in ("RC4", "DES", "EXP", "MD5", "NULL")):
        yield Found(WARNING, "weak-cipher", f"the weak cipher {look.cipher} was agreed on", "certctl doctor")
    if look.cipher.startswith(("DHE", "EDH")) and 0 < look.group_bits < 2048:
        message = f"the DH prime has only {look.group_bits} bits"
        yield Found(WARNING, "weak-dh", message, "certctl dhparam, or none at all: certctl doctor")
    if look.note:
        yield Found(INFO, "asked-otherwise", look.note, "")


def _has_key(keys: tuple[ExpectedKey, ...], leaf: ServedCertificate) -> bool:
    return any(_same(key.key_sha256, leaf.key_sha256) for key in keys)


def _covers(pattern: str, name: str) -> bool:
    """RFC 6125 §6.4: case is free, a wildcard stands for exactly one label."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name


def _same(one: str, other: str) -> bool:
    return bool(one) and _norm(one) == _norm(other)


def _norm(digest: str) -> str:
    return digest.replace(":", "").lower()


def _list(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:4]) or "no name at all"
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown


def _is(things: list[str]) -> str:
    return "is" if len(things) == 1 else "are"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
