"""The life of every order in a recording: what caused it, when it left, what became of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from control.analysis.columns import Ints, column, symbols_of
from control.analysis.quotes import FeedClock
from control.errors import ControlError, Reason
from control.orders import LoggedOrder, OrderLog
from proto.events import AnswerCode, EventKind, OrderFlag

__all__ = ["Fill", "MessageTimes", "OrderLife", "Orders", "order_lives"]

_SENT = EventKind.ORDER_SENT.name.lower()
_ANSWER = EventKind.VENUE_ANSWER.name.lower()


@dataclass(frozen=True, kw_only=True)
class Fill:
    """An execution.

    Attributes
    ----------
    user_ref_num : int
        The order.
    symbol : str
        Name of the symbol.
    sell : bool
        Its side.
    quantity : int
        Shares.
    price_e4 : int
        1e-4 USD.
    venue_ns : int
        The venue's time, ns since midnight.
    session_sequence : int
        Of the venue's answer: no other execution has it.
    """

    user_ref_num: int
    symbol: str
    sell: bool
    quantity: int
    price_e4: int
    venue_ns: int
    session_sequence: int

    @property
    def signed_quantity(self) -> int:
        """Shares bought, negative for a sale."""
        return -self.quantity if self.sell else self.quantity


@dataclass(kw_only=True)
class OrderLife:
    """An order, from what caused it to its end.

    Attributes
    ----------
    symbol : str
        Name of the symbol.
    sent : mapping of str to int
        The record of its frame.
    logged : LoggedOrder
        What has become of it, as the order log has it.
    sent_ns : int
        The exchange's time when its frame began, ns since midnight: that of the message that
        caused it and the cycles since, else as :class:`FeedClock` tells it.
    trigger_ns : int or None
        Time of the message that caused it, None if that is not known: it changed no best bid or
        offer, and so has no record.
    accepted_ns, ended_ns : int or None
        The venue's times of the acceptance, and of what left no share open.
    cancel_sent_ns : int or None
        The exchange's time when its first cancel began, as :class:`FeedClock` tells it.
    fills : list of Fill
        Executions, in order.
    """

    symbol: str
    sent: Mapping[str, int]
    logged: LoggedOrder
    sent_ns: int
    trigger_ns: int | None = None
    accepted_ns: int | None = None
    ended_ns: int | None = None
    cancel_sent_ns: int | None = None
    fills: list[Fill] = field(default_factory=list[Fill])

    @property
    def score(self) -> int:
        """The score that made it."""
        return self.sent["score"]


@dataclass(frozen=True)
class Orders:
    """All orders of a recording.

    Attributes
    ----------
    lives : list of OrderLife
        In the order in which they were sent.
    log : OrderLog
        What the order log of a control plane would say at the end.
    cancels : int
        Cancels sent.
    broken : int
        Executions that the venue has undone; like the appliance we leave them in the position.
    """

    lives: list[OrderLife]
    log: OrderLog
    cancels: int
    broken: int

    @property
    def fills(self) -> list[Fill]:
        """Every execution, by the venue's time."""
        return sorted((fill for life in self.lives for fill in life.fills),
                      key=lambda fill: (fill.venue_ns, fill.session_sequence))


#: By symbol: sequence numbers of messages, and their times.
MessageTimes = Mapping[str, Sequence[tuple[Ints, Ints]]]


def order_lives(sent: pa.Table, answers: pa.Table, messages: MessageTimes,
                clock: FeedClock) -> Orders:
    """Return every order of a recording.

    Parameters
    ----------
    sent, answers : Table
        Records of orders and cancels sent, and of the venue's answers.
    messages : mapping of str to sequence of pairs of Ints
        By symbol, sequence numbers of messages and their times, ns since midnight.
    clock : FeedClock
        Tells the exchange's time.

    Raises
    ------
    ControlError
        INVALID_RECORDING if the appliance was reset in between.
    """
    triggers = _triggers(sent, messages)
    log = OrderLog()
    lives: list[OrderLife] = []
    current: dict[int, OrderLife] = {}
    cancels = broken = 0
    for kind, symbol, sent_ns, fields in _in_order(sent, answers, clock):
        number = fields["user_ref_num"]
        log.take(kind, fields)
        if kind == _SENT and fields["flags"] & OrderFlag.CANCEL:
            cancels += 1
            if number in current and current[number].cancel_sent_ns is None:
                current[number].cancel_sent_ns = sent_ns
        elif kind == _SENT:
            trigger_ns = triggers.get((symbol, fields["feed_sequence"]))
            if trigger_ns is not None:
                since = np.array([fields["cycle"] - fields["ingress_cycle"]], np.int64)
                sent_ns = trigger_ns + int(clock.duration_ns(since)[0])
            current[number] = OrderLife(symbol=symbol, sent=fields, logged=log.orders[number],
                                        sent_ns=sent_ns, trigger_ns=trigger_ns)
            lives.append(current[number])
        elif number in current:
            broken += fields["answer"] == AnswerCode.BROKEN
            _answer(current[number], fields)
    return Orders(lives, log, cancels, broken)


def _triggers(sent: pa.Table, messages: MessageTimes) -> dict[tuple[str, int], int]:
    """Return the times of the messages that caused orders, by symbol and sequence number."""
    wanted = np.unique(column(sent, "feed_sequence"))
    found: dict[tuple[str, int], int] = {}
    for symbol, pairs in messages.items():
        for sequences, times in pairs:
            rows = np.flatnonzero(np.isin(sequences, wanted))
            found.update(((symbol, sequence), ts_ns) for sequence, ts_ns in zip(
                sequences[rows].tolist(), times[rows].tolist(), strict=True))
    return found


def _answer(life: OrderLife, fields: Mapping[str, int]) -> None:
    venue_ns = fields["venue_ns"]
    if fields["answer"] == AnswerCode.ACCEPTED:
        life.accepted_ns = venue_ns
    elif fields["answer"] == AnswerCode.EXECUTED:
        life.fills.append(Fill(
            user_ref_num=fields["user_ref_num"], symbol=life.symbol, sell=life.logged.sell,
            quantity=fields["quantity"], price_e4=fields["price"], venue_ns=venue_ns,
            session_sequence=fields["session_sequence"]))
    if not life.logged.open_quantity and life.ended_ns is None:
        life.ended_ns = venue_ns


def _in_order(sent: pa.Table, answers: pa.Table, clock: FeedClock
              ) -> Iterator[tuple[str, str, int, dict[str, int]]]:
    """Return kind, symbol, the exchange's time and fields of records as they were made."""
    merged: list[tuple[int, str, str, int, dict[str, int]]] = []
    for kind, table in ((_SENT, sent), (_ANSWER, answers)):
        sequences = column(table, "event_sequence")
        if np.any(np.diff(sequences) <= 0):
            raise ControlError(Reason.INVALID_RECORDING, f"event_sequence of {kind} must go up, "
                               f"and goes back: the appliance was reset during the recording")
        symbols = symbols_of(table)
        times = clock.ns_of(column(table, "cycle")).tolist()
        rows: list[dict[str, Any]] = table.drop_columns(["symbol"]).to_pylist()
        merged += [(sequence, kind, symbol, ns, row) for sequence, symbol, ns, row in
                   zip(sequences.tolist(), symbols, times, rows, strict=True)]
    merged.sort(key=lambda record: record[0])
    for _, kind, symbol, ns, row in merged:
        yield kind, symbol, ns, row
