"""Fuzz of the order port while the appliance trades: what leaves, and what the venue has seen.

A venue answers; between its segments come damaged copies of them, garbage and requests that nobody
asked for, at all three ports. Half-way the appliance is killed.
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from proto.wire import ethernet
from sim.appliance import Appliance, SymbolSettings
from sim.bench.counterparty import Counterparty
from sim.bench.flow import OrderFlow, directory
from sim.bench.latency import symbols_of
from sim.errors import SimulationError
from sim.framing import FeedAddress, frame_messages
from sim.fuzz.feed_round import send
from sim.fuzz.frames import changed, garbage, with_fcs
from sim.library import Line
from sim.order_entry import LimitSettings, StrategySettings, arm, configure_risk, load_linear_model

__all__ = ["TradingRound"]

_TICK = 100
_STEP_CYCLES = 384
_FRAMES_A_STEP = 3
_WEIGHTS = {"spread": -2, "mid_move": 3, "imbalance_top1": 16, "order_flow_imbalance": 1}
_THRESHOLD = 4096
_SETTLE_STEPS = 40
_KILL = 4
#: What the addresses and the port of an IPv4 frame begin with; a copy is changed behind that.
_ADDRESSES = ethernet.MAC.size


class _Overheard(Appliance):
    """An appliance whose order port's frames are remembered."""

    heard: list[bytes]

    def send_frames(self, frames: Sequence[bytes], line: Line = Line.FEED_A, **how: Any) -> None:
        """Queue frames."""
        super().send_frames(frames, line, **how)
        if line is Line.ORDER and not how:
            self.heard = [*self.heard, *frames][-16:]


class TradingRound:
    """An appliance that trades with a venue while its ports are abused.

    Parameters
    ----------
    profile : str
        Sizes.
    seed : int
        Of everything.
    cut_through : bool
        Messages act before the FCS has been seen.

    Attributes
    ----------
    kinds : Counter of str
        Frames sent, by what they were.
    orders : int
        Orders that left.
    """

    def __init__(self, profile: str, seed: int, *, cut_through: bool) -> None:
        self.kinds: Counter[str] = Counter()
        self.orders = 0
        self._profile, self._seed, self._cut_through = profile, seed, cut_through
        self._rng = random.Random(seed)
        self._wrong: list[str] = []
        self._address = FeedAddress()
        self._sequence = 1

    def run(self, frames: int) -> list[str]:
        """Send about so many frames; return what is wrong, in words."""
        with _Overheard(self._profile) as appliance:
            appliance.heard = []
            symbols = symbols_of(appliance.symbols)
            flow = OrderFlow(symbols, seed=self._rng.getrandbits(32))
            venue = Counterparty(appliance, seed=self._seed)
            try:
                appliance.watch([SymbolSettings(symbol.name, symbol.locate, _TICK)
                                 for symbol in symbols])
                appliance.write("control.fcs_mode", int(self._cut_through))
                appliance.configure_feed(self._address)
                self._publish(appliance, directory(symbols))
                self._set_up(appliance, len(symbols))
                venue.connect()
                self._trade(appliance, venue, flow, frames)
                self._judge(appliance, venue)
            except SimulationError as error:
                self._wrong.append(str(error))
        return self._wrong

    @staticmethod
    def _set_up(appliance: Appliance, symbols: int) -> None:
        load_linear_model(appliance, _WEIGHTS, 0, epoch=1)
        configure_risk(
            appliance, [LimitSettings(maximum_open_orders=20)] * symbols,
            [StrategySettings(buy_threshold=_THRESHOLD, sell_threshold=_THRESHOLD, near=n % 2,
                              cancel_buy_threshold=0, cancel_sell_threshold=0,
                              time_in_force=int(n % 3 == 0)) for n in range(symbols)])

    def _trade(self, appliance: _Overheard, venue: Counterparty, flow: OrderFlow,
               frames: int) -> None:
        """Trade unarmed for a tenth of the frames, armed up to the half, killed to the end."""
        entered: dict[str, int] = {}
        for end, name in ((frames // 10, "disarmed"), (frames // 2, "armed"), (frames, "killed")):
            if name == "armed":
                self._expect("armed when asked to", int(arm(appliance)), 1)
            elif name == "killed":
                appliance.write("risk.command", _KILL)
            before = appliance.counters()["order.enters"]
            while self.kinds.total() < end:
                self._publish(appliance, flow.messages(self._rng.randint(1, _FRAMES_A_STEP)))
                self._abuse(appliance)
                venue.step(_STEP_CYCLES)
            entered[name] = appliance.counters()["order.enters"] - before
        for _ in range(_SETTLE_STEPS):
            venue.step(_STEP_CYCLES)
        self._expect("orders while it was disarmed", entered["disarmed"], 0)
        self._expect("orders while it was killed", entered["killed"], 0)
        if not entered["armed"]:
            self._wrong.append("no order left while it was armed")
        self.orders = entered["armed"]

    def _publish(self, appliance: Appliance, messages: Sequence[bytes]) -> None:
        for made in frame_messages(messages, self._address, first_sequence=self._sequence,
                                   packed=False):
            self._sequence += made.count
            self.kinds["feed"] += 1
            appliance.send_frames([made.frame])
            # Cut through, damage would act before it is seen, and end the trading.
            if not self._cut_through and self._rng.random() < 0.2:
                self.kinds["feed, damaged"] += 1
                send(appliance, [changed(made.frame, self._rng)], Line.FEED_A)

    def _abuse(self, appliance: _Overheard) -> None:
        rng = self._rng
        if appliance.heard and rng.random() < 0.7:
            self.kinds["order port, damaged"] += 1
            frame = rng.choice(appliance.heard).ljust(60, b"\0")
            at = rng.randrange(_ADDRESSES, len(frame))
            send(appliance, [with_fcs(frame[:at] + bytes([frame[at] ^ rng.randint(1, 255)])
                                      + frame[at + 1:])], Line.ORDER)
        for line in (Line.ORDER, Line.MANAGEMENT, Line.FEED_A):
            if rng.random() < 0.4:
                self.kinds[f"{line.name.lower()}, garbage"] += 1
                send(appliance, [garbage(rng)], line)

    def _judge(self, appliance: Appliance, venue: Counterparty) -> None:
        counters = appliance.counters()
        self._expect("orders at the venue", len(venue.entered), counters["order.enters"])
        for name in ("events.lost", "order_net.underrun", "soup.protocol_error", "ouch.malformed",
                     "ouch.unknown", "mold.gaps"):
            self._expect(name, counters[name], 0)
        self._expect("risk.state, killed", appliance.read("risk.state", "killed"), 1)
        self._expect("risk.state, session_up", appliance.read("risk.state", "session_up"), 1)

    def _expect(self, what: str, found: int, wanted: int) -> None:
        if found != wanted:
            self._wrong.append(f"{what}: {found}, should be {wanted}")
