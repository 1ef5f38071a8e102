"""Postfix's TLS settings: levels, protocols, ciphers, digests, DH, and words of the past."""

from __future__ import annotations

from collections.abc import Iterator

from certctl.doctor.ciphers import unknown_words, weak_words
from certctl.doctor.dh import Advice, check_dh
from certctl.doctor.finding import Finding, Place
from certctl.doctor.postfix_protocols import enabled_protocols, syntax_error
from certctl.doctor.protocols import old_in
from certctl.servers.postfix import Postfix

CLIENT_LEVELS = ("none", "may", "encrypt", "fingerprint", "dane", "dane-only", "verify", "secure")
GRADES = ("export", "low", "medium", "high", "null")

_LEGACY = {
    "smtpd_use_tls": "smtpd_tls_security_level = may",
    "smtpd_enforce_tls": "smtpd_tls_security_level = encrypt",
    "smtp_use_tls": "smtp_tls_security_level = may",
    "smtp_enforce_tls": "smtp_tls_security_level = encrypt",
    "smtp_tls_enforce_peername": "the level secure, or verify, in smtp_tls_policy_maps",
    "smtp_tls_per_site": "smtp_tls_policy_maps",
    "lmtp_use_tls": "lmtp_tls_security_level = may",
    "lmtp_enforce_tls": "lmtp_tls_security_level = encrypt",
    "smtpd_tls_cipherlist": "smtpd_tls_ciphers and smtpd_tls_exclude_ciphers",
    "smtp_tls_cipherlist": "smtp_tls_ciphers and smtp_tls_exclude_ciphers",
}

_PROTOCOLS = (
    "smtpd_tls_protocols",
    "smtpd_tls_mandatory_protocols",
    "smtp_tls_protocols",
    "smtp_tls_mandatory_protocols",
)


def check_settings(postfix: Postfix) -> Iterator[Finding]:
    """Check main.cf."""
    place = Place(postfix.subject, "postfix")
    yield from _check_legacy(postfix, place)
    yield from _check_levels(postfix, place)
    yield from _check_protocols(postfix, place)
    yield from _check_grades(postfix, place)
    yield from _check_exclusions(postfix, place)
    yield from _check_digests(postfix, place)
    yield from _check_parameters(postfix, place)
    yield from _check_log_level(postfix, place)


def _check_legacy(postfix: Postfix, place: Place) -> Iterator[Finding]:
    for name, instead in _LEGACY.items():
        if name not in postfix.explicit:
            continue
        level = f"{name.partition('_')[0]}_tls_security_level"
        now = (
            f"{postfix.conf} -e '{instead}'; "
            if instead.startswith(level) and level not in postfix.explicit
            else ""
        )
        yield place.warning(
            "legacy-setting",
            f"{name} is of the time before Postfix 2.3; today it is {instead}",
            f"{now}{postfix.conf} -X {name}",
        )


def _check_levels(postfix: Postfix, place: Place) -> Iterator[Finding]:
    server = postfix.get("smtpd_tls_security_level")
    if server not in ("", "none", "may", "encrypt"):
        yield place.error(
            "bad-level",
            f"smtpd_tls_security_level = {server} is none of none, may, encrypt",
            f"{postfix.conf} -e smtpd_tls_security_level=may",
        )
    legacy = postfix.is_yes("smtpd_use_tls") or postfix.is_yes("smtpd_enforce_tls")
    has_certificate = postfix.get("smtpd_tls_chain_files") or postfix.get("smtpd_tls_cert_file")
    if has_certificate and (server == "none" or (not server and not legacy)):
        yield place.warning(
            "tls-off",
            "there is a certificate, but STARTTLS is not offered",
            f"{postfix.conf} -e smtpd_tls_security_level=may; {postfix.reload}",
        )
    client = postfix.get("smtp_tls_security_level")
    if client and client not in CLIENT_LEVELS:
        yield place.error(
            "bad-level",
            f"smtp_tls_security_level = {client} is none of {', '.join(CLIENT_LEVELS)}",
            f"{postfix.conf} -e smtp_tls_security_level=may",
        )
    if client in ("", "none") and not (postfix.is_yes("smtp_use_tls") or postfix.is_yes("smtp_enforce_tls")):
        yield place.warning(
            "client-clear",
            "mail is sent in clear text even where the other side offers TLS",
            f"{postfix.conf} -e smtp_tls_security_level=may; {postfix.reload}",
        )
    if client in ("dane", "dane-only") and postfix.get("smtp_dns_support_level") != "dnssec":
        yield place.error(
            "dane-no-dnssec",
            f"smtp_tls_security_level = {client} does nothing without DNSSEC",
            f"{postfix.conf} -e smtp_dns_support_level=dnssec; {postfix.reload}",
        )


