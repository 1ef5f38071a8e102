"""What `load` says of a faulty file: file, table, key, what is allowed, and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl import config
from certctl.errors import EXIT_USAGE, ConfigError
from tests.unit.config_files import CONTRACT, load_text, problems

CERTIFICATE = '[certificate.mx1]\nnames = ["mx1.example.org"]\n'
FILE = f'{CERTIFICATE}[[certificate.mx1.file]]\npath = "/etc/mx1.pem"\n'
PEER = 'feed = "f"\nkey = "k"\nmap = "m"\n'
ACME = '[issuer.le]\ntype = "acme"\ndirectory = "letsencrypt"\nagree_tos = true\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('state_dirr = "x"', 'key "state_dirr" is unknown; did you mean "state_dir"?'),
        ("zzz = 1", 'key "zzz" is unknown; known are state_dir, hooks_dir, network_timeout, and tables'),
        ("[certificat.mx1]", "table [certificat] is unknown; did you mean [certificate.NAME]?"),
        ("[zzz]", "table [zzz] is unknown; known are [certificate.NAME], [issuer.NAME]"),
        (
            'state_dir = ["x"]',
            'state_dir = ["x"]: expected the path of a directory, for example state_dir = "/var',
        ),
        ("certificate = 3", "certificate = 3: expected tables, [certificate.NAME]"),
        ("[[certificate]]", "[certificate] certificate has a name and one pair of brackets"),
        ("[[certificate.mx1]]", "[certificate.mx1] is one table: write [certificate.mx1] with one pair"),
        ('[certificate]\nnames = ["a"]', '[certificate] names = ["a"]: expected a table with a name'),
        (
            "[certificate.mx1]",
            "[certificate.mx1] names is missing: a list of DNS names and IP addresses, such as",
        ),
        (
            '[certificate.mx1.example.org]\nnames = ["a"]',
            'a name with dots needs quotes: [certificate."mx1.example.org"]',
        ),
        ('[peer.thumb.example.net]\nfeed = "f"', 'needs quotes: [peer."thumb.example.net"]'),
        (
            '[certificate."*.example.org"]\nnames = ["*.example.org"]',
            '"*.example.org" cannot be a name here: a name becomes a file\'s name, so it has no star: call',
        ),
        ('[hook."../x"]', '[hook."../x"] "../x" cannot be a name here'),
        ('[hook."a\\nb"]', '[hook."a\\u000ab"]'),
        ('[dhparam."x.pem"]\npath = "x"', "a name cannot end in"),
        (
            f'{CERTIFICATE}hold_dwn = "7d"',
            '[certificate.mx1] key "hold_dwn" is unknown; did you mean "hold_down"?',
        ),
        (f"{CERTIFICATE}Keys = []", '[certificate.mx1] key "Keys" is unknown; did you mean "keys"?'),
        (f"{CERTIFICATE}domains = []", '[certificate.mx1] key "domains" is unknown; did you mean "names"?'),
        (f'{CERTIFICATE}path = "x"', 'key "path" is unknown; it belongs in [[certificate.mx1.file]]'),
        (f'{FILE}validity = "x"', 'key "validity" is unknown; it belongs in [certificate.mx1]'),
        (f'{FILE}state_dir = "x"', "it belongs at the top of the file, before the first table"),
        (f"{CERTIFICATE}zzz = 1", '[certificate.mx1] key "zzz" is unknown; known are names, issuer, keys'),
        (
            f'{CERTIFICATE}keys = ["ecdsa-p265"]',
            (
                '[certificate.mx1] keys = "ecdsa-p265": not one of ecdsa-p256, ecdsa-p384, rsa-2048, '
                'rsa-3072, rsa-4096, ed25519; did you mean "ecdsa-p256"?'
            ),
        ),
        (f'{CERTIFICATE}keys = "RSA-2048"', 'did you mean "rsa-2048"?'),
        ('[dhparam.x]\npath = "x.pem"\nsource = "gen"', 'generate, ffdhe; did you mean "generate"?'),
        (f"{CERTIFICATE}keys = []", "[certificate.mx1] keys = []: must not be empty"),
        (f'{CERTIFICATE}keys = ["ed25519", "ed25519"]', '[certificate.mx1] keys = "ed25519": is there twice'),
        ('[certificate.a]\nnames = "a"', '[certificate.a] names = "a": expected a list of DNS names'),
        ('[certificate.a]\nnames = ["A", "a"]', '[certificate.a] names = "a": is there twice'),
        ('[certificate.a]\nnames = ["a", 3]', '[certificate.a] names = ["a", 3]: expected a list'),
        (
            f'{CERTIFICATE}pin = "kye"',
            '[certificate.mx1] pin = "kye": not one of key, certificate; did you mean "key"?',
        ),
        (f'{CERTIFICATE}on_failed_probe = "retry"', "not one of rollback, keep"),
        (f'{CERTIFICATE}issuer = "ofice"\n[issuer.office]\ntype = "csr"', 'did you mean "office"?'),
        (f'{CERTIFICATE}issuer = "zzz"', "it needs a table [issuer.zzz]"),
        (f'{CERTIFICATE}issuer = ["self-singed"]', 'did you mean "self-signed"?'),
        (f'{CERTIFICATE}announce = "x"', 'announce = "x": not defined; it needs a table [announce.x]'),
        (
            f'{CERTIFICATE}require_ack = ["tumb"]\n[peer.thumb]',
            'there is no [peer.tumb]; did you mean "thumb"?',
        ),
        (f'{CERTIFICATE}hooks = ["a b"]', '[certificate.mx1] hooks = "a b": a name becomes a file'),
        (f'{CERTIFICATE}renew_before = "90d"', 'must be shorter than validity = "90d"'),
        (f'{CERTIFICATE}validity = "30d"\nrenew_before = "30d"', 'must be shorter than validity = "30d"'),
        (f'{CERTIFICATE}pin = "certificate"\nhold_down = "46d"', 'half of validity = "90d" at most, 45d:'),
        (f'{CERTIFICATE}file = "x"', "[certificate.mx1] file = "),
        (f'{CERTIFICATE}[certificate.mx1.file]\npath = "x"', "needs two pairs of brackets"),
        (
            f'{FILE}parts = ["cert", "key"]',
            'parts = ["cert", "key"]: a bundle holds its parts in this order: ["key", "cert"]',
        ),
        (f'{FILE}parts = ["fullchain"]', "not one of key, cert, chain, root"),
        (f"{FILE}parts = []", "parts = []: must not be empty"),
        (
            f'{FILE}mode = "0644"',
            '[[certificate.mx1.file]] #1 mode = "0644": a file with a key in it has one of 0600',
        ),
        (f'{FILE}algorithm = "rsa-2048"', "the certificate's keys are ecdsa-p256"),
        (f'{FILE}owner = "-x"', "not the name of a user or group"),
        ('[dhparam.a]\npath = "a"\nbits = 1024', "bits = 1024: must be from 2048 to 16384"),
        ('[dhparam.a]\npath = "a"\nbits = 2049\nsource = "ffdhe"', "one of 2048, 3072, 4096, 6144, 8192"),
        ('[dhparam.a]\npath = "a"\nmode = "0666"', "would let others write"),
        ('[dhparam.a]\npath = "a/"', "names a directory"),
        ('[dhparam.a]\npath = "~/a"', "~ is not expanded"),
        ('[dhparam.a]\npath = "a\\nb"', "control characters"),
        ("[watch.a]\npaths = []\nhooks = []", "[watch.a] paths = []: must not be empty"),
        ("[watch.a]\npaths = []\nhooks = []", "[watch.a] hooks = []: must not be empty"),
        ('[hook.a]\ncommand = "postfix reload"', 'no shell reads it: ["postfix", "reload"]'),
        ("[hook.a]\ncommand = []", "must name a program"),
        ('[hook.a]\ntimeout = "0s"', "must be more than nothing"),
        ('[issuer.a]\ntype = "amce"', 'type = "amce": not one of self-signed, private-ca, acme'),
        (
            "[issuer.a]\nzzz = 1",
            "[issuer.a] type is missing: one of self-signed, private-ca, acme, command, csr",
        ),
        ("[issuer.a]\ntyp = 1", '[issuer.a] key "typ" is unknown; did you mean "type"?'),
        (
            '[issuer.a]\ntype = "csr"\ndirectory = "x"',
            'key "directory" is unknown; only the type acme has it',
        ),
        ('[issuer.a]\ntype = "command"', "[issuer.a] command is missing"),
        ('[issuer.a]\ntype = "private-ca"\npermitted_names = ["a_b"]', "underscore"),
        (
            '[issuer.a]\ntype = "acme"\nagree_tos = true',
            "[issuer.a] directory is missing: the URL of the CA's",
        ),
        (
            '[issuer.a]\ntype = "acme"',
            "[issuer.a] agree_tos is missing: a CA gives certificates only to those who",
        ),
        ('[issuer.a]\ntype = "acme"\nagree_tos = false', "[issuer.a] agree_tos is false"),
        ('[issuer.a]\ntype = "acme"\nagree_tos = 1', "[issuer.a] agree_tos = 1: expected true or false"),
        ('[issuer.a]\ntype = "acme"\ndirectory = "letsencript"', 'did you mean "letsencrypt"?'),
        (
            '[issuer.a]\ntype = "acme"\ndirectory = "http://ca.example"',
            "must be https, save for a host on loopback",
        ),
        (f'{ACME}challenge = "dns-1"', 'did you mean "dns-01"?'),
        (f'{ACME}dns = "rfc2136"', 'goes with challenge = "dns-01" only, and the challenge is "http-01"'),
        (f'{ACME}challenge = "dns-01"', 'dns is missing: challenge = "dns-01" needs it'),
        (f'{ACME}challenge = "dns-01"\ndns = "rfc2136"', "[issuer.le.rfc2136] server is missing"),
        (f'{ACME}challenge = "dns-01"\ndns = "command"', "[issuer.le.command] command is missing"),
        (f'{ACME}challenge = "dns-01"\ndns = "directory"', "not the name of a DNS provider"),
        (f'{ACME}challenge = "dns-01"\ndns = "rfc2136"\nrfc2136 = 3', "expected a table [issuer.le.rfc2136]"),
        (
            f'{ACME}challenge = "dns-01"\ndns = "x"\n[issuer.le.x]\na = []',
            "[issuer.le.x] a: dns-lexicon takes texts",
        ),
        (f'{ACME}challenge = "tls-alpn-01"\nwebroot = "x"', 'goes with challenge = "http-01" only'),
        (f'{ACME}webroot = "x"\nlisten = "127.0.0.1:80"', "webroot and listen exclude each other"),
        (f'{ACME}eab_kid = "x"', "eab_hmac_key_file is missing: external account binding"),
        (f'{ACME}eab_hmac_key_file = "x"', "eab_kid is missing"),
        (f"{ACME}[issuer.le.rfc2136]\nserver = 1", 'table "rfc2136" is unknown'),
        (
            f'{ACME}[certificate.a]\nnames = ["*.example.org"]\nissuer = "le"',
            "by dns-01 only, not by http-01",
        ),
        (
            f'{ACME}challenge = "dns-01"\ndns = "x"\n[certificate.a]\nnames = ["192.0.2.1"]\nissuer = "le"',
            "an IP address cannot be proved by dns-01",
        ),
        ('[announce.a]\ntype = "feed"', "[announce.a] path is missing"),
        (
            '[announce.a]\ntype = "feed"\npath = "x"\nzone = "y"',
            'key "zone" is unknown; only the type dns has it',
        ),
        (
            '[announce.a]\ntype = "fed"',
            'type = "fed": not one of feed, policy, tlsa, dns, command; did you mean "feed"?',
        ),
        ('[announce.a]\ntype = "dns"', "[announce.a] server is missing"),
        ('[announce.a]\ntype = "tlsa"\npath = "x"\nports = [0]', "ports = 0: must be from 1 to 65535"),
        ("[peer.a]", "[peer.a] feed is missing"),
        ('[peer.a]\nfeed = "http://a.example/f"', "must be https"),
        (f"{CERTIFICATE}validity = 0x{'f' * 5000}", "a number of very many digits"),
    ],
)
def test_problems(tmp_path: Path, text: str, problem: str) -> None:
    """Every kind of fault is named by its table and key, and the line says what to write."""
    found = problems(tmp_path, text)
    assert any(problem in line for line in found), found
    assert all("\n" not in line for line in found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            f'{FILE}[[certificate.mx1.file]]\npath = "/etc//mx1.pem"',
            '[[certificate.mx1.file]] #2 path = "/etc/mx1.pem": is written by [[certificate.mx1.file]] #1',
        ),
        (f'{FILE}[dhparam.d]\npath = "/etc/mx1.pem"', "is written by [[certificate.mx1.file]] #1 too"),
        (f'{FILE}[announce.a]\ntype = "policy"\npath = "/etc/mx1.pem"', "is written by"),
        (f'{FILE}[peer.p]\nfeed = "f"\nkey = "k"\nmap = "/etc/mx1.pem"', "is written by"),
        ('[dhparam.d]\npath = "/var/lib/certctl/live/mx1/bundle.pem"', "is inside state_dir"),
        ('state_dir = "state"\n[dhparam.d]\npath = "state"', "is inside state_dir"),
        ('state_dir = "/"\n[dhparam.d]\npath = "/x"', "is inside state_dir"),
        ('[dhparam.d]\npath = "certctl.toml"', "is the configuration file itself"),
        (
            f'[peer.a]\n{PEER}nexthops = ["x"]\n[peer.b]\n{PEER}nexthops = ["X"]\n',
            '[peer.b] nexthops = "x": is a next-hop of [peer.a] in the same map',
        ),
    ],
)
def test_outputs_that_collide(tmp_path: Path, text: str, problem: str) -> None:
    """Two tables never write one file, nor does any write where certctl keeps its own."""
    found = problems(tmp_path, text)
    assert len(found) == 1
    assert problem in found[0]


def test_all_at_once(tmp_path: Path) -> None:
    """Independent faults of several tables are all told, in one error that exits with 2."""
    text = CONTRACT.replace('"90d"', '"90"').replace('"feed"', '"fed"').replace("bits = 2048", "bits = 512")
    text = text.replace('pin = "key"', 'pin = "kex"').replace('timeout = "30s"', 'timout = "30s"')
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, text)
    assert len(caught.value.problems) == 5
    assert caught.value.exit_code == EXIT_USAGE


def test_faulty_tables_are_still_known(tmp_path: Path) -> None:
    """A fault inside a table does not make the references to it look wrong as well."""
    text = CONTRACT.replace('type = "dns"', 'type = "dnss"').replace("agree_tos = true", "agree_tos = false")
    assert len(problems(tmp_path, text)) == 2


def test_several_elements(tmp_path: Path) -> None:
    """Each faulty element of a list has its own line."""
    found = problems(tmp_path, '[certificate.a]\nnames = ["a_b", "ok", "1.2"]\nkeys = ["x", "y"]\n')
    assert len(found) == 4


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("", "is empty", "certctl init"),
        ("# nothing\n", "is empty", "certctl init"),
        ("\n[certificate.mx1\n", "line 2, column 17: expected", None),
        ("a = 1\na = 2\n", "line 2, column 6: cannot overwrite a value: a = 2", None),
        ("mode = 0600\n", "line 1, column 9", 'mode = "0600"'),
        ("pin = key\n", "line 1, column 7: invalid value: pin = key", "quotes"),
        ('a = "\x01"\n', "line 1, column 6", None),
        ("a = 1\nb = [1,\n", "line 3, column 1: invalid value", "brackets"),
        ('a = 1\nb = "(at line 7, column 9)', "line 2, column 27: unterminated string", None),
        ("a = " + "[" * 100000, "deeply", None),
        ("a = " + "9" * 5000, "cannot be parsed", None),
    ],
)
def test_syntax(tmp_path: Path, text: str, says: str, hint: str | None) -> None:
    """What is no TOML is told with its line, its column, and what people mostly forget."""
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, text)
    (line,) = caught.value.problems
    assert line.startswith(f"{tmp_path}/certctl.toml: ")
    assert says in line
    assert hint is None or (caught.value.hint is not None and hint in caught.value.hint)


def test_byte_order_mark(tmp_path: Path) -> None:
    """What some editors put first is no part of the text; nor are their line ends."""
    path = tmp_path / "certctl.toml"
    path.write_bytes(b'\xef\xbb\xbf[certificate.a]\r\nnames = ["a"]\r\n')
    path.chmod(0o600)
    assert config.load(str(path)).certificates["a"].names == ("a",)
