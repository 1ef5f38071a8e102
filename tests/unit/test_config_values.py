"""Single values: what is taken, and what it becomes."""

from __future__ import annotations

import pytest

from certctl.config import addresses, durations, names, values
from certctl.config.problems import BadValueError
from certctl.planning.spec import DAY


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90d", 90 * DAY),
        ("12h", 43200.0),
        ("30m", 1800.0),
        ("45s", 45.0),
        ("2w", 14 * DAY),
        ("1d12h", 1.5 * DAY),
        ("1w2d3h4m5s", 9 * DAY + 3 * 3600 + 245),
        ("007d", 7 * DAY),
        ("36500d", 36500 * DAY),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """Digits with units, largest first."""
    assert durations.duration()(text) == seconds


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (90, 'needs a unit, such as "90d"'),
        (1.5, 'needs a unit, such as "1.5d"'),
        (10**500, 'needs a unit, such as "90d"'),
        (float("nan"), "needs a unit"),
        ("90", 'did you mean "90d"?'),
        ("90D", 'did you mean "90d"?'),
        ("90 days", 'did you mean "90d"?'),
        ("2 weeks", 'did you mean "2w"?'),
        ("1.5h", "digits with a unit"),
        ("12h1d", "digits with a unit"),
        ("1d1d", "digits with a unit"),
        ("-1d", "digits with a unit"),
        ("٣d", "digits with a unit"),
        ("", "digits with a unit"),
        ("d", "digits with a unit"),
        ("1y", "digits with a unit"),
        ("0s", "more than nothing"),
        ("36501d", "a hundred years"),
        ("9999999999999d", "digits with a unit"),
        (True, ""),
        ([], ""),
    ],
)
def test_bad_durations(value: object, says: str) -> None:
    """Whatever is no duration is refused with what to write."""
    with pytest.raises(BadValueError) as caught:
        durations.duration()(value)
    assert says in caught.value.faults[0][0]


def test_duration_words() -> None:
    """Zero and words are taken only where they make sense."""
    assert durations.duration(zero=True)("0s") == 0
    assert durations.duration(word="never")("never") is None
    with pytest.raises(BadValueError, match='did you mean "never"'):
        durations.duration(word="never")("Never")
    with pytest.raises(BadValueError):
        durations.duration(word="auto")("never")


@pytest.mark.parametrize("seconds", [45.0, 90.0, 3600.0, 5400.0, 90 * DAY, 0.0])
def test_written_durations(seconds: float) -> None:
    """What is written is read back as the same."""
    assert durations.duration(zero=True)(durations.written(seconds)) == seconds


@pytest.mark.parametrize(
    ("value", "mode"), [("0600", 0o600), ("600", 0o600), (0o640, 0o640), ("0o440", 0o440), ("0644", 0o644)]
)
def test_modes(value: object, mode: int) -> None:
    """Modes are octal digits in quotes, or TOML's octal numbers."""
    assert durations.mode(value) == mode


