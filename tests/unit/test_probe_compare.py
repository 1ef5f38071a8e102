"""Every way in which what is served can differ from what should be, named."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from certctl.deploy.probe import (
    Difference,
    Expected,
    ExpectedKey,
    Failure,
    Served,
    ServedCertificate,
    as_json,
    compare,
)

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=timezone.utc)
URL = "smtp://mx.example.org:25"


def certificate(
    what: str, *, key: str = "", names: tuple[str, ...] = (), signer: int | None = None, left: float = 60
) -> ServedCertificate:
    start = NOW - timedelta(days=30)
    issuer = f"CN={what}" if signer == 0 and not names else "CN=issuer"
    end = NOW + timedelta(days=left)
    return ServedCertificate(
        what, key or f"key of {what}", "rsa-2048", f"CN={what}", issuer, names, start, end, signer
    )


NAMES = ("mx.example.org",)
LEAF = certificate("AA:01", key="AA:02", names=NAMES, signer=1)
INNER, OUTER = certificate("BB:01", signer=2), certificate("BB:02")
ROOT = certificate("CC:01", signer=0)._replace(issuer="CN=CC:01")
KEY = ExpectedKey("rsa-2048", "AA:02", "AA:01", ("BB:01", "BB:02"))
EXPECTED = Expected((KEY,), names=NAMES)
GOOD = Served(
    URL, "192.0.2.1", 25, "mx.example.org", "", None,
    "TLSv1.3", "TLS_AES_256_GCM_SHA384", "x25519", 253, (LEAF, INNER, OUTER),
)  # fmt: skip


def kinds(*served: Served, expected: Expected = EXPECTED) -> list[str]:
    return [f"{one.severity}:{one.kind}" for one in compare(served, expected, NOW)]


def test_what_should_be_served_has_no_difference() -> None:
    """The right leaf with its intermediates in order is silent, however the digests are written."""
    bare = Expected((KEY._replace(leaf_sha256="aa01", key_sha256="aa02", chain_sha256=("bb01", "bb02")),))
    assert kinds(GOOD, GOOD) == []
    assert kinds(GOOD, expected=bare) == []


@pytest.mark.parametrize(
    ("leaf", "others", "kind"),
    [
        (
            certificate("DD:01", key="DD:02", names=NAMES),
            {"previous": (ExpectedKey("rsa-2048", "DD:02"),)},
            "previous",
        ),
        (certificate("DD:01", key="AA:02", names=NAMES), {}, "old-certificate"),
        (
            certificate("DD:01", key="DD:02", names=NAMES),
            {"next": (ExpectedKey("rsa-2048", "DD:02"),)},
            "next",
        ),
        (certificate("DD:01", key="DD:02", names=NAMES), {}, "other-key"),
    ],
)
def test_another_certificate_is_named(leaf: ServedCertificate, others: dict[str, object], kind: str) -> None:
    """The previous, the next, an earlier one of the same key and a stranger are told apart."""
    served = GOOD._replace(chain=(leaf,))
    assert kinds(served, expected=EXPECTED._replace(**others))[0] == f"error:{kind}"  # type: ignore[arg-type]


def test_stranger_with_another_name() -> None:
    """A certificate of somebody else is named with its key and its names."""
    stranger = GOOD._replace(chain=(certificate("DD:01", key="DD:02", names=("www.example.net",), signer=0),))
    key, name = compare([stranger], EXPECTED, NOW)
    assert (key.kind, name.kind) == ("other-key", "other-name")
    assert "DD:02" in key.message
    assert "www.example.net" in name.message


@pytest.mark.parametrize(
    ("chain", "kind"),
    [
        ((LEAF,), "error:missing-intermediate"),
        ((LEAF, INNER), "error:missing-intermediate"),
        ((LEAF, OUTER, INNER), "error:wrong-order"),
        ((LEAF, INNER, OUTER, ROOT), "info:root-sent"),
        ((LEAF, INNER, OUTER, certificate("EE:01")), "warning:extra-certificate"),
    ],
)
def test_chain_is_compared(chain: tuple[ServedCertificate, ...], kind: str) -> None:
    """Intermediates that are missing, in disorder or too many are named; the root is a remark."""
    assert kinds(GOOD._replace(chain=chain)) == [kind]


@pytest.mark.parametrize(
    ("chain", "found"),
    [
        ((LEAF, INNER, OUTER), []),
        ((LEAF._replace(signer=0, issuer=LEAF.subject),), []),
        ((LEAF._replace(signer=None),), ["warning:missing-intermediate"]),
        ((LEAF._replace(signer=2), OUTER, INNER._replace(signer=1)), ["error:wrong-order"]),
        ((LEAF._replace(names=("*.example.org",)), INNER, OUTER), []),
        ((LEAF._replace(names=("*.org", "example.org")), INNER, OUTER), ["error:other-name"]),
        ((LEAF._replace(names=()), INNER, OUTER), ["error:other-name"]),
    ],
)
def test_without_expectation_what_shows_by_itself(
    chain: tuple[ServedCertificate, ...], found: list[str]
) -> None:
    """Of a server that certctl does not manage, chain and name are judged by what it sends."""
    assert kinds(GOOD._replace(chain=chain), expected=Expected()) == found


def test_address_is_no_name_to_check() -> None:
    """Who connects by address and sends no name asks for none."""
    served = GOOD._replace(url="smtp://192.0.2.1:25", sni="")
    assert kinds(served, expected=Expected()) == []


@pytest.mark.parametrize(
    ("left", "found"),
    [(-1, "error:expired"), (2, "warning:expires-soon"), (8, "warning:expires-soon"), (12, "")],
)
def test_validity(left: float, found: str) -> None:
    """Expired is an error; less than a tenth of its life left, a warning."""
    served = GOOD._replace(
        chain=(
            LEAF._replace(not_after=NOW + timedelta(days=left), not_before=NOW - timedelta(days=89 - left)),
            INNER,
            OUTER,
        )
    )
    assert kinds(served) == [found] * bool(found)


def test_validity_of_others() -> None:
    """A certificate of the future, an intermediate that ends, and a limit of one's own."""
    future = LEAF._replace(not_before=NOW + timedelta(hours=1))
    ended = INNER._replace(not_after=NOW)
    assert kinds(GOOD._replace(chain=(future, ended, OUTER))) == ["error:not-yet-valid", "error:expired"]
    assert kinds(GOOD, expected=EXPECTED._replace(soon=61 * 86400.0)) == ["warning:expires-soon"] * 3


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"protocol": "TLSv1"}, "warning:old-protocol"),
        ({"cipher": "ECDHE-RSA-DES-CBC3-SHA"}, "warning:weak-cipher"),
        ({"cipher": "DHE-RSA-AES128-SHA", "group": "DH", "group_bits": 1024}, "warning:weak-dh"),
        ({"note": "asked over TLS 1.2"}, "info:asked-otherwise"),
        ({"chain": ()}, "error:no-certificate"),
    ],
)
def test_session_is_judged(change: dict[str, object], kind: str) -> None:
    """Old protocols, weak ciphers, small primes, an anonymous server, a probe that could not ask."""
    assert kinds(GOOD._replace(**change)) == [kind]  # type: ignore[arg-type]


