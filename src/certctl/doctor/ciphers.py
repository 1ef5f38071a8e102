"""OpenSSL cipher lists (ciphers(1)): weak words that are let in, and words that mean nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SEPARATORS = re.compile(r"[:,\s]+")

_WEAK = {
    "aNULL": "no authentication", "ADH": "no authentication", "AECDH": "no authentication",
    "eNULL": "no encryption", "NULL": "no encryption", "COMPLEMENTOFALL": "no encryption",
    "EXPORT": "40 bits", "EXPORT40": "40 bits", "EXPORT56": "56 bits", "EXP": "40 bits", "EXP1024": "56 bits",
    "LOW": "56 bits", "DES": "56 bits", "3DES": "64-bit blocks", "CBC3": "64-bit blocks",
    "IDEA": "64-bit blocks", "RC2": "broken", "RC4": "broken", "MD5": "broken", "SSLv2": "broken",
}  # fmt: skip

# Parts of which names of suites and classes are made, past ones too: excluding what is gone is harmless.
_PARTS = frozenset(
    [
        *(
            "ALL",
            "COMPLEMENTOFALL",
            "COMPLEMENTOFDEFAULT",
            "DEFAULT",
            "HIGH",
            "MEDIUM",
            "LOW",
            "FIPS",
            "CIPHER",
        ),
        *("EXPORT", "EXPORT40", "EXPORT56", "EXP", "EXP1024", "SUITEB128", "SUITEB128ONLY", "SUITEB192"),
        *("aNULL", "eNULL", "NULL", "aRSA", "aDSS", "aDH", "aDHr", "aDHd", "aECDH", "aECDHr", "aECDHe"),
        *(
            "aECDSA",
            "aKRB5",
            "aFZA",
            "aPSK",
            "aGOST",
            "aGOST01",
            "aSRP",
            "kRSA",
            "kDH",
            "kDHr",
            "kDHd",
            "kDHE",
        ),
        *("kEDH", "kECDH", "kECDHr", "kECDHe", "kECDHE", "kEECDH", "kKRB5", "kFZA", "kPSK", "kRSAPSK"),
        *("kDHEPSK", "kECDHEPSK", "kSRP", "kGOST", "RSA", "DSS", "DSA", "DH", "DHE", "EDH", "ADH", "ECDH"),
        *("ECDHE", "EECDH", "AECDH", "ECDSA", "KRB5", "FZA", "FORTEZZA", "PSK", "SRP", "GOST", "GOST89MAC"),
        *("GOST94", "AES", "AES128", "AES256", "AESGCM", "AESCCM", "AESCCM8", "CAMELLIA", "CAMELLIA128"),
        *("CAMELLIA256", "CHACHA20", "ARIA", "ARIA128", "ARIA256", "ARIAGCM", "SEED", "IDEA", "DES", "3DES"),
        *(
            "RC2",
            "RC4",
            "CBC",
            "CBC3",
            "GCM",
            "CCM",
            "CCM8",
            "POLY1305",
            "MD5",
            "SHA",
            "SHA1",
            "SHA256",
            "SHA384",
        ),
        *(
            "SSLv2",
            "SSLv3",
            "TLSv1",
            "TLSv1.0",
            "TLSv1.2",
            "TLS",
            "WITH",
            "PROFILE",
            "SYSTEM",
            "64",
            "128",
            "256",
        ),
    ]
)
_NOT_FIRST = frozenset(["CBC", "CBC3", "GCM", "CCM", "CCM8", "POLY1305"])
"""Modes: a suite's name never begins with one."""


def weak_words(cipher_list: str) -> dict[str, str]:
    """Return the words of *cipher_list* that let something weak in, each with what is weak about it.

    `+WORD` only moves, `!WORD` and `-WORD` take away; what is banned is not weak, wherever it stands.
    """
    words = [word for word in _SEPARATORS.split(cipher_list) if word]
    banned = {word[1:] for word in words if word[0] == "!"}
    found: dict[str, str] = {}
    let_in: dict[str, str] = {}
    for word in words:
        if word[0] == "-":
            let_in.pop(word[1:], None)
        elif word[0] not in "!+@":
            reason = _weakness(word)
            if reason:
                let_in[word] = reason
            elif word == "ALL" and not {"aNULL", "ADH"} & banned:
                let_in[word] = "it has suites without authentication (add !aNULL)"
    for word, reason in let_in.items():
        if not set(_parts(word)) & banned:
            found[word] = reason
    return found


def unknown_words(cipher_list: str) -> dict[str, str]:
    """Return the words that name no suite and no class, each with the nearest known one or nothing."""
    words = (word.lstrip("!-+") for word in _SEPARATORS.split(cipher_list) if word and word[0] != "@")
    return {word: _nearest(word) for word in words if word and not _is_known(word)}


def _is_known(word: str) -> bool:
    parts = [part for piece in word.split("+") for part in _parts(piece)]
    return all(part in _PARTS for part in parts) and parts[0] not in _NOT_FIRST


def _nearest(word: str) -> str:
    import difflib

    guess = []
    for part in _parts(word):
        near = [part] if part in _PARTS else difflib.get_close_matches(part, sorted(_PARTS), n=3, cutoff=0.6)
        if not near:
            return ""
        # People mistype the middle and the end of a word.
        guess.append(max(near, key=lambda word: _common_start(word, part)))
    meant = "-".join(guess)
    return f"DES-{meant}" if guess[0] in _NOT_FIRST else meant


def _common_start(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def _weakness(word: str) -> str:
    return next((_WEAK[part] for part in _all_parts(word) if part in _WEAK), "")


def _all_parts(word: str) -> Iterator[str]:
    for piece in word.split("+"):
        yield from _parts(piece)


def _parts(word: str) -> list[str]:
    return re.split(r"[-_=]", word)
