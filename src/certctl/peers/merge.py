"""A policy map with the lines of peers in it: between certctl's own markers, everything else as it was."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.errors import CertctlError

BEGIN = "# certctl: begin (pins of peers, rewritten by certctl; everything outside stays yours)"
END = "# certctl: end"
_BEGIN_MARK, _END_MARK = "# certctl: begin", "# certctl: end"


def merge(text: str | None, lines: Sequence[str], path: str) -> str:
    """The content of the map at *path* with *lines* between the markers; *text*: what it holds now.

    A file that is not there, or empty, becomes certctl's own. Raises CertctlError
    where the lines would not count (postconf(5), access(5): of two lines for one
    key the first is kept, and white space continues a line).
    """
    block = [BEGIN, *lines, END]
    if text is None or not text.strip():
        return "".join(f"{line}\n" for line in block)
    there = text.split("\n")
    begins = [number for number, line in enumerate(there) if line.startswith(_BEGIN_MARK)]
    ends = [number for number, line in enumerate(there) if line.startswith(_END_MARK)]
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        raise CertctlError(
            f"{path} is not certctl's own, and has no place for its lines",
            f'put two lines where they shall be: "{_BEGIN_MARK}" and "{_END_MARK}"'
            if not begins and not ends
            else f'it must have one line "{_BEGIN_MARK}", and one line "{_END_MARK}" after it',
            transient=False,
        )
    before, behind = there[: begins[0]], there[ends[0] + 1 :]
    _check_outside(before, behind, lines, path)
    return "\n".join([*before, *block, *behind])


def is_marked(text: str | None) -> bool:
    """Whether certctl's markers are in it."""
    return any(line.startswith(_BEGIN_MARK) for line in (text or "").split("\n"))


def inside(text: str | None) -> list[str]:
    """The lines between the markers."""
    there = (text or "").split("\n")
    begins = [number for number, line in enumerate(there) if line.startswith(_BEGIN_MARK)]
    ends = [number for number, line in enumerate(there) if line.startswith(_END_MARK)]
    return there[begins[0] + 1 : ends[0]] if begins and ends else []


def by_hand(text: str | None) -> dict[str, int]:
    """The keys of the lines that are not certctl's, in lower case, each with the number of its line."""
    own = False
    found: dict[str, int] = {}
    for number, line in enumerate((text or "").split("\n"), 1):
        own = (own or line.startswith(_BEGIN_MARK)) and not line.startswith(_END_MARK)
        if not own and line.strip() and not line[0].isspace() and not line.startswith("#"):
            found.setdefault(line.split()[0].lower(), number)
    return found


def _check_outside(before: Sequence[str], behind: Sequence[str], lines: Sequence[str], path: str) -> None:
    ours = {line.split()[0].lower() for line in lines if line.split()}
    for number, line in enumerate(before, 1):
        words = line.split()
        if words and not line[0].isspace() and words[0].lower() in ours:
            raise CertctlError(
                f"{path} has a line {number} for {words[0]} before certctl's own, and the first one counts",
                f"take line {number} out of {path}",
                transient=False,
            )
    following = next((line for line in behind if line.strip() and not line.lstrip().startswith("#")), "")
    if following[:1].isspace():
        raise CertctlError(
            f"the line after certctl's own in {path} begins with white space, so it would continue the last",
            f"move the markers in {path}",
            transient=False,
        )
