"""A page with commands and what they print: its blocks, and the same page with other output.

A block of ```` ```console ```` is run: a line that begins with ``$`` is a command, ``>`` goes on
with it, and what follows is its output, both streams as they come. Words after ``console`` say how
the output is kept and compared:

- none: equal, but for what :mod:`demo.walk.compare` masks, times and rates;
- ``live``: of a market that does not wait; only lines without a digit are compared;
- ``show=N`` or ``show=N,M``: the first N and the last M lines, ``...`` for those between;
- ``data``: needs the real captures, and is passed over without them.

A comment ``<!-- picture: WORDS -->`` before an image says how :mod:`demo.walk.pictures` makes it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

__all__ = ["Block", "PageError", "Picture", "Step", "parse", "rendered"]

_FENCE = "```"
_CONSOLE = "```console"
_PICTURE = re.compile(r"<!-- picture: (.+) -->")
_IMAGE = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")
_BETWEEN = "..."


class PageError(ValueError):
    """The page is not what it should be."""


@dataclass
class Step:
    """A command, and the lines that the page shows of its output."""

    command: str
    line: int
    output: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Block:
    """Commands that belong together.

    Attributes
    ----------
    first, last : int
        Lines of the page between its fences, from 0, the last one excluded.
    steps : tuple of Step
        Its commands.
    live, data : bool
        See above.
    head, tail : int or None
        Lines that are shown; all if None.
    """

    first: int
    last: int
    steps: tuple[Step, ...]
    live: bool
    data: bool
    head: int | None
    tail: int

    def shown(self, output: list[str]) -> list[str]:
        """Return the lines of an output that the page shows."""
        if self.head is None or len(output) <= self.head + self.tail + 1:
            return output
        return [*output[:self.head], _BETWEEN, *output[len(output) - self.tail:]]


@dataclass(frozen=True)
class Picture:
    """An image: what shows it, where it is, and after which line of the page it is made."""

    line: int
    words: str
    path: str


def parse(text: str) -> list[Block | Picture]:
    """Return blocks and pictures of a page in order.

    Raises
    ------
    PageError
        With the line, if a block does not end, begins without a command, or has unknown words.
    """
    lines = text.splitlines()
    found: list[Block | Picture] = []
    numbers = iter(range(len(lines)))
    for number in numbers:
        line = lines[number]
        if line.startswith(_CONSOLE):
            end = _end(lines, number)
            found.append(_block(lines, number, end))
            _skip(numbers, end)
        elif line.startswith(_FENCE):
            _skip(numbers, _end(lines, number))
        elif match := _PICTURE.fullmatch(line):
            image = _IMAGE.match(lines[number + 1]) if number + 1 < len(lines) else None
            if image is None:
                raise PageError(f"line {number + 1}: no image follows")
            found.append(Picture(number, match[1], image[1]))
    return found


def _skip(numbers: Iterator[int], end: int) -> None:
    for number in numbers:
        if number == end:
            return


def _end(lines: list[str], begin: int) -> int:
    for number in range(begin + 1, len(lines)):
        if lines[number] == _FENCE:
            return number
    raise PageError(f"line {begin + 1}: the block does not end")


def _block(lines: list[str], begin: int, end: int) -> Block:
    head, tail, words = None, 0, set[str]()
    for word in lines[begin].removeprefix(_CONSOLE).split():
        if match := re.fullmatch(r"show=(\d+)(?:,(\d+))?", word):
            head, tail = int(match[1]), int(match[2] or 0)
        elif word in ("live", "data"):
            words.add(word)
        else:
            raise PageError(f"line {begin + 1}: unknown word {word!r}")
    return Block(begin + 1, end, tuple(_steps(lines, begin + 1, end)), "live" in words,
                 "data" in words, head, tail)


def _steps(lines: list[str], first: int, last: int) -> list[Step]:
    steps: list[Step] = []
    for number in range(first, last):
        line = lines[number]
        if line.startswith("$ "):
            steps.append(Step(line[2:], number + 1))
        elif not steps:
            raise PageError(f"line {number + 1}: output without a command")
        elif line.startswith("> ") and not steps[-1].output:
            steps[-1].command += f"\n{line[2:]}"
        else:
            steps[-1].output.append(line)
    return steps


def rendered(text: str, outputs: Callable[[Step], list[str] | None]) -> str:
    """Return a page with other output.

    Parameters
    ----------
    text : str
        The page.
    outputs : callable
        Returns the lines to show of a step, or None to leave those of the page.
    """
    lines = text.splitlines()
    for block in reversed([part for part in parse(text) if isinstance(part, Block)]):
        made: list[str] = []
        for step in block.steps:
            output = outputs(step)
            made += [f"{mark} {line}" for mark, line in
                     zip("$" + ">" * step.command.count("\n"), step.command.split("\n"),
                         strict=True)]
            made += step.output if output is None else output
        lines[block.first:block.last] = made
    return "\n".join(lines) + "\n"
