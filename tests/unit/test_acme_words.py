"""What a CA says and how it is taken: Retry-After, problem documents, Link, directory addresses, reasons."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone

import pytest
import urllib3

from certctl.core.spec import AcmeOptions, IssuerSpec
from certctl.errors import CertctlError
from certctl.issuers.acme.directory import NAMED, check_url, directory_url, staging
from certctl.issuers.acme.problem import RefusedError, parse_problem
from certctl.issuers.acme.retryafter import LONGEST, seconds_to_wait
from certctl.issuers.acme.revoke import reason_code
from certctl.issuers.acme.transport import Answer

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
        ("99999999999", None, LONGEST),
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
    return Answer("https://ca.test/x", status, urllib3.HTTPHeaderDict(headers), body)


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


@pytest.mark.parametrize(
    "url", ["https://ca.test/", "http://localhost:1/", "http://127.0.0.9/", "http://[::1]:80/"]
)
def test_addresses_that_may_be_spoken_to(url: str) -> None:
    """https everywhere, plain http to this host only."""
    assert check_url(url) == url
    assert directory_url(url) == url


@pytest.mark.parametrize(
    "url", ["http://ca.test/", "ftp://localhost/", "file:///etc/passwd", "localhost", ""]
)
def test_addresses_that_may_not(url: str) -> None:
    """A CA cannot send us to another scheme."""
    with pytest.raises(CertctlError, match="is not https"):
        check_url(url)


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
