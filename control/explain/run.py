"""A recorded run with its market and settings, and how to find in it what is asked for."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from control.broker import DecodedEvent
from control.errors import ControlError, Reason
from control.explain.features import Vector, Vectors
from control.explain.history import History, LineFrame, load_history
from control.explain.market import FeedMessage, Market
from control.explain.settings import SettingsInForce, settings_at
from control.models import LinearModel, ModelError, load_model
from proto.events import NO_SYMBOL, EventKind, OrderFlag
from proto.features import FEATURES
from proto.recording import FILE_NAME

__all__ = ["Run", "open_run"]

_SENT, _REFUSED, _ANSWER, _TOP = (kind.name.lower() for kind in (
    EventKind.ORDER_SENT, EventKind.ORDER_REFUSED, EventKind.VENUE_ANSWER, EventKind.TOP_OF_BOOK))
_MODEL_FILE = "model.json"


@dataclass
class Run:
    """A recorded run.

    Attributes
    ----------
    folder : Path
        Where its files are.
    history : History
        What went in and came out.
    model : LinearModel or None
        The model file beside it, if there is one.
    """

    folder: Path
    history: History
    model: LinearModel | None = None
    _settings: dict[int, SettingsInForce] = field(default_factory=dict[int, SettingsInForce])

    @cached_property
    def market(self) -> Market:
        """Its market data."""
        return Market(self.history.feed, self.history.records)

    @cached_property
    def vectors(self) -> Vectors:
        """What the model saw."""
        return Vectors(self.history.records)

    def settings(self, cycle: int) -> SettingsInForce:
        """Return the settings in force in a cycle."""
        writes = sum(write.cycle <= cycle for write in self.history.writes)
        if writes not in self._settings:
            self._settings[writes] = settings_at(self.history.writes, cycle,
                                                 self.history.head.symbols)
        return self._settings[writes]

    # Orders and refusals.

    def sent(self) -> list[DecodedEvent]:
        """Return the records of orders to enter that were sent."""
        return [event for event in self.history.of_kind(_SENT)
                if not event.fields["flags"] & OrderFlag.CANCEL]

    def refusals(self) -> list[DecodedEvent]:
        """Return the records of refusals."""
        return self.history.of_kind(_REFUSED)

    def order(self, token: str) -> DecodedEvent:
        """Return the record of an order, given its UserRefNum or its ClOrdID.

        Raises
        ------
        ControlError
            NOT_RECORDED if there is none.
        """
        orders = self.sent()
        try:
            number = int(token, 0)
        except ValueError:
            found = [event for event in orders
                     if (frame := self.frame_of(event)) is not None and token.encode() in
                     frame.content]
        else:
            found = [event for event in orders if event.fields["user_ref_num"] == number]
        if found:
            return found[-1]
        numbers = [event.fields["user_ref_num"] for event in orders]
        there = f"there are {min(numbers)} to {max(numbers)}" if numbers else "there is none"
        raise ControlError(Reason.NOT_RECORDED, f"no order {token} was sent in this run: {there}; "
                                                f"`tickwire explain` lists them")

    def refusal(self, token: str) -> DecodedEvent:
        """Return the record of a refusal, given its event_sequence, or ``last``.

        Raises
        ------
        ControlError
            NOT_RECORDED if there is none.
        """
        refusals = self.refusals()
        if token == "last" and refusals:
            return refusals[-1]
        for event in refusals:
            if str(event.fields["event_sequence"]) == token:
                return event
        numbers = [str(event.fields["event_sequence"]) for event in refusals]
        few = f"there are {', '.join(numbers[:4])}" + (" ..." if len(numbers) > 4 else "")
        raise ControlError(Reason.NOT_RECORDED, f"no refusal has event sequence {token}: "
                                                f"{few if numbers else 'there is none'}; "
                                                f"`tickwire explain` lists them")

    def message(self, sequence: int) -> FeedMessage:
        """Return a message of the feed.

        Raises
        ------
        ControlError
            NOT_RECORDED if there is none.
        """
        messages = self.market.messages
        if sequence not in messages:
            there = f"{min(messages)} to {max(messages)}" if messages else "none"
            raise ControlError(Reason.NOT_RECORDED, f"message {sequence} is not in this run, "
                                                    f"which has {there}")
        return messages[sequence]

    def cancels(self, number: int) -> list[DecodedEvent]:
        """Return the records of the cancels of an order."""
        return [event for event in self.history.of_kind(_SENT)
                if event.fields["flags"] & OrderFlag.CANCEL
                and event.fields["user_ref_num"] == number]

    def answers(self, number: int) -> list[DecodedEvent]:
        """Return what the venue said about an order."""
        return [event for event in self.history.of_kind(_ANSWER)
                if event.fields["user_ref_num"] == number]

    def frame_of(self, sent: DecodedEvent) -> LineFrame | None:
        """Return the frame of a record of an order that was sent."""
        cycle = sent.fields["cycle"]
        return next((frame for frame in self.history.orders if frame.cycle == cycle), None)

    # What caused them.

    def trigger(self, event: DecodedEvent) -> FeedMessage | None:
        """Return the message that caused an order or a refusal, None if none did.

        A record of a refusal has only the frame. Of several messages in it, the one whose score is
        that of the record is taken, else the last one of the symbol.
        """
        fields = event.fields
        if fields.get("feed_sequence"):
            return self.market.messages.get(fields["feed_sequence"])
        if not fields["ingress_cycle"]:
            return None
        market, wanted = self.market, fields["symbol_index"]
        found = [(index, message) for message in market.began_at(fields["ingress_cycle"])
                 if message.changes_book and (index := market.symbol_of(message.locate)) is not None
                 and wanted in (index, NO_SYMBOL)]
        for index, message in found:
            if len(found) > 1 and self.score(index, message)[1] == event.fields["score"]:
                return message
        return found[-1][1] if found else None

    def symbol_index(self, event: DecodedEvent) -> int:
        """Return the number of the book of an order or refusal, of several that of the last one.

        It is ``NO_SYMBOL`` if that is not known.
        """
        fields = event.fields
        if fields["symbol_index"] != NO_SYMBOL:
            return fields["symbol_index"]
        if (message := self.trigger(event)) is not None:
            index = self.market.symbol_of(message.locate)
            return NO_SYMBOL if index is None else index
        tops = self._tops(event)
        return tops[-1].fields["symbol_index"] if tops else NO_SYMBOL

    def _tops(self, event: DecodedEvent) -> list[DecodedEvent]:
        """Return the records of best prices that the frame of an order or refusal has made."""
        fields = event.fields
        return [top for top in self.history.of_kind(_TOP) if fields["ingress_cycle"]
                and top.fields["ingress_cycle"] == fields["ingress_cycle"]
                and fields["symbol_index"] in (top.fields["symbol_index"], NO_SYMBOL)]

    def cause(self, event: DecodedEvent) -> int:
        """Return the sequence number of the message that caused an order or a refusal.

        It may be known although the message is not; 0 if nothing is known, or none did.
        """
        if (message := self.trigger(event)) is not None:
            return message.sequence
        if event.fields.get("feed_sequence"):
            return event.fields["feed_sequence"]
        tops = self._tops(event)
        return tops[-1].fields["feed_sequence"] if tops else 0

    def score(self, symbol_index: int, message: FeedMessage) -> tuple[Vector | None, int | None]:
        """Return the vector of a symbol after a message, and its score; None without one.

        The score is computed again, with the weights in force, from what was recorded.
        """
        vector = self.vectors.at(symbol_index, message.sequence)
        model = self.settings(message.last_cycle).model(len(FEATURES))
        if vector is None or not vector.usable or model is None:
            return vector, None
        weights, bias = model
        total = bias + sum(weight * value for weight, value in
                           zip(weights, vector.features, strict=True))
        return vector, max(-2**31, min(2**31 - 1, total))

    def top_record(self, symbol_index: int, sequence: int) -> DecodedEvent | None:
        """Return the record of the best bid and offer that a message changed."""
        return next((event for event in self.history.of_kind(_TOP)
                     if event.fields["feed_sequence"] == sequence
                     and event.fields["symbol_index"] == symbol_index), None)


def open_run(path: Path) -> Run:
    """Open a recorded run: its folder, or the recording itself.

    Raises
    ------
    ControlError
        NO_RECORDING.
    """
    folder, file = (path, path / FILE_NAME) if path.is_dir() else (path.parent, path)
    run = Run(folder, load_history(file))
    model = folder / _MODEL_FILE
    if model.exists():
        try:
            run.model = load_model(model)
        except (ModelError, OSError):
            run.model = None    # only its name and its unit would come from there
    return run
