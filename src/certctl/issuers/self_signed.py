"""Certificates that sign themselves: for peers who pin, and for a first start without any CA."""

from __future__ import annotations

from certctl.issuers.leaf import as_server, certificate, lifetime
from certctl.planning.spec import IssuerSpec
from certctl.ports import Issued, IssueRequest
from certctl.x509.keys import load_private_key, signature_hash, signing
from certctl.x509.names import common_name, subject


class SelfSignedIssuer:
    """Makes a leaf that is its own root, at once and without a file.

    It says CA:FALSE. OpenSSL (so Postfix's CAfile) and GnuTLS accept such a leaf
    as its own trust anchor, browsers take CA:TRUE ill in a server's
    certificate, and a peer who trusts it trusts this server, not what else its
    key would sign. It has a subject in any case, since an issuer's name may not be
    empty (RFC 5280 §4.1.2.4): the first DNS name that fits, else the lineage's name.
    """

    def __init__(self, spec: IssuerSpec, home: str) -> None:
        self.spec = spec
        self.home = home

    def issue(self, request: IssueRequest) -> Issued:
        """Return a certificate that ends *validity* seconds after *now*, and itself as root."""
        from cryptography.hazmat.primitives.serialization import Encoding

        key = load_private_key(request.key_pem)
        public = key.public_key()
        name = subject(common_name(request.names) or request.certificate)
        valid = lifetime(request.now, request.validity, request.sure)
        builder = as_server(certificate(public, name, name, key, valid), public, request.names, named=True)
        with signing():
            signed = builder.sign(key, signature_hash(key))
            signed.verify_directly_issued_by(signed)
        pem = signed.public_bytes(Encoding.PEM)
        return Issued((pem,), pem)

    def finish(self, request: IssueRequest) -> None:
        """There are no notes to take away."""
