"""Certificates from every CA that speaks RFC 8555.

From the outside in: `issuer` fulfils the ports; `obtain` leads one order from names
to chain; `authorize` proves the names by way of one of the solvers (`http01`,
`webroot`, `dns01`, `tlsalpn01`); `account` is who asks; `client` speaks to the CA.
Only `issuer` and `directory` may be imported early: the rest brings urllib3, josepy
and acme along.
"""
