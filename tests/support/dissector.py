"""Messages as the Open Markets Initiative dissector decoded them: tables of ``.fields.psv``."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from proto.wire import itch50
from proto.wire.message import Field, Message, Value

__all__ = ["DissectedFrame", "dissected", "expected_fields"]

#: Columns that are not named as the field in the specification without its underscores.
_COLUMNS = {
    ("order_cancel", "cancelled_shares"): "canceledshares",
    ("cross_trade", "shares"): "crossshares",
    ("reg_sho_restriction", "stock_locate"): "locatecode",
}

#: Decimals of a price, by its unit.
_SCALES = {"1e-4 USD": 10**4, "1e-8 index points": 10**8}

_MULTIPLE = ","


@dataclass
class DissectedFrame:
    """One row: a frame with one message or several.

    Attributes
    ----------
    file : str
        Capture; empty if the table is of one.
    number : int
        Number of the frame in it, from 1 on.
    columns : dict of str to str
        The row.
    """

    file: str
    number: int
    columns: dict[str, str]
    _taken: Counter[str] = field(default_factory=Counter[str])

    def messages(self) -> Iterator[tuple[int, Message, dict[str, Value]]]:
        """Yield sequence number, type and fields of each message."""
        self._taken.clear()
        types = self.columns["messagetype"].split(_MULTIPLE)
        for place, kind in enumerate(types):
            message = itch50.MESSAGES[ord(kind)]
            assert int(self.take("messagelength")) == message.size
            assert int(self.take("messageindex")) == place + 1
            yield (int(self.columns["sequencenumber"]) + place, message,
                   expected_fields(message, self.take))

    def take(self, column: str) -> str:
        """Return the next value of a column: only messages that have the field have one."""
        text = self.columns[column]
        if self.columns["messagecount"] in ("", "1"):
            return text
        place = self._taken[column]
        self._taken[column] += 1
        return text.split(_MULTIPLE)[place]

    def all_taken(self) -> bool:
        """Return whether no value of a field was left over."""
        return all(self.columns[column].count(_MULTIPLE) + 1 == taken
                   for column, taken in self._taken.items())


def expected_fields(message: Message, value_of) -> dict[str, Value]:
    """Return the fields of a message, by the names of the specification, from columns."""
    return {entry.name: _value(entry, value_of(_COLUMNS.get((message.name, entry.name),
                                                            entry.name.replace("_", ""))))
            for entry in message if entry.name != "message_type"}


def _value(entry: Field, text: str) -> Value:
    if scale := _SCALES.get(entry.unit):
        number = Decimal(text) * scale
        assert number == int(number), f"{entry.name} must have at most {scale} parts, was {text}"
        return int(number)
    return int(text) if entry.kind.value == "unsigned" else text.rstrip(" ")


def dissected(path: Path) -> list[DissectedFrame]:
    """Return the rows of a table."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    columns = header.split("|")
    rows = (dict(zip(columns, line.split("|"), strict=True)) for line in lines)
    return [DissectedFrame(row.get("file", ""), int(row["frame.number"]), row) for row in rows]
