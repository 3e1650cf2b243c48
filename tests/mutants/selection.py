"""Which mutants a run takes: drawn by a seed, spread over the files and the operators."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from tests.mutants.operators import Mutant, mutants_of

__all__ = ["FOLDERS", "all_mutants", "in_order"]

#: Folders of the hardware that mutants are made of.
FOLDERS = ("hdl/feed", "hdl/book", "hdl/order")


def all_mutants(root: Path) -> dict[str, list[Mutant]]:
    """Return the mutants of every file that has any, in the order of the files."""
    found: dict[str, list[Mutant]] = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if mutants := mutants_of(name, path.read_text(encoding="utf-8")):
                found[name] = mutants
    return found


def in_order(mutants: dict[str, list[Mutant]], seed: int) -> Iterator[Mutant]:
    """Yield mutants in the order in which a run with this seed takes them.

    A file's share grows with the root of how many mutants it has; in a file the operators take
    turns. A change of one file changes the order of the others little, and which of theirs are
    taken not at all.
    """
    queue: list[tuple[float, str, Mutant]] = []
    for path, of_file in mutants.items():
        chosen = list(_turns(of_file, seed))
        weight = len(chosen) ** 0.5
        shift = _rank(seed, path) / 2**64
        queue += [((number + shift) / weight, path, mutant)
                  for number, mutant in enumerate(chosen)]
    queue.sort(key=lambda entry: entry[:2])
    yield from (mutant for _, _, mutant in queue)


def _turns(mutants: list[Mutant], seed: int) -> Iterator[Mutant]:
    by_operator: dict[str, list[Mutant]] = {}
    for mutant in sorted(mutants, key=lambda mutant: _rank(seed, mutant.key)):
        by_operator.setdefault(mutant.operator, []).append(mutant)
    while by_operator:
        for operator in list(by_operator):
            yield by_operator[operator].pop(0)
            if not by_operator[operator]:
                del by_operator[operator]


def _rank(seed: int, text: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8], "big")
