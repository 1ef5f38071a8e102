"""What a CA says and how it is taken: Retry-After, problem documents, Link, directory addresses, reasons."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import datetime, timezone

import pytest

from certctl.errors import CertctlError
from certctl.issuers.acme import pool
from certctl.issuers.acme.answer import LONGEST_WAIT, Answer, RefusedError, parse_problem, seconds_to_wait
from certctl.issuers.acme.certificate import reason_code
from certctl.issuers.acme.transport import NAMED, Bounds, directory_url, staging
from certctl.planning.spec import AcmeOptions, IssuerSpec

COUNTED = "hostile inputs"

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=timezone.utc)
TWO_MINUTES_LATER = "Tue, 24 Nov 2026 12:02:00 GMT"


@pytest.mark.parametrize(
    ("value", "date", "expected"),
    [
        (None, None, None),
        ("", None, None),
        ("120", None, 120.0),
        (" 7 ", None, 7.0),
        ("0", None, 0.0),
        (TWO_MINUTES_LATER, None, 120.0),
        (TWO_MINUTES_LATER, "Tue, 24 Nov 2026 12:01:30 GMT", 30.0),
        ("Tuesday, 24-Nov-26 12:02:00 GMT", None, 120.0),
        ("Tue Nov 24 12:02:00 2026", None, 120.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", None, 0.0),
        ("99999999999", None, LONGEST_WAIT),
        ("315360000", None, LONGEST_WAIT),
        ("9" * 64, None, LONGEST_WAIT),
        ("9" * 5000, None, None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None, LONGEST_WAIT),
        ("Fri, 31 Dec 9999 23:59:59 -1200", None, None),
        ("Tue, 24 Nov 2026 12:02:00 +999999", None, None),
        (TWO_MINUTES_LATER, "Fri, 31 Dec 9999 23:59:59 -1200", 120.0),
        ("-5", None, None),
        ("1.5", None, None),
        ("soon", None, None),
        ("²", None, None),
    ],
)
def test_retry_after(value: str | None, date: str | None, expected: float | None) -> None:
    """Seconds and all three forms of dates are read, against the CA's clock where it shows one."""
    assert seconds_to_wait(value, date, NOW) == expected


def answer(status: int, body: bytes, *headers: tuple[str, str]) -> Answer:
    return Answer("https://ca.test/x", status, headers, body, pool.document(body))


def test_problem_is_kept_whole() -> None:
    """Type, detail, subproblems with their names, and the address for a person are all in the message."""
    document = {
        "type": "urn:ietf:params:acme:error:compound",
        "detail": "several  things\nare wrong",
        "instance": "https://ca.test/terms",
        "subproblems": [
            {
                "type": "urn:ietf:params:acme:error:caa",
                "detail": "no way",
                "identifier": {"type": "dns", "value": "a.test"},
            },
            {"type": "https://ca.test/own", "detail": "own rule"},
            "nonsense",
        ],
    }
    error = RefusedError("ca refused it", answer(403, json.dumps(document).encode()).problem())
    assert error.message == (
        "ca refused it: several things are wrong (compound) <https://ca.test/terms>: "
        "a.test: no way (caa); own rule (https://ca.test/own)"
    )
    assert "CAA record" in str(error.hint)
    assert error.transient


@pytest.mark.parametrize(
    ("types", "transient"),
    [
        (["rejectedIdentifier"], False),
        (["rejectedIdentifier", "badCSR"], False),
        (["rejectedIdentifier", "dns"], True),
        (["rateLimited"], True),
    ],
)
def test_what_cannot_help_is_not_transient(types: list[str], transient: bool) -> None:
    """Only what the same request would be told again tomorrow is no matter of waiting."""
    prefix = "urn:ietf:params:acme:error:"
    subproblems = [{"type": prefix + name, "detail": "d"} for name in types]
    document = {"type": prefix + types[0], "detail": "d", "subproblems": subproblems}
    found = parse_problem(document, 400)
    assert found is not None
    assert RefusedError("x", found).transient is transient


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"<html><h1>Bad Gateway</h1>", "text/html; charset=utf-8", "text/html '<html><h1>Bad Gateway</h1>'"),
        (b"  \n", "text/plain", "an empty body"),
        (b"[1, 2]", "application/json", "application/json '[1, 2]'"),
        (b"\xff\xfe", "", "no content type"),
    ],
)
def test_what_is_no_problem_document_is_quoted(body: bytes, kind: str, words: str) -> None:
    """An error page is shown by its beginning, with the status."""
    problem = answer(502, body, ("Content-Type", kind)).problem()
    assert problem.detail.startswith("502 Bad Gateway, ")
    assert words in problem.detail
    with pytest.raises(CertctlError, match=r"answered 502 with .* where JSON was due"):
        answer(502, body, ("Content-Type", kind)).document()


def test_links() -> None:
    """Several links in one field, several fields, other parameters, other relations."""
    found = answer(
        200,
        b"",
        ("Link", '<https://ca.test/dir>;rel="index", <https://ca.test/a1>; rel="alternate"'),
        ("Link", '<https://ca.test/a2>; title="x y"; rel=alternate'),
        ("Link", '<https://ca.test/up>;rel="up"'),
    )
    assert found.links("alternate") == ["https://ca.test/a1", "https://ca.test/a2"]
    assert found.links("next") == []


