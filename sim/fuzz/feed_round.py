"""Fuzz of the feed port: what the counters and the books must be, frame by frame, from the models.

The appliance is not armed. The order port and the management port get garbage at the same time.
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from proto.management_registers import DEFAULT_ADDRESS, DEFAULT_MAC
from proto.wire import itch50, moldudp64
from proto.wire.management import UDP_PORT
from sim.appliance import Appliance, SymbolSettings
from sim.bench.comparison import Comparison
from sim.bench.flow import OrderFlow
from sim.bench.latency import symbols_of
from sim.framing import FeedAddress, frame_messages
from sim.fuzz.frames import (
    Mutated,
    changed,
    feed_datagram,
    garbage,
    management_frame,
    mold_packet,
    with_fcs,
)
from sim.golden.ethernet import receive
from sim.golden.feed import FeedModel
from sim.library import FrameFlag, Line
from sim.replay import COLUMNS

__all__ = ["FeedRound", "send"]

_TICK = 100
#: Part of a round in which nothing makes a book stale, though a stranger sends what he likes.
_SMOOTH = 0.8
_RESTING = 1000
_BATCH = 256
#: Of the frames at the feed port, in a hundred.
_VALID, _CHANGED, _GARBAGE, _PACKET = 45, 30, 12, 13
#: A frame at each of the other ports for so many at the feed port.
_OTHER_PORTS = 4
_MOLD = ("malformed", "foreign_session", "packets", "heartbeats", "end_of_session", "gaps",
         "gap_messages", "duplicates", "overlaps", "messages", "duplicate_messages")
_ITCH = ("unknown_type", "bad_length", "unwatched", "operations", "admin")
_MAC = ("good", "bad_fcs", "runt", "oversize", "error_char")
_IP = ("not_ipv4", "bad_header_checksum", "fragments", "options", "not_udp", "other_destination",
       "bad_length", "bad_udp_checksum")
#: Not written to by a fuzzed request: what it must not change.
_WATCHED = ("risk.message_interval", "control.fcs_mode", "control.strict", "feed.group_ip",
            "feed.udp_port", "session.local_port", "model.epoch")


def send(appliance: Appliance, frames: Iterable[Mutated], line: Line) -> None:
    """Queue frames as they are, FCS and error characters included."""
    for offset, group in groupby(frames, key=lambda item: item.error_offset):
        flags = FrameFlag.FCS_INCLUDED
        if offset is not None:
            flags |= FrameFlag.ERROR_CHARACTER
        appliance.send_frames([item.frame for item in group], line, flags=flags,
                              error_offset=offset or 0)


class FeedRound:
    """An appliance that is new, some thousand frames, and what must have come of them.

    In the last part of them there are packets of the session that break their own framing, and
    messages of a wrong length: what was in them cannot be known, so from then on no book may say
    that it is exact. Packets of other sessions, and of none, break theirs from the beginning, and
    that must be no book's concern.

    Parameters
    ----------
    profile : str
        Sizes.
    seed : int
        Of everything.
    cut_through : bool
        Messages act before the FCS has been seen. Frames that are then bad must leave no wrong
        row; which counters they move is left open.

    Attributes
    ----------
    kinds : Counter of str
        Frames sent, by what was done to them.
    rows : int
        Rows of the books that were compared and were right.
    """

    def __init__(self, profile: str, seed: int, *, cut_through: bool) -> None:
        self.kinds: Counter[str] = Counter()
        self.rows = 0
        self._profile, self._cut_through = profile, cut_through
        self._rng = random.Random(seed)
        self._address = FeedAddress()
        self._model = FeedModel(session=self._address.session.encode())
        self._mac: Counter[str] = Counter()
        self._ip: Counter[str] = Counter()
        self._comparison = Comparison()
        self._sequence = 1
        self._valid: list[bytes] = []
        self._wrong: list[str] = []
        self._rough = False

    def run(self, frames: int) -> list[str]:
        """Send so many frames to the feed port; return what is wrong, in words."""
        with Appliance(self._profile) as appliance:
            symbols = symbols_of(appliance.symbols)
            self._model.locates = {symbol.locate: n for n, symbol in enumerate(symbols)}
            self._flow = OrderFlow(symbols, seed=self._rng.getrandbits(32), resting=_RESTING)
            self._unwatched = len(symbols) + 1
            appliance.write("control.fcs_mode", int(self._cut_through))
            appliance.watch([SymbolSettings(symbol.name, symbol.locate, _TICK)
                             for symbol in symbols])
            appliance.configure_feed(self._address)
            settings = {name: appliance.read(name) for name in _WATCHED}
            # Holds the feed back while a window moves, so that no book is stale for that.
            appliance.simulation.set_paced(True)
            addresses = self._addresses(appliance)
            before = appliance.counters()
            for begin in range(0, frames, _BATCH):
                self._rough = begin >= _SMOOTH * frames
                self._batch(appliance, min(_BATCH, frames - begin), addresses)
            counters = {name: count - before[name]
                        for name, count in appliance.counters().items()}
            self._judge(appliance, counters)
            self._settings(appliance, settings)
            self._alive(appliance)
        return self._wrong

    def _addresses(self, appliance: Appliance) -> list[int]:
        return [appliance.map[name].address for name in (
            *_WATCHED, "risk.command", "risk.heartbeat", "session.enable", "feed.enable")]

    def _batch(self, appliance: Appliance, frames: int, addresses: Sequence[int]) -> None:
        sent = [frame for _ in range(frames) for frame in self._next()]
        send(appliance, sent, Line.FEED_A)
        rng = self._rng
        orders = [garbage(rng) if rng.random() < 0.5 else changed(rng.choice(self._valid), rng)
                  for _ in range(frames // _OTHER_PORTS)] if self._valid else []
        send(appliance, orders, Line.ORDER)
        requests = [management_frame(rng, destination_mac=DEFAULT_MAC, destination=DEFAULT_ADDRESS,
                                     port=UDP_PORT, addresses=addresses)
                    for _ in range(frames // _OTHER_PORTS)]
        send(appliance, [changed(frame, rng) if rng.random() < 0.3 else garbage(rng)
                         if rng.random() < 0.3 else with_fcs(frame) for frame in requests],
             Line.MANAGEMENT)
        self.kinds["order port"] += len(orders)
        self.kinds["management port"] += len(requests)
        matched, was_stale = self._comparison.matched, self._model.stale
        for item in sent:
            self._take(item)
        appliance.settle()
        events = appliance.events()
        columns = [events[name].tolist() for name in COLUMNS.values()]
        self._comparison.compare(list(zip(*columns, strict=True)), events["state"].tolist(),
                                 self._model.next_sequence - 1)
        self._exact_or_stale(matched, was_stale=was_stale)
        for line in (Line.ORDER, Line.MANAGEMENT):
            bad = sum(not frame.good for frame in appliance.simulation.received(line))
            if bad:
                self._wrong.append(f"{bad} bad frames left port {line.name}")

    def _take(self, item: Mutated) -> None:
        """Follow a frame in the models."""
        if item.error_offset is not None:
            self._mac["error_char"] += 1
            return
        fate = receive(item.frame, group_ip=self._address.group_ip,
                       udp_port=self._address.udp_port)
        if fate.reason in ("bad_fcs", "runt", "oversize"):
            self._mac[fate.reason] += 1
            return
        self._mac["good"] += 1
        if fate.reason != "frames_good":
            self._ip[fate.reason] += 1
            return
        known = len(self._model.messages)
        self._model.packet(fate.payload)
        self._comparison.expect([
            message.content if self._acts(message.content) else b"?"
            for message in self._model.messages[known:] if message.accept])

    def _acts(self, content: bytes) -> bool:
        table = itch50.MESSAGES.get(content[0]) if content else None
        return table is not None and table.size == len(content) and (
            int.from_bytes(content[1:3], "big") in self._model.locates)

    def _next(self) -> list[Mutated]:
        """Return the next frames: mostly one."""
        rng = self._rng
        kind, = rng.choices(("valid", "changed", "garbage", "packet"),
                            (_VALID, _CHANGED, _GARBAGE, _PACKET))
        if kind == "changed" and not self._valid:
            kind = "valid"
        self.kinds[kind] += 1
        if kind == "garbage":
            return [garbage(rng)]
        if kind == "packet":
            return [with_fcs(self._packet())]
        if kind == "changed":
            return [changed(rng.choice(self._valid), rng)]
        frame = self._fresh()
        if self._cut_through or rng.random() < 0.7:
            return [with_fcs(frame)]
        # Damaged on the way first, then whole.
        self.kinds["changed"] += 1
        return [changed(frame, rng), with_fcs(frame)]

    def _fresh(self) -> bytes:
        """Return the frame, without FCS, with the next messages of the session."""
        rng = self._rng
        messages = [self._message() for _ in range(rng.choice((1, 1, 1, 2, 3, 20)))]
        made = next(frame_messages(messages, self._address, first_sequence=self._sequence))
        self._sequence += made.count
        self._valid = [*self._valid[-15:], made.frame]
        return made.frame

    def _message(self) -> bytes:
        """Return a message: now and then one that concerns no book, or is none."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.88:
            return self._flow.next_message()
        if chance < 0.91:       # another symbol's
            return itch50.ORDER_DELETE.encode({
                "stock_locate": self._unwatched, "tracking_number": 0,
                "timestamp": rng.getrandbits(44),
                "order_reference_number": rng.getrandbits(64)})
        if chance < 0.94:       # of no type that there is
            kind = rng.choice([n for n in range(256) if n not in itch50.MESSAGES])
            return bytes([kind]) + rng.randbytes(rng.randint(0, 60))
        if chance < 0.97 and self._rough:       # of a wrong length
            kind, table = rng.choice(list(itch50.MESSAGES.items()))
            length = rng.choice([n for n in range(1, 64) if n != table.size])
            return bytes([kind]) + rng.randbytes(length - 1)
        kind = rng.choice([kind for kind in itch50.MESSAGES if kind not in b"AFECXDUSWRHhY"])
        return bytes([kind]) + rng.randbytes(itch50.MESSAGES[kind].size - 1)

    def _packet(self) -> bytes:
        """Return a packet that is no news: a heartbeat, an old or a foreign one, a broken one."""
        rng = self._rng
        session, sequence, most = self._address.session, rng.randint(1, self._sequence), 40
        kind = rng.choice(("heartbeat", "old", "foreign", "foreign", "short"))
        if kind == "heartbeat":
            return mold_packet(self._address, session, self._sequence, 0, b"")
        if kind == "short":
            header = moldudp64.HEADER.encode({
                "session": session, "sequence_number": sequence, "message_count": 1})
            return feed_datagram(self._address, header[:rng.randrange(len(header))])
        if kind == "foreign":
            session = "".join(rng.choices("ABCDEF0123456789", k=10))
        else:
            most = min(most, self._sequence - sequence)
        count = rng.randint(0, most)
        broken = (self._rough or kind == "foreign") and rng.random() < 0.7
        blocks = b""
        for _ in range(count + (rng.choice((-1, 0, 1)) if broken else 0)):
            length = rng.randint(0, 30)
            told = rng.getrandbits(16) if broken and rng.random() < 0.1 else length
            blocks += told.to_bytes(2, "big") + rng.randbytes(length)
        return mold_packet(self._address, session, sequence, count, blocks)

    def _exact_or_stale(self, matched: int, *, was_stale: bool) -> None:
        """See that books are stale from when they must be, and not before."""
        if self._cut_through:       # a bad frame may have made a book stale
            return
        if not self._model.stale:
            self._expect("rows that are right before anything was broken",
                         self._comparison.matched, self._comparison.rows)
        elif was_stale:
            self._expect("rows of exact books after something could not be read",
                         self._comparison.matched - matched, 0)

    def _judge(self, appliance: Appliance, counters: dict[str, int]) -> None:
        comparison = self._comparison
        self.rows = comparison.matched
        self._expect("rows of the books that are wrong", comparison.wrong, 0,
                     str(comparison.first_wrong[:1]))
        self._expect("rows that are missing", comparison.missing, counters["book.events_dropped"])
        self._expect("frames by what became of them",
                     sum(counters[f"net.frames_{name}"] for name in _MAC), self._mac.total())
        for name in ("order.enters", "order.cancels", "events.lost", "net.elastic_overrun",
                     "net.elastic_underrun", "net.frames_dropped_buffer_full"):
            self._expect(name, counters[name], 0)
        for name in ("armed", "killed", "session_up"):
            self._expect(f"risk.state, {name}", appliance.read("risk.state", name), 0)
        if self._cut_through:
            return
        self._expect("rows that nothing called for", comparison.unexpected, 0)
        for name in _MAC:
            self._expect(f"net.frames_{name}", counters[f"net.frames_{name}"], self._mac[name])
        for name in _IP:
            self._expect(f"ip.{name}", counters[f"ip.{name}"], self._ip[name])
        for group, names in (("mold", _MOLD), ("itch", _ITCH)):
            for name in names:
                self._expect(f"{group}.{name}", counters[f"{group}.{name}"],
                             self._model.counts.get(name, 0))

    def _expect(self, what: str, found: int, wanted: int, more: str = "") -> None:
        if found != wanted:
            self._wrong.append(f"{what}: {found}, should be {wanted} {more}".rstrip())

    def _settings(self, appliance: Appliance, settings: dict[str, int]) -> None:
        for name, value in settings.items():
            self._expect(f"register {name}", appliance.read(name), value)

    def _alive(self, appliance: Appliance) -> None:
        """See that a whole packet still gets through."""
        before = appliance.counters()["mold.heartbeats"]
        send(appliance, [with_fcs(mold_packet(self._address, self._address.session,
                                              self._model.next_sequence, 0, b""))], Line.FEED_A)
        appliance.settle()
        self._expect("heartbeats after all of it",
                     appliance.counters()["mold.heartbeats"] - before, 1)