def _check_protocols(postfix: Postfix, place: Place) -> Iterator[Finding]:
    for name in _PROTOCOLS:
        value = postfix.get(name)
        trouble = syntax_error(value, postfix.version)
        wanted = ">=TLSv1.2" if postfix.at_least(3, 6) else "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"
        fix = f"{postfix.conf} -e '{name} = {wanted}'; {postfix.reload}"
        if trouble:
            yield place.error("protocol-syntax", f"{name} = {value}: {trouble}, so TLS is not available", fix)
            continue
        old = old_in(enabled_protocols(value))
        # OpenSSL has not known SSLv2 for years; naming it alone would be noise.
        if not [version for version in old if version != "SSLv2"]:
            continue
        message = f"{name} leaves {', '.join(old)} on (RFC 8996)"
        if name in postfix.explicit or "_mandatory_" in name:
            yield place.warning("old-protocol", message, fix)
        else:
            # Where TLS is a choice, a peer that knows nothing newer would go on in clear text.
            yield place.info("old-protocol", f"{message}, for peers that would else do without TLS", fix)


def _check_grades(postfix: Postfix, place: Place) -> Iterator[Finding]:
    for name in (
        "smtpd_tls_ciphers",
        "smtpd_tls_mandatory_ciphers",
        "smtp_tls_ciphers",
        "smtp_tls_mandatory_ciphers",
    ):
        grade = postfix.get(name).lower()
        fix = f"{postfix.conf} -X {name}; {postfix.reload}"
        if grade not in GRADES:
            yield place.error("bad-grade", f"{name} = {grade} is none of {', '.join(GRADES)}", fix)
        elif grade in ("export", "low", "null"):
            yield place.warning("weak-cipher", f"{name} = {grade} lets weak ciphers in", fix)
    for name in (
        "tls_high_cipherlist",
        "tls_medium_cipherlist",
        "tls_low_cipherlist",
        "tls_export_cipherlist",
    ):
        # Of Postfix's own lists nobody has to be told; anonymous suites in them are meant.
        weak = weak_words(postfix.explicit.get(name, ""))
        if weak:
            said = ", ".join(f"{word} ({why})" for word, why in weak.items())
            yield place.warning(
                "weak-cipher", f"{name} lets in {said}", f"{postfix.conf} -X {name}; {postfix.reload}"
            )


def _check_exclusions(postfix: Postfix, place: Place) -> Iterator[Finding]:
    for name, value in postfix.explicit.items():
        if not name.endswith("_exclude_ciphers"):
            continue
        unknown = unknown_words(value)
        if unknown:
            said = ", ".join(f"{word} ({near}?)" if near else word for word, near in unknown.items())
            yield place.warning(
                "exclude-unknown",
                f"{name}: no cipher has this name, so nothing is excluded by it: {said}",
                f"write what was meant: {postfix.conf} -e '{name} = aNULL, RC4, DES, 3DES, MD5'",
            )


def _check_digests(postfix: Postfix, place: Place) -> Iterator[Finding]:
    for name, users in (
        ("smtp_tls_fingerprint_digest", ("smtp_tls_policy_maps", "smtp_tls_fingerprint_cert_match")),
        ("lmtp_tls_fingerprint_digest", ("lmtp_tls_policy_maps", "lmtp_tls_fingerprint_cert_match")),
        ("smtpd_tls_fingerprint_digest", ("relay_clientcerts",)),
    ):
        digest = postfix.get(name).lower()
        in_use = name in postfix.explicit or any(postfix.get(user) for user in users)
        if digest in ("md5", "sha1") and in_use:
            theirs = (
                "ask the clients for their sha256 fingerprints, and write one more line for each"
                if name.startswith("smtpd")
                else "add the peers' sha256 fingerprints, one more match= in each line (certctl probe "
                "smtp://PEER prints what it serves: compare that with what the peer tells you)"
            )
            yield place.warning(
                "digest-weak",
                f"{name} is {digest}: pins made with it can be forged",
                f"{theirs}; when all have them, {postfix.conf} -e {name}=sha256; {postfix.reload}; then the "
                f"{digest} ones can go",
            )


def _check_parameters(postfix: Postfix, place: Place) -> Iterator[Finding]:
    if postfix.explicit.get("smtpd_tls_dh512_param_file"):
        yield place.warning(
            "dh512",
            "smtpd_tls_dh512_param_file is for export ciphers, which are gone; it is ignored since 3.6",
            f"{postfix.conf} -X smtpd_tls_dh512_param_file",
        )
    if postfix.get("smtpd_tls_dh1024_param_file") not in ("", "auto"):
        path = postfix.file("smtpd_tls_dh1024_param_file")
        needless = postfix.at_least(3, 7)
        without = f"{postfix.conf} -X smtpd_tls_dh1024_param_file; {postfix.reload}" if needless else ""
        why = "Postfix 3.7 and later do better without: they offer the groups of RFC 7919 by size"
        yield from check_dh(place, path, Advice(without, why, largest=2048, reload=postfix.reload))


def _check_log_level(postfix: Postfix, place: Place) -> Iterator[Finding]:
    for name in ("smtpd_tls_loglevel", "smtp_tls_loglevel"):
        if postfix.get(name) in ("3", "4"):
            yield place.warning(
                "log-level",
                f"{name} = {postfix.get(name)} writes whole conversations into the log",
                f"{postfix.conf} -e {name}=1; {postfix.reload}",
            )
