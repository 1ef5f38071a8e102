"""A program of the user's own that signs: request (PEM) on standard input, chain (PEM) on standard output."""

from __future__ import annotations

import re
from typing import NoReturn

from certctl.errors import CertctlError, IssuerError
from certctl.issuers import program
from certctl.planning.spec import CommandOptions, IssuerSpec
from certctl.ports import Issued, IssueRequest
from certctl.system import programs
from certctl.system.secret import said_by
from certctl.x509 import pem
from certctl.x509.chain import order_chain
from certctl.x509.keys import key_facts, make_csr

# What tools print around certificates: openssl x509 -text, pkcs12, s_client; RFC 7468 §5.2.
_COMMENT = re.compile(
    rb"#|\s|certificate:|(bag|key) attributes|(subject|issuer|serial|validity|not ?(before|after)) ?[:=]",
    re.IGNORECASE,
)
_MARKUP = (b"<", b"{", b"[")


class CommandIssuer:
    """Gives the program a request and takes only a clean chain from it.

    The program sees PATH, CERTCTL_CERTIFICATE (the lineage), CERTCTL_ALGORITHM
    and CERTCTL_NAMES (one a line) in its environment, and never a key. It may
    print the chain in any order, with or without the root, with the usual comments.
    """

    def __init__(self, spec: IssuerSpec, home: str) -> None:
        self.spec = spec
        self.home = home
        self._options = spec.command or CommandOptions(())

    def issue(self, request: IssueRequest) -> Issued:
        """Run the program once; raises CertctlError if it fails or prints no chain for the key."""
        if not self._options.command:
            raise IssuerError("the issuer has no command", 'write: command = ["/usr/local/bin/sign"]')
        path = programs.search_path()
        argv = [programs.find(self._options.command[0], path), *self._options.command[1:]]
        environment = {
            "PATH": path,
            "CERTCTL_CERTIFICATE": request.certificate,
            "CERTCTL_ALGORITHM": request.algorithm,
            "CERTCTL_NAMES": "\n".join(request.names),
        }
        csr = make_csr(request.key_pem, request.names)
        try:
            ended = program.run(argv, environment, csr, self._options.timeout)
        except IssuerError as error:
            raise error.saying(said_by(argv, error.message)) from None
        if ended.status != 0:
            said = said_by(argv, program.said(ended.errors))
            raise IssuerError(f"{argv[0]} ended with status {ended.status}{said}")
        try:
            certificates = _clean(ended.output)
            key = key_facts(request.key_pem).key.sha256
            chain, root = order_chain(certificates, key, now=request.now)
        except CertctlError as error:
            why = said_by(argv, error.message)
            raise IssuerError(f"{argv[0]} printed no usable chain: {why}", error.hint) from None
        return Issued(tuple(chain), root)

    def finish(self, request: IssueRequest) -> None:
        """There are no notes to take away."""


def _clean(output: bytes) -> list[bytes]:
    """Return the certificates in *output*; whatever else it holds but comments is refused."""
    if not output.strip():
        _dirty("it printed nothing")
    found: list[bytes] = []
    for part in pem.scan(output):
        if isinstance(part, pem.Outside):
            text = part.text.strip()
            if text and (text.startswith(_MARKUP) or not _COMMENT.match(part.text)):
                _dirty(f"line {part.line} is neither PEM nor a comment: {pem.quote(part.text)}")
        elif part.label not in pem.CERTIFICATE_LABELS:
            _dirty(f"line {part.line} begins a {part.label}, where only certificates belong")
        else:
            found.append(pem.encode(pem.CERTIFICATE, part.der))
    if not found:
        _dirty(f"there is no certificate in {pem.quote(output)}")
    return found


def _dirty(why: str) -> NoReturn:
    raise CertctlError(why, "let it print certificates alone, and messages on standard error")
