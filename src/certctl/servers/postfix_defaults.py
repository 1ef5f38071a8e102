"""Defaults of the parameters that are looked at, where no postconf tells them (postconf(5), 3.7)."""

from __future__ import annotations

_DIGEST = "${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}"

_SERVER = {
    "smtpd_enforce_tls": "no",
    "smtpd_sasl_auth_enable": "no",
    "smtpd_tls_auth_only": "no",
    "smtpd_tls_ciphers": "medium",
    "smtpd_tls_dkey_file": "$smtpd_tls_dcert_file",
    "smtpd_tls_eckey_file": "$smtpd_tls_eccert_file",
    "smtpd_tls_fingerprint_digest": _DIGEST,
    "smtpd_tls_key_file": "$smtpd_tls_cert_file",
    "smtpd_tls_loglevel": "0",
    "smtpd_tls_mandatory_ciphers": "medium",
    "smtpd_tls_mandatory_protocols": ">=TLSv1",
    "smtpd_tls_protocols": ">=TLSv1",
    "smtpd_tls_wrappermode": "no",
    "smtpd_use_tls": "no",
}

_CLIENT = {
    "{}_enforce_tls": "no",
    "{}_tls_ciphers": "medium",
    "{}_tls_dkey_file": "${}_tls_dcert_file",
    "{}_tls_eckey_file": "${}_tls_eccert_file",
    "{}_tls_fingerprint_digest": _DIGEST.replace("{", "{{").replace("}", "}}"),
    "{}_tls_key_file": "${}_tls_cert_file",
    "{}_tls_loglevel": "0",
    "{}_tls_mandatory_ciphers": "medium",
    "{}_tls_mandatory_protocols": ">=TLSv1",
    "{}_tls_protocols": ">=TLSv1",
    "{}_use_tls": "no",
}

DEFAULTS = {
    "compatibility_level": "0",
    "data_directory": "/var/lib/postfix",
    "default_database_type": "hash",
    "default_transport": "smtp",
    "myhostname": "localhost",
    "myorigin": "$myhostname",
    "queue_directory": "/var/spool/postfix",
    "tls_high_cipherlist": "aNULL:-aNULL:HIGH:@STRENGTH",
    "tls_medium_cipherlist": "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH",
    **_SERVER,
    **{
        name.format(client): value.format(client)
        for client in ("smtp", "lmtp")
        for name, value in _CLIENT.items()
    },
}
