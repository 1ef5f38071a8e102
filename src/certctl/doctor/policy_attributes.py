"""Attributes of an entry of the TLS policy table: which are known, where, how often, and with what values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from certctl.doctor.ciphers import unknown_words
from certctl.doctor.finding import Finding, Place
from certctl.doctor.policy_match import check_names, check_pins
from certctl.doctor.postfix_protocols import enabled_protocols, syntax_error
from certctl.doctor.postfix_tls import GRADES
from certctl.doctor.protocols import old_in
from certctl.doctor.trust import holds_certificates
from certctl.system.text import nearest

NAMES_LEVELS = ("verify", "secure")
DANE_LEVELS = ("dane", "dane-only")
_ONCE = (
    "ciphers",
    "protocols",
    "servername",
    "exclude",
    "policy_ttl",
    "policy_type",
    "policy_domain",
    "policy_failure",
)
_SINCE = {
    "connection_reuse": (3, 4),
    "servername": (3, 4),
    "enable_rpk": (3, 9),
    **dict.fromkeys(
        ("policy_ttl", "policy_type", "policy_domain", "policy_string", "policy_failure", "mx_host_pattern"),
        (3, 10),
    ),
}
_ATTRIBUTES = ("match", "ciphers", "protocols", "exclude", "tafile", *_SINCE)


class Rules(NamedTuple):
    """What of main.cf decides how an entry is read."""

    digest: str = "sha256"
    """smtp_tls_fingerprint_digest"""
    default_pins: str = ""
    """smtp_tls_fingerprint_cert_match"""
    dnssec: bool = True
    version: tuple[int, ...] = ()
    """Of Postfix; empty: today's."""

    def knows(self, *version: int) -> bool:
        return not self.version or self.version >= version


def check_attributes(
    place: Place, key: str, level: str, attributes: Sequence[tuple[str, str]], rules: Rules
) -> Iterator[Finding]:
    """Check the attributes (name, value) of the entry under *key* at a level that uses TLS."""
    seen: set[str] = set()
    for name, value in attributes:
        if name not in _ATTRIBUTES:
            yield _unknown(place, key, name)
        elif not rules.knows(*_SINCE.get(name, (2, 3))):
            since = ".".join(map(str, _SINCE[name]))
            yield place.error(
                "policy-attribute",
                f"{key}: {name}= needs Postfix {since}: mail is deferred with 4.7.5",
                "take it out",
            )
        elif name in seen and name in _ONCE:
            yield place.error(
                "policy-doubled",
                f"{key}: {name}= is there twice: mail is deferred with 4.7.5",
                "leave one of them",
            )
        else:
            yield from _check_attribute(place, key, level, name, value, rules)
        seen.add(name)
    if level == "fingerprint":
        pins = [pin for name, value in attributes if name == "match" for pin in value.split("|")]
        yield from check_pins(place, key, pins, rules.digest, rules.default_pins, rules.knows(3, 6))
    if "policy_type" not in seen and seen & {"policy_ttl", "policy_domain", "policy_string", "policy_failure",
                                            "mx_host_pattern"}:  # fmt: skip
        yield place.error(
            "policy-attribute",
            f"{key}: policy_ttl= and its like need policy_type=: mail is deferred with 4.7.5",
            "write policy_type=sts or policy_type=dane, or take the others out",
        )


def _unknown(place: Place, key: str, name: str) -> Finding:
    near = nearest(name, _ATTRIBUTES)
    return place.error(
        "policy-attribute",
        f"{key}: {name}= is unknown: mail is deferred with 4.7.5",
        f"{near}= is known" if near else f"known are {', '.join(_ATTRIBUTES)}",
    )


def _check_attribute(
    place: Place, key: str, level: str, name: str, value: str, rules: Rules
) -> Iterator[Finding]:
    if name == "match":
        yield from _check_match(place, key, level, value)
    elif name == "tafile" and level not in NAMES_LEVELS:
        yield place.error(
            "policy-tafile",
            f"{key}: tafile= is not allowed at {level}: mail is deferred with 4.7.5",
            "take it out",
        )
    elif name == "tafile" and not holds_certificates(value):
        yield place.error(
            "policy-tafile", f"{key}: tafile={value} holds no certificate: mail is deferred with 4.7.5",
            "name a PEM file with trust anchors",
        )  # fmt: skip
    elif name == "protocols":
        yield from _check_protocols(place, key, value, rules)
    elif name == "ciphers" and value.lower() not in GRADES:
        yield place.error(
            "policy-ciphers", f"{key}: ciphers={value} is none of {', '.join(GRADES)}", "ciphers=high"
        )
    elif name == "ciphers" and value.lower() in ("export", "low", "null"):
        yield place.warning("policy-ciphers", f"{key}: ciphers={value} lets weak ciphers in", "ciphers=high")
    elif name == "exclude":
        for word, near in unknown_words(value).items():
            message = f"{key}: exclude={word} names no cipher{f' ({near}?)' if near else ''}"
            yield place.warning("policy-exclude", message, "write what was meant")
    elif name in ("connection_reuse", "enable_rpk") and value.lower() not in ("yes", "no"):
        yield place.error(
            "policy-value",
            f"{key}: {name}={value} is neither yes nor no: mail is deferred with 4.7.5",
            f"{name}=yes",
        )
    elif name == "servername" and not _is_hostname(value):
        yield place.error(
            "policy-value", f"{key}: servername={value} is no host name: mail is deferred with 4.7.5",
            "servername=hostname sends the MX's own name",
        )  # fmt: skip


def _check_match(place: Place, key: str, level: str, value: str) -> Iterator[Finding]:
    if level in ("may", "encrypt", *DANE_LEVELS):
        yield place.error(
            "policy-match",
            f"{key}: match= is not allowed at {level}: mail is deferred with 4.7.5",
            f"take it out, or use the level {'fingerprint' if ':' in value else 'secure'}",
        )
    elif not value:
        yield place.error(
            "policy-match", f"{key}: match= is empty: mail is deferred with 4.7.5", "take it out, or fill it"
        )
    elif level in NAMES_LEVELS:
        yield from check_names(place, key, level, value)


def _check_protocols(place: Place, key: str, value: str, rules: Rules) -> Iterator[Finding]:
    trouble = syntax_error(value, rules.version)
    if trouble:
        yield place.error(
            "policy-protocols",
            f"{key}: protocols={value}: {trouble}: mail is deferred",
            "protocols=>=TLSv1.2",
        )
        return
    enabled = enabled_protocols(value)
    old = [version for version in old_in(enabled) if version != "SSLv2"]
    if old:
        yield place.warning(
            "policy-protocols", f"{key}: protocols={value} leaves {', '.join(old)} on", "protocols=>=TLSv1.2"
        )
    elif not enabled:
        yield place.error(
            "policy-protocols", f"{key}: protocols={value} leaves nothing on", "protocols=>=TLSv1.2"
        )


def _is_hostname(name: str) -> bool:
    labels = name.split(".")
    return 0 < len(name) < 256 and all(
        0 < len(label) < 64
        and label.replace("-", "").replace("_", "").isalnum()
        and label[0] != "-" != label[-1]
        for label in labels
    )
