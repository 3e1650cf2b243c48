"""What is kept of mutants: judgements, the survivors that are explained, and the page."""

import json
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sim.recorded import identity
from tests.mutants.judge import Judgement, Verdict
from tests.mutants.operators import OPERATORS, Mutant

__all__ = ["Kept", "Record", "explanations", "page", "report"]

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Record:
    """A judged mutant.

    Attributes
    ----------
    source_sha256 : str
        Of the file that it was made from.
    tests_sha256 : str
        Of the tests that judged it.
    """

    mutant: Mutant
    judgement: Judgement
    source_sha256: str
    tests_sha256: str

    def data(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        mutant, judgement = asdict(self.mutant), asdict(self.judgement)
        return {**mutant, **judgement, "layers": list(self.judgement.layers),
                "source_sha256": self.source_sha256, "tests_sha256": self.tests_sha256}

    @staticmethod
    def of(data: dict[str, Any]) -> "Record":
        """Return what :meth:`data` was made of."""
        mutant = Mutant(**{name: data[name] for name in Mutant.__dataclass_fields__})
        judgement = Judgement(Verdict(data["verdict"]), data["test"], tuple(data["layers"]),
                              data["seconds"])
        return Record(mutant, judgement, data["source_sha256"], data["tests_sha256"])


class Kept:
    """Judgements of earlier runs, in a file that grows.

    A judgement counts as long as the file of the mutant is the same; that nothing has caught a
    mutant counts also only for the same tests, all layers of them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[str, Record] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                record = Record.of(json.loads(line))
                self._records[record.mutant.key] = record

    def find(self, mutant: Mutant, source: str, tests: str,
             layers: tuple[str, ...]) -> Record | None:
        """Return what is known of a mutant, if it still holds."""
        record = self._records.get(mutant.key)
        if record is None or record.source_sha256 != source:
            return None
        survived = record.judgement.verdict is Verdict.SURVIVED     # all tests are more than cheap
        if survived and (record.tests_sha256 != tests
                         or not set(layers) - {"quick"} <= set(record.judgement.layers)):
            return None
        return Record(mutant, record.judgement, source, record.tests_sha256)

    def add(self, record: Record) -> None:
        """Keep a judgement."""
        self._records[record.mutant.key] = record
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record.data()) + "\n")


def explanations(path: Path) -> dict[str, str]:
    """Return why mutants survive, by their keys.

    Raises
    ------
    ValueError
        If the file has another form.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for entry in table.get("survivor", []):
        if set(entry) != {"key", "change", "why"}:
            raise ValueError(f"{path.name}: a survivor has key, change and why, was {entry}")
        if entry["key"] in found:
            raise ValueError(f"{path.name}: {entry['key']} stands there twice")
        found[entry["key"]] = " ".join(entry["why"].split())
    return found


def report(records: Iterable[Record], explained: dict[str, str], command: str, seed: int,
           layers: tuple[str, ...]) -> dict[str, Any]:
    """Return a recorded run."""
    kept = list(records)
    counts = Counter(record.judgement.verdict for record in kept)
    rows: list[dict[str, Any]] = []
    for record in sorted(kept, key=lambda record: (record.mutant.path, record.mutant.start)):
        row = record.data()
        for name in ("start", "end", "seconds", "layers"):
            del row[name]
        if record.judgement.verdict is Verdict.SURVIVED:
            row["why"] = explained.get(record.mutant.key)
        rows.append(row)
    return {
        "schema_version": SCHEMA_VERSION, **identity(command, tools=("amaranth", "pytest")),
        "seed": seed, "layers": list(layers),
        "counts": {verdict.value: counts[verdict] for verdict in Verdict}, "mutants": rows,
    }


def page(run: dict[str, Any]) -> str:
    """Return docs/mutants.md for a recorded run."""
    counts = run["counts"]
    caught = counts["caught"] + counts["timed out"]
    judged = caught + counts["survived"]
    lines = [
        "# Mutants", "",
        "<!-- generated from docs/mutants.json by `python -m tests.mutants --page`, "
        "do not edit -->", "",
        "`make mutants` changes one place of `hdl/feed`, `hdl/book` or `hdl/order` at a time and "
        "lets the", "tests of that block run, the cheapest first; a change that nothing notices is "
        "a hole in the tests,", "or needs a reason in `tests/mutants/explained.toml`. "
        "[testing](testing.md#mutants) says how.", "",
        f"The run below: `{run['command']}`, commit `{run['commit'][:12]}`, layers "
        f"{' and '.join(run['layers'])}.", "",
        f"**{judged} mutants: {caught} caught ({counts['timed out']} of them by a test that no "
        f"longer ended), {counts['survived']} survived and are explained.** A further "
        f"{counts['unchanged']} gave the same RTLIL as the original and {counts['stillborn']} "
        "could not be elaborated; they are not counted.", "",
        "## By file", "",
        "| File | Mutants | Caught | Survived |", "| --- | --- | --- | --- |",
    ]
    judged_rows = [row for row in run["mutants"] if row["verdict"] in (
        "caught", "timed out", "survived")]
    lines += _table(judged_rows, "path", "`{}`")
    lines += ["", "## By operator", "",
              "| Operator | Does | Mutants | Caught | Survived |",
              "| --- | --- | --- | --- | --- |"]
    lines += _table(judged_rows, "operator", "{} | {}", OPERATORS)
    lines += ["", "## By test", "", "| Test that caught | Mutants |", "| --- | --- |"]
    by_test = Counter(row["test"].split("[")[0].removeprefix("tests/")
                      for row in judged_rows if row["test"])
    lines += [f"| `{test}` | {count} |" for test, count in
              sorted(by_test.items(), key=lambda entry: (-entry[1], entry[0]))]
    lines += ["", "## Survivors", ""]
    for row in judged_rows:
        if row["verdict"] == "survived":
            lines += [f"- `{row['path']}:{row['line']}`, {row['operator']}: "
                      f"`{_short(row['before'])}` becomes `{_short(row['after'])}`. "
                      f"{row['why'] or '**Not explained.**'}"]
    lines += ["", "## All", "", "| Place | Change | Caught by |", "| --- | --- | --- |"]
    for row in judged_rows:
        by = row["test"].rpartition("::")[2] if row["test"] else "survived, see above"
        late = " (no longer ends)" if row["verdict"] == "timed out" else ""
        lines.append(f"| `{row['path'].removeprefix('hdl/')}:{row['line']}` | {row['operator']}: "
                     f"{_cell(row['before'])} becomes {_cell(row['after'])} | "
                     f"{_escape(by)}{late} |")
    return "\n".join(lines) + "\n"


def _table(rows: list[dict[str, Any]], name: str, form: str,
           more: dict[str, str] | None = None) -> list[str]:
    total: Counter[str] = Counter(row[name] for row in rows)
    lived: Counter[str] = Counter(row[name] for row in rows if row["verdict"] == "survived")
    return [f"| {form.format(key, (more or {}).get(key, ''))} | {total[key]} | "
            f"{total[key] - lived[key]} | {lived[key]} |" for key in sorted(total)]


def _short(text: str, most: int = 60) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[:most - 3]}..."


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _cell(text: str) -> str:
    return f"`{_short(text)}`".replace("|", "\\|")
