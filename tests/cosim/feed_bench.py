"""cocotb tests of the feed path: frames by scapy, real market data; run by test_feed.py."""

import random
from collections import Counter

import cocotb
from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge
from cocotbext.eth import XgmiiFrame, XgmiiSource
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether

from hdl.records import BookOperation, MessageContext, OperationKind, Side
from sim.captures import Capture
from sim.golden.ethernet import receive
from sim.golden.feed import FeedModel
from tests.cosim.feed_top import FEED_PULSES, PROFILE, RECEIVER_PULSES
from tests.support.data import data_path
from tests.unit.hdl.feed.frames import packet

GROUP, PORT = "233.54.12.111", 26477
GROUP_IP = int.from_bytes(bytes(map(int, GROUP.split("."))), "big")
PERIOD_PS = 6400
PREAMBLE_BYTES = 8

OPERATION = data.Layout.cast(BookOperation(PROFILE))
CONTEXT = data.Layout.cast(MessageContext)
PULSES = RECEIVER_PULSES + FEED_PULSES


class Bench:
    """The bus model of the line, and a consumer of operations that keeps everything."""

    def __init__(self, dut, *, cut_through, seed, chance=0.9):
        self.dut = dut
        self.rng = random.Random(seed)
        self.chance = chance
        self.cut_through = cut_through
        self.source = XgmiiSource(dut.rxd, dut.rxc, dut.rx_clk)
        self.source.log.setLevel("WARNING")
        self.operations, self.contexts, self.stale_symbols = [], [], []
        self.counts = Counter()
        self.stream_stale = self.quiet = 0
        dut.cut_through.value = cut_through
        dut.group_ip.value = GROUP_IP
        dut.udp_port.value = PORT
        for name in ("restart", "symbol_write", "operation_ready"):
            getattr(dut, name).value = 0
        dut.rxd.value = 0x0707070707070707
        dut.rxc.value = 0xFF

    async def start(self, locates):
        """Start the clocks, reset, watch the symbols, and begin to look."""
        dut = self.dut
        dut.rst.value = dut.rx_rst.value = 1
        # The line is 100 ppm slower than the core.
        Clock(dut.clk, PERIOD_PS, unit="ps").start()
        Clock(dut.rx_clk, PERIOD_PS + 2, unit="ps").start()
        await self.cycles(4)
        dut.rst.value = dut.rx_rst.value = 0
        await self.cycles(4)
        for locate, index in locates.items():
            dut.symbol_index.value = index
            dut.symbol_locate.value = locate
            dut.symbol_write.value = 1
            await self.cycles(1)
            dut.symbol_write.value = 0
            await self.cycles(4)
        cocotb.start_soon(self._watch())
        await self.cycles(20)

    async def cycles(self, count):
        for _ in range(count):
            await FallingEdge(self.dut.clk)

    async def _watch(self):
        dut = self.dut
        while True:
            # Half a cycle before the edge at which what is seen here transfers.
            await FallingEdge(dut.clk)
            self.quiet += 1
            ready = self.rng.random() < self.chance
            dut.operation_ready.value = ready
            if dut.operation_valid.value:
                self.quiet = 0
                if ready:
                    self.operations.append(OPERATION.from_bits(int(dut.operation.value)))
            if dut.context_valid.value:
                self.contexts.append(CONTEXT.from_bits(int(dut.context.value)))
            if pulses := int(dut.pulses.value):
                self.quiet = 0
                self.counts.update(name for bit, name in enumerate(PULSES) if pulses >> bit & 1)
            if symbols := int(dut.stale_symbols.value):
                self.stale_symbols.append(symbols)
            self.stream_stale += int(dut.stream_stale.value)

    async def send(self, frames):
        """Send frames, back to back, and wait until all has come out."""
        for frame in frames:
            await self.source.send(XgmiiFrame(bytes([0x55] * 7 + [0xD5]) + frame))
        await self.source.wait()
        self.quiet = 0
        while self.quiet < 100:
            await self.cycles(1)

    def compare(self, frames, locates):
        """Compare all that came out with what the golden models make of the frames."""
        model = FeedModel(sequence_learn=True, locates=dict(locates))
        counts, stale = Counter(), []
        for frame in frames:
            reception = receive(frame, group_ip=GROUP_IP, udp_port=PORT)
            counts["frames_good"] += reception.reason != "bad_fcs"
            if reception.reason != "frames_good":
                counts[reception.reason] += 1
            if not reception.accepted or not (reception.good or self.cut_through):
                continue
            start, before = reception.payload_offset, len(model.operations)
            session, number = model.session, model.next_sequence
            model.packet(frame[start:start + reception.payload_length])
            if not reception.good:
                # Cut-through has acted on it: its numbers are taken back, its symbols are stale.
                model.session, model.next_sequence = session, number
                if touched := {row.symbol_index for row in model.operations[before:]}:
                    stale.append(sum(1 << index for index in touched))
        for name in PULSES:
            expected = counts if name in RECEIVER_PULSES else model.counts
            assert self.counts[name] == expected.get(name, 0), name
        assert self.stale_symbols == stale
        assert (self.stream_stale > 0) == model.stale
        assert len(self.operations) == len(self.contexts) == len(model.operations)
        for row, operation, context in zip(model.operations, self.operations, self.contexts,
                                           strict=True):
            compare_operation(row, operation, context)
        return model


def compare_operation(row, operation, context):
    """Compare an operation and its context with a row of the golden model."""
    assert operation.kind == OperationKind[row.kind]
    assert bool(operation.execution) == row.execution
    for name in ("symbol_index", "reference", "new_reference", "shares", "price"):
        if (wanted := getattr(row, name)) is not None:
            assert operation[name] == wanted, (row, name)
    if row.side is not None:
        assert operation.side == Side[row.side]
    for name in ("sequence", "timestamp_ns", "locate"):
        assert context[name] == getattr(row, name), (row, name)
    assert context.message_type == ord(row.message_type)