def test_same_difference_is_said_once_and_counted() -> None:
    """Of five connections two met an old process: one difference, with the share."""
    old = GOOD._replace(chain=(certificate("DD:01", key="DD:02", names=NAMES),))
    expected = EXPECTED._replace(previous=(ExpectedKey("rsa-2048", "DD:02"),))
    (found,) = compare([GOOD, old, GOOD, old, GOOD], expected, NOW)
    assert (found.kind, found.connections, found.of) == ("previous", 2, 5)
    assert found.message.endswith("on 2 of 5 connections: old processes linger")


def test_failures() -> None:
    """A failure is an error with what to do; no route at one address is a warning if another answers."""
    for kind in (
        "refused",
        "timeout",
        "no-starttls",
        "tls-unavailable",
        "handshake",
        "not-tls",
        "no-address",
    ):
        (found,) = compare([GOOD._replace(failure=Failure(kind, "why"), chain=())], EXPECTED, NOW)
        assert (found.severity, found.kind, found.message) == ("error", kind, "why")
        assert found.fix
    no_route = GOOD._replace(address="2001:db8::1", failure=Failure("no-route", "why"), chain=())
    assert kinds(no_route) == ["error:no-route"]
    assert kinds(GOOD, no_route) == ["warning:no-route"]


def test_algorithm_that_is_missing() -> None:
    """A handshake that fails for ECDSA alone means that no ECDSA certificate is served."""
    two = Expected((KEY, ExpectedKey("ecdsa-p256", "FF:02", "FF:01")))
    rsa = GOOD._replace(offered="rsa")
    ecdsa = GOOD._replace(offered="ecdsa", failure=Failure("handshake", "refused"), chain=())
    (found,) = compare([rsa, ecdsa], two, NOW)
    assert (found.kind, found.offered) == ("no-algorithm", "ecdsa")
    assert kinds(ecdsa, expected=two) == ["error:handshake"]


def test_everything_goes_into_json() -> None:
    """What was served and how it differs survives json.dumps, times as RFC 3339."""
    (found,) = compare([GOOD._replace(chain=(LEAF, INNER))], EXPECTED, NOW)
    assert isinstance(found, Difference)
    text = json.dumps([as_json(GOOD), as_json(found)])
    assert '"not_after": "2027-01-23T03:00:00Z"' in text
    assert '"kind": "missing-intermediate"' in text
