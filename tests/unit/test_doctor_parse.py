"""Configurations as we read them ourselves: Postfix's, Dovecot's, nginx's, tables and their lists."""

from __future__ import annotations

import os

import pytest

from certctl.servers.dovecot_form import parse
from certctl.servers.exim import read_exim
from certctl.servers.map_source import Line, Table, source_lines, tables
from certctl.servers.nginx_form import Directive, parse_nginx
from certctl.servers.postfix_parse import Service, expand, parse_main, parse_master, split_words


def test_main_cf_continues_and_comments() -> None:
    """White space continues a line, over comments and empty lines; the last setting of a name counts."""
    text = "a = 1\n# b = 2\nlist =\n  x,\n# comment\n\n\ty\na = 3\nnonsense\n=\n"
    assert parse_main(text) == {"a": "3", "list": "x,\ty", "": ""}


@pytest.mark.parametrize(
    ("value", "expanded"),
    [
        ("plain", "plain"),
        ("$name/x", "value/x"),
        ("${name}x$(name)", "valuexvalue"),
        ("$$name", "$name"),
        ("$unknown|${unknown}|", "||"),
        ("${name?yes}${empty?yes}", "yes"),
        ("${name:no}${empty:no}", "no"),
        ("${name?{yes}:{no}} ${empty?{yes}:{no}}", "yes no"),
        ("${{$name} == {value} ? {same} : {other}}", "same"),
        ("${{$name} != {value} ? {other}}", ""),
        ("${{3} < {10} ? {a} : {b}}", "a"),
        ("${{$level} <level {3.6} ? {md5} : {sha256}}", "sha256"),
        ("${{2} <level {3.6} ? {md5} : {sha256}}", "md5"),
        ("${{3.10} >=level {3.6} ? {new} : {old}}", "new"),
        ("$chain", "value"),
        ("$loop", ""),
        ("costs 5$", "costs 5$"),
    ],
)
def test_expansion(value: str, expanded: str) -> None:
    """Names, conditions and comparisons expand as postconf(5) has it; a loop ends."""
    parameters = {"name": "value", "empty": "", "level": "3.6", "chain": "${name}", "loop": "$loop"}
    assert expand(value, parameters).replace("$loop", "") == expanded


def test_master_cf() -> None:
    """Services, their types and options, in all three ways of writing them."""
    text = """
# comment
smtp      inet  n       -       y       -       -       smtpd
[::1]:587 inet  n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission -o { smtpd_client_restrictions = permit_mynetworks, reject }
  -osmtpd_tls_security_level=encrypt
  -v
short     unix
relay     unix  -       -       y       -       -       smtp
"""
    assert parse_master(text) == [
        Service("smtp", "inet", "smtpd", {}),
        Service(
            "[::1]:587",
            "inet",
            "smtpd",
            {
                "syslog_name": "postfix/submission",
                "smtpd_client_restrictions": "permit_mynetworks, reject",
                "smtpd_tls_security_level": "encrypt",
            },
        ),
        Service("relay", "unix", "smtp", {}),
    ]


def test_words_hold_together_in_braces() -> None:
    """Separators inside braces separate nothing; a brace that never closes takes the rest."""
    assert split_words("a, { b, c } d", ", ") == ["a", "{ b, c }", "d"]
    assert split_words("a {b c", " ") == ["a", "{b c"]
    assert split_words("a } b", " ") == ["a", "}", "b"]


def test_lists_of_tables() -> None:
    """Types, proxies, bare paths with the default type, and tables that are written in place."""
    value = "hash:/a, proxy:lmdb:/b texthash:/c, /d inline:{ { k = v w }, x=y }, ldap:relative, static:yes"
    assert list(tables(value, "cdb")) == [
        Table("hash", "/a"),
        Table("lmdb", "/b"),
        Table("texthash", "/c"),
        Table("cdb", "/d"),
        (Line(1, "k", "v w"), Line(1, "x", "y")),
    ]
    assert [str(table) for table in tables("/d hash:/e")] == ["hash:/e"]


def test_source_of_a_table() -> None:
    """Keys end at white space outside quotes; what continues an entry is kept with its line's number."""
    text = '# c\nkey  value more \n  continued\n"a b" x\nalone\n'
    assert list(source_lines(text)) == [
        Line(2, "key", "value more   continued", ((3, "  continued"),)),
        Line(4, '"a b"', "x"),
        Line(5, "alone", ""),
    ]


def test_includes_of_exim(tmp_path: os.PathLike[str]) -> None:
    """What a file names is read in its place; one that is not there, and a circle, are borne."""
    tls = os.path.join(tmp_path, "tls.conf")
    main = os.path.join(tmp_path, "exim4.conf")
    text = f'  .include "{tls}"\nexim_user = mail\n.include_if_exists /nonexistent\n'
    for path, content in ((main, text), (tls, f"tls_certificate = /a.pem\n.include {main}\n")):
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
    assert read_exim(main) == {"tls_certificate": "/a.pem", "exim_user": "mail"}


def test_prefixes_of_dovecot() -> None:
    """What doveconf 2.4 prints as a block of a prefix is the setting with the whole name, where it stands."""
    text = (
        "ssl_server {\n  cert_file = /a.pem\n  key_file = /a.pem\n}\nlocal_name b.example.org {\n"
        "  ssl_server {\n    cert_file = /b.pem\n  }\n}\nssl = required\n"
    )
    root = parse(text)
    assert root.settings == {
        "ssl_server_cert_file": "/a.pem",
        "ssl_server_key_file": "/a.pem",
        "ssl": "required",
    }
    assert [(block.title, block.settings) for block in root.blocks] == [
        ("local_name b.example.org", {"ssl_server_cert_file": "/b.pem"})
    ]


def test_blocks_of_dovecot(tmp_path: os.PathLike[str]) -> None:
    """Blocks in blocks, quotes, comments, continued lines, includes, and a brace too many."""
    with open(os.path.join(tmp_path, "one.conf"), "w", encoding="utf-8") as file:
        file.write("ssl = yes\nlocal_name x { \n ssl_cert = </x\n}\n!include one.conf\n")
    text = """# c
a = "b # c" # d
long = one \\
  two
service s {
  inet_listener l {
    port = 1
  }
}
}
!include *.conf
"""
    root = parse(text, os.path.join(tmp_path, "main"))
    assert root.settings == {"a": "b # c", "long": "one two", "ssl": "yes"}
    assert [block.title for block in root.below()][:4] == ["", "service s", "inet_listener l", "local_name x"]


def test_directives_of_nginx(tmp_path: os.PathLike[str]) -> None:
    """Quotes, comments, variables with braces, blocks in blocks and includes, with their lines."""
    with open(os.path.join(tmp_path, "in.conf"), "w", encoding="utf-8") as file:
        file.write("ssl_protocols TLSv1.3;\n")
    text = """a "x y;{" 'it\\'s' ${v}z; # c
map $h $n {
  ~^(?<x>.+)$ "}";
}
include in.conf;
b;"""
    path = os.path.join(tmp_path, "nginx.conf")
    first, block, included, last = parse_nginx(text, path, str(tmp_path))
    assert first == Directive("a", ("x y;{", "it's", "${v}z"), None, path, 1)
    assert block.block == [Directive("~^(?<x>.+)$", ("}",), None, path, 3)]
    assert (included.name, included.line) == ("ssl_protocols", 1)
    assert (last.name, last.line) == ("b", 6)