def build(payload, *, tags=0, **udp):
    """Return a frame made by scapy, with its FCS."""
    frame = Ether(src="00:11:22:33:44:55", dst="01:00:5e:36:0c:6f")
    for tag in range(tags):
        frame /= Dot1Q(vlan=141 + tag)
    frame /= IP(src="206.200.127.138", dst=GROUP, ttl=20, flags="DF")
    frame /= UDP(sport=4711, dport=PORT, **udp) / payload
    return with_fcs(bytes(frame).ljust(60, b"\0"))


def with_fcs(body):
    return bytes(XgmiiFrame.from_payload(body).data[PREAMBLE_BYTES:])


def captured(name):
    """Return the frames of a capture of the exchange's own."""
    path = data_path("nasdaq-pcap", "Nasdaq.Equities.TotalView.Itch.v5.0", f"{name}.pcap")
    return [bytes(record.data) for record in Capture(path).records()]


def most_active(payloads):
    """Return symbol indexes by locate for those with the most order messages."""
    model = FeedModel(sequence_learn=True, locates=dict.fromkeys(range(1 << 16), 0))
    model.packets(payloads)
    found = Counter(row.locate for row in model.operations)
    return {locate: index for index, (locate, _) in enumerate(found.most_common(PROFILE.symbols))}


def opening(rng):
    """Return payloads with a thousand messages of 09:30, a few in each."""
    path = data_path("nasdaq-itch50", "20191230-0930-open-1000.itch")
    messages = [bytes(record.data) for record in Capture(path).records()]
    payloads, sequence = [], 1
    while messages:
        taken = messages[:rng.randrange(1, 20)]
        payloads.append(packet(sequence, taken))
        sequence += len(taken)
        del messages[:len(taken)]
        if rng.random() < 0.05:
            payloads.append(packet(sequence, []))
    return payloads


def damaged(rng, payload):
    """Return a frame whose FCS or UDP checksum is wrong."""
    tags = rng.randrange(3)
    if rng.random() < 0.5:
        right = Ether(build(payload, tags=tags))[UDP].chksum
        # Zero would mean that there is none.
        return build(payload, tags=tags, chksum=right ^ 1 << rng.randrange(16) or right ^ 3)
    frame = bytearray(build(payload, tags=tags))
    frame[rng.randrange(12, len(frame))] ^= 1 << rng.randrange(8)
    return bytes(frame)


async def captured_frames(dut, *, cut_through):
    """Frames as captured, VLAN tag and all, and their payloads in frames of scapy's."""
    names = ("Multiple.Packets", "AddOrderNoMpidAttributionMessage", "OrderDeleteMessage",
             "OrderExecutedMessage", "OrderReplaceMessage", "StockTradingActionMessage")
    frames = [frame for name in names for frame in captured(name)]
    payloads = [bytes(Ether(frame)[UDP].payload) for frame in frames]
    order = sorted(range(len(frames)), key=lambda n: payloads[n][10:18])
    frames = [frames[n] for n in order]
    payloads = [payloads[n] for n in order]
    locates = most_active(payloads)
    bench = Bench(dut, cut_through=cut_through, seed=1)
    await bench.start(locates)
    # Duplicates, for the most part: they are counted, and nothing comes of them.
    sent = [with_fcs(frame) for frame in frames]
    for tags in range(3):
        sent += [build(payload, tags=tags) for payload in payloads]
    await bench.send(sent)
    model = bench.compare(sent, locates)
    assert model.counts["gaps"] >= len(names) - 1
    assert len(model.operations) >= PROFILE.symbols
    assert model.counts["duplicates"] == 3 * len(payloads)


async def damaged_frames(dut, *, cut_through):
    """The opening, every third packet damaged; half of those come again as they should be."""
    rng = random.Random(2)
    payloads = opening(rng)
    locates = most_active(payloads)
    bench = Bench(dut, cut_through=cut_through, seed=3)
    await bench.start(locates)
    sent = [build(payloads[0])]
    for payload in payloads[1:]:
        good = build(payload, tags=rng.randrange(3))
        if rng.random() < 0.33:
            sent.append(damaged(rng, payload))
            if rng.random() < 0.5:
                sent.append(good)
        else:
            sent.append(good)
    await bench.send(sent)
    model = bench.compare(sent, locates)
    assert min(bench.counts["bad_fcs"], bench.counts["bad_udp_checksum"]) >= 5
    assert model.counts["gaps"] >= 5
    assert bool(bench.stale_symbols) == bool(cut_through)


@cocotb.test()
async def captured_frames_store_and_forward(dut):
    await captured_frames(dut, cut_through=0)


@cocotb.test()
async def captured_frames_cut_through(dut):
    await captured_frames(dut, cut_through=1)


@cocotb.test()
async def damaged_frames_store_and_forward(dut):
    await damaged_frames(dut, cut_through=0)


@cocotb.test()
async def damaged_frames_cut_through(dut):
    await damaged_frames(dut, cut_through=1)


@cocotb.test()
async def undamaged_opening_into_an_eager_book(dut):
    payloads = opening(random.Random(4))
    locates = most_active(payloads)
    bench = Bench(dut, cut_through=1, seed=4, chance=1.0)
    await bench.start(locates)
    sent = [build(payload, tags=n % 3) for n, payload in enumerate(payloads)]
    await bench.send(sent)
    model = bench.compare(sent, locates)
    assert bench.stream_stale == 0
    assert {row.message_type for row in model.operations} >= set("AFDU")
