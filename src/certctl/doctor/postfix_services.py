"""The ports of a Postfix: is TLS where it must be, and no password in clear text?"""

from __future__ import annotations

from collections.abc import Iterator

from certctl.doctor.finding import Finding, Place
from certctl.servers.postfix import Postfix
from certctl.servers.postfix_parse import Service

_SUBMISSION = ("submission", "587")
_WRAPPED = ("smtps", "submissions", "465")
_STARTTLS = ("smtp", "25", *_SUBMISSION)


def check_services(postfix: Postfix) -> Iterator[Finding]:
    """Check each service that takes mail over the network."""
    for service in postfix.inbound:
        place = Place(f"postfix {postfix.directory}/master.cf {service.key}", "postfix")
        yield from _check_wrapping(postfix, place, service)
        yield from _check_submission(postfix, place, service)
        yield from _check_auth(postfix, place, service)


def _port(service: Service) -> str:
    """The port or service name of an inet service: [host]:port, host:port or port."""
    return service.name.rpartition(":")[2]


def _option(postfix: Postfix, service: Service, setting: str) -> str:
    return f"{postfix.conf} -P {service.key}/{setting}; {postfix.reload}"


def _check_wrapping(postfix: Postfix, place: Place, service: Service) -> Iterator[Finding]:
    wrapped = postfix.is_yes("smtpd_tls_wrappermode", service)
    port = _port(service)
    if port in _WRAPPED and not wrapped:
        yield place.error(
            "not-wrapped",
            f"on port {port} peers speak TLS from the start, but this service waits for STARTTLS",
            _option(postfix, service, "smtpd_tls_wrappermode=yes"),
        )
    elif port in _STARTTLS and wrapped:
        where = "" if "smtpd_tls_wrappermode" in service.options else " (it is set for all in main.cf)"
        yield place.error(
            "wrapped",
            f"on port {port} peers begin in clear text, but this service wants TLS from the start{where}",
            f"{postfix.conf} -X smtpd_tls_wrappermode; "
            + _option(postfix, service, "smtpd_tls_wrappermode=no"),
        )


def _is_mandatory(postfix: Postfix, service: Service) -> bool:
    return (
        postfix.is_yes("smtpd_tls_wrappermode", service)
        or postfix.get("smtpd_tls_security_level", service) == "encrypt"
        or (
            not postfix.get("smtpd_tls_security_level", service)
            and postfix.is_yes("smtpd_enforce_tls", service)
        )
    )


def _check_submission(postfix: Postfix, place: Place, service: Service) -> Iterator[Finding]:
    if _port(service) in _SUBMISSION and not _is_mandatory(postfix, service):
        yield place.error(
            "submission-clear",
            "mail clients may hand in mail and passwords without TLS (RFC 8314 §3.3)",
            _option(postfix, service, "smtpd_tls_security_level=encrypt"),
        )


def _check_auth(postfix: Postfix, place: Place, service: Service) -> Iterator[Finding]:
    offered = postfix.is_yes("smtpd_sasl_auth_enable", service)
    hidden = postfix.is_yes("smtpd_tls_auth_only", service) or postfix.is_yes("smtpd_enforce_tls", service)
    if offered and not hidden and not _is_mandatory(postfix, service):
        yield place.error(
            "auth-clear",
            "AUTH is offered before TLS has begun, so passwords may go in clear text",
            f"{postfix.conf} -e smtpd_tls_auth_only=yes; {postfix.reload}",
        )
