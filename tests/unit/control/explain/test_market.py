"""The touch of a symbol at a message: state changes that no record of a touch has told."""

from control.broker import DecodedEvent
from control.explain.history import LineFrame
from control.explain.market import Market
from proto.events import BookState
from proto.wire.itch50 import EventCode, TradingState
from sim.exchange.itch_feed import encode_event
from sim.exchange.orders import StateChanged, SystemTold
from sim.framing import FeedAddress
from tests.support.recorded import feed_frame, top_record


def market(state, *events):
    """Return a market of locate 7, index 2, whose only touch is that of message 1."""
    messages = [encode_event(SystemTold(0, EventCode.START_OF_MESSAGES), 0),
                *(encode_event(event, locate) for event, locate in events)]
    frames = [LineFrame(800 * number, feed_frame(FeedAddress(), number, [message]))
              for number, message in enumerate(messages, start=1)]
    record = top_record(symbol_index=2, locate=7,
                        feed_sequence=1, bid_price=100, bid_count=1, ask_price=200, ask_count=1,
                        state=int(state))
    return Market(frames, [DecodedEvent("top_of_book", record, b"")])


def halt(state, locate=7):
    return StateChanged(1, "AAPL", state), locate


def test_a_halt_and_its_end_change_the_state_without_a_record():
    found = market(0, halt(TradingState.HALTED), halt(TradingState.QUOTATION_ONLY),
                   halt(TradingState.TRADING))
    states = [found.touch(2, sequence).state for sequence in (1, 2, 3, 4)]
    assert states == [0, BookState.HALTED, BookState.HALTED, 0]
    assert all(found.touch(2, sequence).mid_e4 == 150 for sequence in (1, 2, 3, 4))


def test_a_halt_of_another_symbol_changes_nothing():
    assert market(0, halt(TradingState.HALTED, locate=8)).touch(2, 9).state == 0


def test_market_hours_open_and_end():
    found = market(BookState.CLOSED | BookState.SHORT_RESTRICTED,
                   (SystemTold(1, EventCode.START_OF_MARKET_HOURS), 0),
                   (SystemTold(2, EventCode.END_OF_MARKET_HOURS), 0))
    closed = BookState.CLOSED | BookState.SHORT_RESTRICTED
    assert [found.touch(2, sequence).state for sequence in (1, 2, 3)] == [
        closed, BookState.SHORT_RESTRICTED, closed]


def test_before_the_first_record_there_is_no_touch():
    assert market(0).touch(2, 0) is None and market(0).touch(3, 5) is None
