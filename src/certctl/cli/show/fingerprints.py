"""fingerprints: a table for people, lines to paste, or JSON."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.app.fingerprints import Found, Query, document, lines
from certctl.cli.console import Console, table
from certctl.errors import EXIT_OK


def show(console: Console, found: Sequence[Found], query: Query) -> int:
    """Print *found* in the form that was asked for."""
    if query.form == "json":
        console.document(document(found))
        return EXIT_OK
    if query.form != "text":
        for line in lines(found, query):
            console.answer(line)
        return EXIT_OK
    rows = [
        (
            one.subject,
            one.slot or "-",
            f"#{one.generation}" if one.generation else "-",
            one.algorithm,
            one.of,
            one.digest,
            one.fingerprint,
        )
        for item in found
        for one in item.fingerprints
    ]
    if not rows:
        console.say("there is nothing to show yet: certctl run makes keys and certificates")
        return EXIT_OK
    for line in table(rows, ("OF", "SLOT", "GEN", "ALGORITHM", "WHAT", "DIGEST", "FINGERPRINT")):
        console.answer(line)
    return EXIT_OK
