"""Reads tests/vectors: bytes from outside, with their origin and what they mean."""

import json
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "vectors"


def vectors(name: str) -> list[Any]:
    """Return the vectors of tests/vectors/`name`.json as test parameters."""
    rows = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for row in rows:
        assert row["origin"], row
        row["bytes"] = bytes.fromhex(row["hex"])
    return [pytest.param(row, id=f"{number}-{row['message']}") for number, row in enumerate(rows)]
