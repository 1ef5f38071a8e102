"""The process that speaks to the DNS; see `certctl.system.child`."""

from __future__ import annotations

from certctl.system.child import Child

_ANY = ("CAA", "CNAME", "DNAME", "DNSKEY", "DS", "MX", "NS", "NSEC", "NSEC3", "OPT", "RRSIG", "SOA")
_LATE = (
    *(f"dns.rdtypes.ANY.{kind}" for kind in (*_ANY, "TLSA", "TSIG", "TXT")),
    *("dns.rdtypes.IN.A", "dns.rdtypes.IN.AAAA"),
)
"""dnspython loads each type of records as it meets the first one."""
child = Child(
    "asking the DNS", *(f"certctl.dns.{name}" for name in ("resolver", "authority", "update")), *_LATE
)