def test_staging() -> None:
    """A rehearsal goes to the CA's own staging directory, or is refused where none is known."""
    spec = IssuerSpec("le", "acme", acme=AcmeOptions("letsencrypt", agree_tos=True))
    rehearsal = staging(spec)
    assert rehearsal.acme is not None
    assert rehearsal.acme.directory == NAMED["letsencrypt-staging"]
    assert rehearsal.acme.agree_tos
    assert staging(rehearsal) == rehearsal
    local = IssuerSpec("local", "acme", acme=AcmeOptions("https://127.0.0.1:14000/dir"))
    assert staging(local) == local
    with pytest.raises(CertctlError, match="no staging directory is known"):
        staging(IssuerSpec("other", "acme", acme=AcmeOptions("https://ca.example/dir")))


HERE = ["http://localhost:1/", "http://127.0.0.9/", "http://[::1]:80/", "https://127.0.0.1/"]


@pytest.mark.parametrize("url", ["https://ca.test/", "https://ca.test:14000/", *HERE])
def test_addresses_that_may_be_spoken_to(url: str) -> None:
    """A CA at this host may name https everywhere, and plain http to this host."""
    assert Bounds("https://localhost:14000/dir").check(url) == url
    assert directory_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://ca.test/", "ftp://localhost/", "file:///etc/passwd", "localhost", "", "//ca.test/"),
        *("http://127.evil.example/", "http://localhost.evil.example/", "http://127.0.0.1@evil.example/"),
        *(
            "https://x:99999/",
            "https://x:port/",
            "https://[::1",
            "https://[x]/",
            "https:///dir",
            "https://x:0/",
        ),
        *("https://ca.test/a b", "https://ca.test/\r\nHost: x", "https://u:p@ca.test/", "https://ca.tést/"),
        "https://ca.test/" + "a" * 5000,
    ],
)
def test_addresses_that_may_not(url: str) -> None:
    """A CA cannot send us to another scheme, nor to what only looks like this host or like an address."""
    with pytest.raises(CertctlError, match=r"is not https|is no address") as caught:
        Bounds("http://localhost:14000/dir").check(url)
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize(
    "url", [*HERE, "https://[::ffff:127.0.0.1]/", "https://0.0.0.0/", "https://a.localhost/"]
)
def test_addresses_of_this_host_that_a_ca_elsewhere_names(url: str) -> None:
    """What listens at this host alone is nothing that a CA elsewhere may make us speak to."""
    for directory in ("https://ca.test/dir", "https://127.evil.example/dir"):
        with pytest.raises(CertctlError, match=r"is one of this host|is not https"):
            Bounds(directory).check(url)


@pytest.mark.parametrize(
    "value",
    [
        *("<" * 60000, "<>" * 30000, "<" * 30000 + ">" * 30000, '<a>;"' * 12000, "<a>" + ";" * 60000),
        *("<a>;" + "rel=" * 15000, "<a>;" + '"' * 60000, "<a>," * 15000, "<a>;\\" + "\\" * 60000),
    ],
    ids=range(9),
)
def test_link_header_that_never_ends(value: str) -> None:
    """Whatever a header of 60,000 characters is made of, reading it takes no time worth mentioning."""
    began = time.process_time()
    answer(200, b"", *([("Link", value)] * 20)).links("alternate")
    assert time.process_time() - began < 3


def test_link_headers_that_are_odd() -> None:
    """Commas and semicolons in quotes, several relations, the first rel, no more links than anybody has."""
    found = answer(
        200,
        b"",
        (
            "Link",
            '<https://a>; title="x, y; rel=no \\" z"; rel="next Alternate"; rel="other", <https://b>;rel=up',
        ),
        ("Link", "<https://c>; REL = alternate ,<https://d"),
        ("Link", ", ".join(f'<https://e{n}>;rel="many"' for n in range(100))),
    )
    assert found.links("alternate") == ["https://a", "https://c"]
    assert found.links("other") == []
    assert found.links("many") == [f"https://e{n}" for n in range(16)]


def test_problem_of_a_talker() -> None:
    """What is kept of 900 kB of detail, and of subproblems without end, fits a state file and a mail."""
    inner: dict[str, object] = {"type": "x" * 9000, "detail": "d" * 9000, "identifier": {"value": "n" * 9000}}
    document: dict[str, object] = {"type": "t" * 9000, "instance": "i" * 9000}
    for detail in ("d", "d" * 900_000):
        found = parse_problem({**document, "detail": detail, "subproblems": [inner] * 5000}, 403)
        assert found is not None
        assert len(str(found)) <= 4000
        assert len(found.subproblems) <= 100
    for _ in range(50):
        inner = {"type": "x", "detail": "d", "subproblems": [inner]}
    found = parse_problem(inner, 403)
    assert found is not None
    assert [sub.subproblems for sub in found.subproblems] == [()]


@pytest.mark.parametrize("body", [b"[" * 500_000, b'{"a":' * 100_000, b'{"a":' + b"9" * 100_000 + b"}"])
def test_json_that_is_a_trap(body: bytes) -> None:
    """Brackets and digits without end are no JSON, and no crash."""
    with pytest.raises(CertctlError, match="where JSON was due"):
        answer(200, body).document()
    assert answer(500, body).problem().status == 500


def test_reasons() -> None:
    """Words are taken in any spelling; others are refused with the list."""
    assert [reason_code(word) for word in ("keyCompromise", "key-compromise", "SUPERSEDED", "")] == [
        1,
        1,
        4,
        0,
    ]
    with pytest.raises(CertctlError, match="no reason for a revocation") as caught:
        reason_code("bored")
    assert "cessationOfOperation" in str(caught.value.hint)


def test_early_import_is_light() -> None:
    """`status` may name the issuer without loading what only a conversation needs."""
    heavy = ("acme", "josepy", "urllib3", "requests", "cryptography", "dns", "ssl", "logging", "json")
    code = f"import sys; import certctl.issuers.acme.issuer; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
