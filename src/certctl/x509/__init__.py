"""Certificates, keys, requests and PEM: pure, and without cryptography where that is not needed."""

ALGORITHMS = ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096", "ed25519")
"""Of keys: the words for those that certctl makes."""
