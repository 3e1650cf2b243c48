"""What a command printed against what the page shows, where it matters."""

import difflib
import re

__all__ = ["differences", "lasting", "masked"]

#: What differs from machine to machine and from day to day, and what stands for it.
_MASKS = tuple((re.compile(pattern), put) for pattern, put in (
    (r"^\[ *\d+\.\d s\] ", "[time] "),                          # the demo's progress
    (r"\b\d+(\.\d+)?(s| s)\b", "<time> s"),                     # durations
    (r"^\d+:\d\d taken, .* a second", "<time and rates>"),      # a replay's
    (r"\btop_of_book [\d,]+", "top_of_book <some>"),             # a slow host takes fewer
    # Cycles since the start of the clock: how long set-up took.
    (r"\s+\d{1,3}(?:,\d{3})+(?=\s+\d+\s+\d+\.\d\s+\d+\.\d$)", " <cycle>"),
    (r"\bin cycles [\d,]+ to [\d,]+", "in cycles <from> to <to>"),
    (r"\bup to cycle [\d,]+", "up to cycle <cycle>"),
    (r"127\.0\.0\.1:\d+", "<server>"),
    (r" --server <server>", ""),
    (r"\b[0-9a-f]{12}(?:[0-9a-f]{28})?(-dirty)?\b", "<commit>"),
    (r"\S*/walk-[^/ ]+/", ""),                                  # the folder it runs in
    (r"/\S*/(?=build/|docs/|hdl/)", ""),
))
#: Lines that come only where something is built that elsewhere is there already.
_PASSING = re.compile(r"the simulation is being built|^Debian packages:|^All are installed\.|"
                      r"^Installing into|^model: fitted$")
_BETWEEN = "..."


def masked(line: str) -> str:
    """Return a line without what may differ."""
    for pattern, put in _MASKS:
        line = pattern.sub(put, line)
    return line.rstrip()


def differences(page: list[str], output: list[str], *, live: bool = False) -> list[str]:
    """Return what is different, as lines of a diff; none if all is as the page has it.

    Parameters
    ----------
    page : list of str
        Lines that the page shows; ``...`` stands for any.
    output : list of str
        Lines that were printed, shortened in the same way.
    live : bool
        Numbers, and rows with numbers, may be others.
    """
    wanted, found = _lines(page), _lines(output)
    if live:
        wanted = [_loose(line) for line in wanted if _is_fixed(line)]
        loose = iter([_loose(line) for line in found])
        return [f"- {line}" for line in wanted if line not in loose]
    if wanted == found:
        return []
    return [line for line in difflib.unified_diff(wanted, found, "page", "now", lineterm="", n=1)
            if not line.startswith("@@")]


def lasting(lines: list[str]) -> list[str]:
    """Return an output without what comes only where something has yet to be built."""
    return [line for line in lines if not _PASSING.search(line)]


def _lines(lines: list[str]) -> list[str]:
    return [masked(line) for line in lasting(lines)]


def _is_fixed(line: str) -> bool:
    return line != _BETWEEN and not re.search(r"\d", line)


def _loose(line: str) -> str:
    return " ".join(line.split())
