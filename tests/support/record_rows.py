"""Event records as the hardware passes them on, four rows each."""

from collections.abc import Sequence

__all__ = ["records_of", "rows_of"]

_ROW_BITS = 128
_ROWS = 4


def rows_of(record: int) -> list[dict]:
    """Return the rows of a record, whose byte 0 is in the lowest bits, as stream payloads."""
    return [{"data": record >> _ROW_BITS * number & (1 << _ROW_BITS) - 1,
             "last": number == _ROWS - 1} for number in range(_ROWS)]


def records_of(rows: Sequence) -> list[tuple[int, int]]:
    """Return (cycle of the first row, record) of rows as `collect` lists them; all are whole."""
    assert len(rows) % _ROWS == 0
    assert all(row.last == (number % _ROWS == _ROWS - 1) for number, (_, row) in enumerate(rows))
    return [(rows[at][0], sum(row.data << _ROW_BITS * number
                              for number, (_, row) in enumerate(rows[at:at + _ROWS])))
            for at in range(0, len(rows), _ROWS)]
