"""Numbers to test with, and the library that tests them.

The numbers have 512 bits: as large as openssl wants them, and small enough for quick
tests. None has a small factor, nor has half of it, so that only primality tests tell them apart.
"""

from __future__ import annotations

import subprocess

from certctl.dhparam.libcrypto import Library, load
from certctl.dhparam.pem import DHParameters, encode
from tests.real.servers.require import missing, program

# A safe prime, 23 modulo 24: 2 generates the subgroup of prime order.
SAFE = int(
    "85aba6184b046bcf380c279d8fc18461baf11167cf6b3c9eb5b9327dd34775c2"
    "5125c519a2843808fc836d15607cf7a57e59f8996a003c874af66cb671772f77",
    16,
)
# A safe prime, 11 modulo 24, as OpenSSL before 1.1.1 made them: 2 generates the whole group.
SAFE_11 = int(
    "e1171db61e4d1beb0ed093f18e4eb6e6f00872cb29d110979f0c98b246d512c0"
    "7311d57f2f73877ca92f7655f663144fa2730950b88975e4a9bbd77f575dd48b",
    16,
)
# A prime, but half of it is composite.
UNSAFE = int(
    "f3901879dcca0c1619e37dbea5dc4cfd9e1ccb21da2c11d7646008bdc9d62a30"
    "9198aa818acc6b5522dc3cc036a0ddaf959828eaf82044523aa8a8374d61745f",
    16,
)
# A composite number, but half of it is prime.
COMPOSITE = int(
    "fab19c37662ac185543061bf47a429625864a52fbce0befcb8f5ead5fd587803"
    "144c627e7de46dfb02dff3848c21bea6ccfdf76931bb68bea112c5e92ba28ce7",
    16,
)
# What openssl dhparam -dsaparam 512 writes.
DSAPARAM = b"""-----BEGIN X9.42 DH PARAMETERS-----
MIGkAkEAp29wg4ieSVEph4UT7MEAENoldM1XUILSLRrVYIi9v+184u05cI+eEGyV
y5fyupY/AIJ8Wt5WE9jR50cDVIrsHwJAPbDe2PuKu7/HYp6VIqwLIAC7Z8rEvzHe
nY51SRyuP4tfexUN6A9EKgVHObanBIWuknhDZKCfh411OVfC9rc3ogIdAP7Tmmie
xOa+KH4dobFET2x8cxW0ICdESzGshWU=
-----END X9.42 DH PARAMETERS-----
"""


def pem(p: int, g: int = 2, length: int | None = None) -> bytes:
    return encode(DHParameters(p, g, length))


def system_library() -> Library:
    """Return the system's libcrypto; without it the test does not run."""
    return load() or missing("libcrypto is not installed", "install the system's libssl3")


def paired_library() -> Library:
    """Return the system's libcrypto if it can test two numbers at once, as OpenSSL 3 can."""
    library = system_library()
    if not hasattr(library.c, "BN_mod_exp_mont_consttime_x2"):
        missing(f"{library.version} tests no two numbers at once", "install OpenSSL 3")
    return library


def openssl_3() -> str:
    """Return the program openssl, if it is new enough to know groups by name and to make primes as we do."""
    path = program("openssl")
    version = subprocess.run([path, "version"], capture_output=True, check=True).stdout
    if version.startswith((b"OpenSSL 0", b"OpenSSL 1", b"LibreSSL")):
        missing(version.decode().strip() + " is too old", "install OpenSSL 3")
    return path
