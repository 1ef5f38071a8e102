"""Names of certificates: DNS names as A-labels in lower case, IP addresses in canonical text."""

from __future__ import annotations

from certctl.config.problems import BadValueError

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
_OCTETS = frozenset(map(str, range(256)))


def server_name(value: object) -> str:
    """Give the canonical form of a certificate's name; a wildcard may stand as its first label."""
    if not isinstance(value, str):
        raise BadValueError
    if value[:1] == "*" or "*" in value:
        return _wildcard(value)
    return host(value)


def host(value: object) -> str:
    """Give the canonical form of a host's DNS name or IP address (RFC 1123 §2.1, RFC 5890, RFC 5952)."""
    if not isinstance(value, str):
        raise BadValueError
    # Hot: most names are plain, and a thousand certificates have thousands of them.
    if _LETTERS.issuperset(value):
        labels = value.split(".")
        if not labels[-1].isdigit():
            for label in labels:
                if not 0 < len(label) < 64 or label[0] == "-" or label[-1] == "-":
                    raise BadValueError(_fault(value), value)
            if len(value) > 253:
                raise BadValueError(_fault(value), value)
            return value
    elif not value.isascii():
        return _international(value)
    elif ":" not in value:
        lower = value.lower()
        if lower == value:
            raise BadValueError(_fault(value), value)
        return host(lower)
    return _address(value)


def is_address(name: str) -> bool:
    """Tell a canonical IP address from a canonical DNS name."""
    return ":" in name or name.rpartition(".")[2].isdigit()


def _wildcard(value: str) -> str:
    """RFC 9525 §6.3: the star is the whole left-most label."""
    if not value.startswith("*.") or "*" in value[1:]:
        raise BadValueError('a star stands only as the whole first label, as in "*.example.org"', value)
    rest = host(value[2:])
    if is_address(rest) or "." not in rest:
        raise BadValueError(
            'a wildcard needs two labels or more after the star, as in "*.example.org"', value
        )
    return "*." + rest


def _international(value: str) -> str:
    """Map an internationalized name to its A-labels (UTS 46, non-transitional; IDNA 2008)."""
    import idna

    try:
        mapped = idna.encode(value, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, ValueError, IndexError) as error:
        raise BadValueError(f"not an internationalized host name: {_reason(error)}", value) from None
    return host(mapped)


def _reason(error: Exception) -> str:
    text = "".join(c for c in str(error) if c.isprintable())
    return text[:1].lower() + text[1:120].rstrip(".")


def _address(value: str) -> str:
    parts = value.split(".")
    if len(parts) == 4 and _OCTETS.issuperset(parts):
        return value
    # Only for what is IPv6 or wrong: it takes a millisecond of every start.
    import ipaddress

    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        raise BadValueError(_fault(value), value) from None
    if address.scope_id is not None:
        raise BadValueError("an address with a zone means something on one host only", value)
    if address.ipv4_mapped is not None:
        raise BadValueError(f'write the IPv4 address itself: "{address.ipv4_mapped}"', value)
    return address.compressed


def _fault(value: str) -> str:
    """Say what keeps an ASCII text from being a host name."""
    inner = value.strip("[]")
    if not value:
        return "empty, where a host name or an IP address is expected"
    if value.endswith(".") and len(value) > 1:
        return f'write it without the last dot: "{value[:-1]}"'
    if "://" in value:
        return "a name, not a URL, is expected"
    if "_" in value:
        return "an underscore cannot be in a host name (RFC 1123 section 2.1)"
    if value != inner and ":" in inner:
        return f'write the address without brackets: "{inner}"'
    if ":" in value:
        return "not an IPv6 address, and a host name has no colon (no port goes here)"
    if inner.rpartition(".")[2].isdigit():
        return "not an IPv4 address, and a host name's last label is not a number"
    if len(value) > 253:
        return "longer than the 253 characters that DNS allows (RFC 1035 section 2.3.4)"
    if any(len(label) > 63 for label in value.split(".")):
        return "has a label of more than 63 characters (RFC 1035 section 2.3.4)"
    if not all(value.split(".")):
        return "has an empty label: two dots, or a dot at the start"
    return 'neither an IP address nor a host name: labels of letters, digits and inner "-", joined by dots'