@pytest.mark.parametrize(
    "value",
    ["", "0", "0900", "rw-r--r--", "01777", "4755", "0777", "0666", "0620", "0040", 600, 644, -1, 0.5, True],
)
def test_bad_modes(value: object) -> None:
    """Modes in decimal, with execution, or with a right for others to write are refused."""
    with pytest.raises(BadValueError):
        durations.mode(value)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("mx1.example.org", "mx1.example.org"),
        ("MX1.Example.ORG", "mx1.example.org"),
        ("localhost", "localhost"),
        ("3com.example", "3com.example"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("MÜNCHEN.example", "xn--mnchen-3ya.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("*.example.org", "*.example.org"),
        ("*.münchen.example", "*.xn--mnchen-3ya.example"),
        ("192.0.2.25", "192.0.2.25"),
        ("１９２.0.2.25", "192.0.2.25"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_names(written: str, canonical: str) -> None:
    """Names become lower-case A-labels, addresses their canonical text."""
    assert names.server_name(written) == canonical
    assert names.server_name(canonical) == canonical
    assert names.is_address(canonical) == canonical.startswith(("192.0.2.", "2001:"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "empty"),
        ("*", "whole first label"),
        ("*.org", "two labels"),
        ("*.192.0.2.1", "two labels"),
        ("mx*.example.org", "whole first label"),
        ("a.*.example.org", "whole first label"),
        ("*.*.example.org", "whole first label"),
        ("a_b.example.org", "underscore"),
        ("mx1.example.org.", 'without the last dot: "mx1.example.org"'),
        ("a..b", "empty label"),
        (".a.b", "empty label"),
        (".", "empty label"),
        ("-a.example", "neither"),
        ("a-.example", "neither"),
        ("a b.example", "neither"),
        ("a\nb", "neither"),
        ("a\x00b", "neither"),
        ("https://a.example", "not a URL"),
        ("a.example:25", "no colon"),
        ("[2001:db8::1]", "without brackets"),
        ("2001:db8::g", "not an IPv6 address"),
        ("fe80::1%eth0", "zone"),
        ("::ffff:192.0.2.1", 'the IPv4 address itself: "192.0.2.1"'),
        ("192.0.2", "not an IPv4 address"),
        ("192.0.2.256", "not an IPv4 address"),
        ("010.0.0.1", "not an IPv4 address"),
        ("mx.123", "not an IPv4 address"),
        ("a" * 64 + ".example", "63 characters"),
        (".".join(["a" * 60] * 5), "253 characters"),
        ("☃️\u200d.example", "internationalized"),
        ("ü" * 60 + ".example", "internationalized"),
    ],
)
def test_bad_names(name: str, says: str) -> None:
    """A name that no certificate can have is refused, and the reason is told."""
    with pytest.raises(BadValueError) as caught:
        names.server_name(name)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("smtp://127.0.0.1:25", True),
        ("smtps://[::1]:465", True),
        ("imap://mx1.example.org", True),
        ("https://mx1.example.org/", True),
        ("tls://127.0.0.1:4433?sni=mx1.example.org", True),
        ("tls://127.0.0.1:4433?sni=", True),
        ("tls://127.0.0.1", False),
        ("smtp://", False),
        ("smtp://x:0", False),
        ("smtp://x:65536", False),
        ("smtp://x:٢٥", False),
        ("smtp://user@x", False),
        ("smtp://x/y", False),
        ("smtp://::1:25", False),
        ("smtp://[::1", False),
        ("smtp://[::1]25", False),
        ("smtp://[x]:25", False),
        ("smtp://x?y=z", False),
        ("SMTP://x", False),
        ("gopher://x", False),
        ("127.0.0.1:25", False),
    ],
)
def test_probes(value: str, kept: bool) -> None:
    """A probe is a known scheme, a host, a port, and perhaps the name to ask for."""
    if kept:
        assert addresses.probe(value) == value
    else:
        with pytest.raises(BadValueError):
            addresses.probe(value)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("example.org", "example.org"),
        (".example.org", ".example.org"),
        ("[MX.example.org]", "[mx.example.org]"),
        ("[mx.example.org]:25", "[mx.example.org]:25"),
        ("[mx.example.org]:smtp", "[mx.example.org]:smtp"),
        ("[ipv6:2001:db8::1]", "[ipv6:2001:db8::1]"),
        ("mx.example.org:587", "mx.example.org:587"),
        ("[mx.example.org", None),
        ("mx.example.org]", None),
        ("[mx.example.org]25", None),
        ("[mx.example.org]:", None),
        ("[]", None),
        ("a b", None),
        ("a@b", None),
        ("#a", None),
    ],
)
def test_nexthops(value: str, canonical: str | None) -> None:
    """Next-hops are those forms that can be keys of a Postfix policy table, case-folded as it does."""
    if canonical is not None:
        assert addresses.nexthop(value) == canonical
    else:
        with pytest.raises(BadValueError):
            addresses.nexthop(value)


@pytest.mark.parametrize(
    ("parser", "value", "canonical"),
    [
        (addresses.listen, "0.0.0.0:80", "0.0.0.0:80"),
        (addresses.listen, "[2001:DB8::1]:80", "[2001:db8::1]:80"),
        (addresses.listen, ":80", None),
        (addresses.listen, "80", None),
        (addresses.server, "192.0.2.53", "192.0.2.53"),
        (addresses.server, "2001:db8::53", "2001:db8::53"),
        (addresses.server, "[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        (addresses.server, "NS.example.org:5353", "ns.example.org:5353"),
        (addresses.resolver, "192.0.2.53:5353", "192.0.2.53:5353"),
        (addresses.resolver, "2001:db8::53", "2001:db8::53"),
        (addresses.resolver, "[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        (addresses.resolver, "ns.example.org", None),
        (addresses.zone, "Example.org.", "example.org"),
        (addresses.zone, "_acme.example.org", "_acme.example.org"),
        (addresses.zone, "192.0.2.1", None),
        (addresses.name_constraint, "example.org", "example.org"),
        (addresses.name_constraint, ".example.org", ".example.org"),
        (addresses.name_constraint, "192.0.2.0/24", "192.0.2.0/24"),
        (addresses.name_constraint, "192.0.2.1", "192.0.2.1/32"),
        (addresses.name_constraint, "192.0.2.1/24", None),
        (addresses.email, "hostmaster@example.org", "hostmaster@example.org"),
        (addresses.email, "mailto:hostmaster@example.org", None),
        (addresses.email, "hostmaster", None),
        (addresses.url, "https://example.org/a?b", "https://example.org/a?b"),
        (addresses.url, "http://example.org/", None),
        (addresses.url, "http://127.evil.example/", None),
        (addresses.url, "https://u:p@example.org/", None),
        (addresses.url, "ftp://example.org/", None),
        (addresses.url, "https:///x", None),
        (values.account, "root", "root"),
        (values.account, 0, "0"),
        (values.account, "1000", "1000"),
        (values.account, -1, None),
        (values.account, "99999999999", None),
        (values.account, "a:b", None),
        (values.account, "", None),
        (values.account, True, None),
        (values.file_name, "thumb.example.net", "thumb.example.net"),
        (values.file_name, "../x", None),
        (values.file_name, "..", None),
        (values.file_name, "a/b", None),
        (values.file_name, "*.example.org", None),
        (values.file_name, "x.json", None),
        (values.file_name, "a" * 201, None),
    ],
)
def test_other_values(parser: values.Parser, value: object, canonical: str | None) -> None:
    """Addresses, names of accounts and of tables: taken in their canonical form, or refused."""
    if canonical is not None:
        assert parser(value) == canonical
    else:
        with pytest.raises(BadValueError):
            parser(value)
