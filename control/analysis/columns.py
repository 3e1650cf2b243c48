"""Columns of a table of records as NumPy arrays."""
# The stubs of pyarrow leave type arguments open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from proto.events import NO_SYMBOL

__all__ = ["Ints", "column", "symbols_of"]

Ints = NDArray[np.int64]


def column(table: pa.Table, name: str) -> Ints:
    """Return a column of integers; unsigned ones of 64 bits are taken to be below 2**63."""
    return table[name].to_numpy().astype(np.int64)


def symbols_of(table: pa.Table) -> list[str]:
    """Return the symbol of each record: its name, else the number of its book, empty for none."""
    names = cast(Sequence[str | None], table["symbol"].to_pylist())
    return [name if name is not None else "" if index == NO_SYMBOL else str(index)
            for name, index in zip(names, column(table, "symbol_index").tolist(), strict=True)]
