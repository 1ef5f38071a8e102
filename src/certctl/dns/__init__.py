"""What speaks to the DNS: resolvers, authoritative servers, and the primary that takes updates.

All of `resolver`, `authority` and `update` take and return plain values (strings, numbers, lists, dicts),
keep nothing between calls, and raise nothing but `CertctlError`: any process can run them for another one.
They load dnspython, so they are imported late; `server` and `tsig` do not.
"""
