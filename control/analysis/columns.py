"""Columns of a table of records as NumPy arrays."""
# The stubs of pyarrow leave type arguments open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from proto.events import NO_SYMBOL

__all__ = ["Ints", "column", "symbol_codes", "symbols_of"]

Ints = NDArray[np.int64]


def column(table: pa.Table, name: str) -> Ints:
    """Return a column of integers; unsigned ones of 64 bits are taken to be below 2**63."""
    return table[name].to_numpy().astype(np.int64)


def symbols_of(table: pa.Table) -> list[str]:
    """Return the symbol of each record: its name, else the number of its book, empty for none."""
    codes, names = symbol_codes(table)
    return [names[code] for code in codes.tolist()]


def symbol_codes(table: pa.Table) -> tuple[Ints, list[str]]:
    """Return the symbol of each record as a number, and the names of the numbers.

    Names are as in :func:`symbols_of`; two numbers may have the same.
    """
    if not table.num_rows:
        return np.zeros(0, np.int64), []
    column_of: Any = table["symbol"].combine_chunks()
    names = cast(list[str], column_of.dictionary.to_pylist())
    codes = cast(Ints, column_of.indices.fill_null(-1).to_numpy().astype(np.int64))
    nameless = codes < 0
    indexes = column(table, "symbol_index")
    for index in np.unique(indexes[nameless]).tolist():
        codes[nameless & (indexes == index)] = len(names)
        names.append("" if index == NO_SYMBOL else str(index))
    return codes, names
