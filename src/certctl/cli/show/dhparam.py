"""dhparam: what was made or checked."""

from __future__ import annotations

from typing import Any

from certctl.cli.console import Console


def show(console: Console, document: dict[str, Any]) -> None:
    for row in document["dhparams"]:
        if row["error"]:
            console.answer(f"{row['name']}: not good: {row['error']}")
        else:
            who = row["confirmed_by"]
            console.answer(
                f"{row['name']}: {row['path']}: {row['bits']} bits, safe prime, confirmed by {who}"
            )
