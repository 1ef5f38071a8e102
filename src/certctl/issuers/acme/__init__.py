"""Certificates from every CA that speaks RFC 8555.

From the outside in: `issuer` fulfils the ports; `obtain` leads one `order` from names to
`certificate`; `authorize` proves the names by way of `http01`, `dns01` or `tlsalpn01`, whose
`proof` others can see; `account` is who asks; `client` speaks to the CA, with signed requests
(`signing`), at its `pace`. What strangers say is read by processes without root and files:
`transport` has one that asks CAs (`pool`, `answer`), `listening` those that CAs ask, `lexicon` one
for DNS providers.

Only `issuer` may be imported early: the rest brings josepy, acme and cryptography along.
"""
