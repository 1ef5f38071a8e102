"""URLs of probes: what is taken, what is refused, and which name goes into SNI."""

from __future__ import annotations

import pytest

from certctl.deploy.probe.url import DIRECT, STARTTLS, parse_url, server_name
from certctl.errors import UsageError
from certctl.planning.spec import PROBE_SCHEMES


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("smtp://mx.example.org", "mx.example.org", 25),
        ("smtp://mx.example.org:587", "mx.example.org", 587),
        ("smtps://[2001:db8::1]", "2001:db8::1", 465),
        ("imap://[::1]:10143", "::1", 10143),
        ("imaps://mx", "mx", 993),
        ("smtp://[fe80::1%25eth0]", "fe80::1%eth0", 25),
        ("pop3://mx", "mx", 110),
        ("pop3s://mx", "mx", 995),
        ("lmtp://127.0.0.1", "127.0.0.1", 24),
        ("https://www.example.org/", "www.example.org", 443),
        ("tls://host:5061", "host", 5061),
    ],
)
def test_schemes_have_their_ports(url: str, host: str, port: int) -> None:
    """Every scheme has its registered port, and IPv6 addresses lose their brackets."""
    target = parse_url(url)
    assert (target.host, target.port) == (host, port)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://mx", "scheme is one of"),
        ("mx.example.org:25", "scheme is one of"),
        ("smtp://", "SCHEME://HOST"),
        ("smtp://user@mx", "SCHEME://HOST"),
        ("https://mx/path", "SCHEME://HOST"),
        ("smtp://mx:99999", "port"),
        ("smtp://mx:smtp", "port"),
        ("smtp://[::1", "ipv6"),
        ("tls://mx", "tls://HOST:PORT"),
        ("smtp://mx?name=x", "only ?sni=NAME"),
    ],
)
def test_bad_urls_say_why(url: str, why: str) -> None:
    """A URL that cannot be probed is refused with the reason."""
    with pytest.raises(UsageError, match=r"^cannot probe ") as caught:
        parse_url(url)
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("url", "names", "sni"),
    [
        ("smtp://mx.example.org", ("other.example.org",), "mx.example.org"),
        ("smtp://127.0.0.1", ("192.0.2.1", "*.example.org", "mx.example.org"), "mx.example.org"),
        ("smtp://[fe80::1%25eth0]", ("mx.example.org",), "mx.example.org"),
        ("smtp://127.0.0.1", (), ""),
        ("smtp://127.0.0.1?sni=a.example.org", ("mx.example.org",), "a.example.org"),
        ("smtp://mx.example.org?sni=", ("mx.example.org",), ""),
    ],
)
def test_name_that_goes_into_sni(url: str, names: tuple[str, ...], sni: str) -> None:
    """SNI is what the URL says, else its host, else the first DNS name that is expected; never an address."""
    assert server_name(parse_url(url), names) == sni


def test_schemes_are_those_of_the_configuration() -> None:
    """What certctl.toml accepts as a probe can be probed."""
    assert set(PROBE_SCHEMES) == set(STARTTLS) | set(DIRECT)
