"""Orders as frames: the encoder behind the TCP transmitter, decoded by independent code."""

import random

import pytest
from amaranth import Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from hdl.net.tcp_transmitter import TcpTransmitter
from hdl.net.xgmii_transmitter import XgmiiTransmitter
from hdl.order.ouch_encoder import OuchEncoder
from hdl.orders import IntentKind, OrderRequest, TimeInForce
from hdl.profile import PROFILES
from hdl.records import Side
from tests.support.data import data_path
from tests.support.streams import run
from tests.unit.hdl.net.test_xgmii_transmitter import check_fcs, parse_xgmii

PROFILE = PROFILES["sim"]
WINDOW = 5840


def lanes(text: bytes) -> int:
    """Return text as the hardware takes it: the first character in the lowest bits."""
    return int.from_bytes(text, "little")


SETTINGS = {
    "buy_code": ord("B"), "sell_code": ord("S"), "short_code": ord("T"),
    "ioc_code": ord("3"), "day_code": ord("0"),
    "display": ord("Y"), "capacity": ord("A"), "sweep": ord("N"), "cross_type": ord("N"),
    "cl_ord_id": lanes(b"H8FUB8IV      "), "cl_ord_id_hex": 0, "firm_enable": 1,
    "firm": lanes(b"LIME"),
}
ADDRESSES = {
    "local_mac": 0x02_00_00_00_00_01, "peer_mac": 0x00_1C_73_85_BF_B3,
    "local_address": 0x0A000001, "peer_address": 0x0A0000FE, "local_port": 40000,
    "peer_port": 8083,
}


class OrderPath(wiring.Component):
    """Requests to the pins."""

    def __init__(self):
        self.transmitter = TcpTransmitter(window=WINDOW)
        self.line = XgmiiTransmitter()
        self.encoder = OuchEncoder(PROFILE)
        super().__init__({"requests": In(stream.Signature(OrderRequest(PROFILE))),
                          "data": Out(64), "control": Out(8)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.encoder = encoder = self.encoder
        m.submodules.transmitter = transmitter = self.transmitter
        m.submodules.line = line = self.line
        lane = transmitter.order
        wiring.connect(m, transmitter.starts, line.starts)
        wiring.connect(m, transmitter.beats, line.beats)
        m.d.comb += [
            line.heads.eq(transmitter.heads), self.data.eq(line.data),
            self.control.eq(line.control), lane.valid.eq(self.requests.valid),
            lane.kind.eq(self.requests.p.kind.as_value()), lane.bytes.eq(encoder.bytes),
            lane.ready_sums.eq(encoder.ready_sums), lane.symbol_sum.eq(encoder.symbol_sum),
            lane.sum_a.eq(encoder.sum_a), lane.sum_b.eq(encoder.sum_b),
            lane.words.eq(encoder.words), encoder.hold.eq(lane.ready),
            self.requests.ready.eq(lane.ready),
            Value.cast(encoder.request).eq(Value.cast(self.requests.p)),
        ]
        m.d.sync += encoder.take.eq(self.requests.valid & lane.ready)
        return m


def send(requests, *, settings=SETTINGS, number=113, names=(), gaps=(0,), numbers=(7, 9),
         step=50):
    """Send requests; return the frames, the words, and the cycle of each transfer."""
    dut = OrderPath()
    words, taken = [], []

    async def monitor(ctx):
        async for _, _, data, control in ctx.tick().sample(dut.data, dut.control):
            words.append((data, control))

    async def bench(ctx):
        cycle = 0

        async def tick(count=1):
            nonlocal cycle
            for _ in range(count):
                await ctx.tick()
                cycle += 1

        ctx.set(dut.encoder.cfg_order, settings)
        ctx.set(dut.transmitter.cfg_addresses, ADDRESSES)
        ctx.set(dut.transmitter.next_sequence, numbers[0])
        ctx.set(dut.transmitter.acknowledgment, numbers[1])
        ctx.set(dut.encoder.cfg_user_ref_num, number)
        ctx.set(dut.encoder.cfg_user_ref_num_load, 1)
        await tick()
        ctx.set(dut.encoder.cfg_user_ref_num_load, 0)
        for index, name in names:
            ctx.set(dut.encoder.cfg_symbol_index, index)
            ctx.set(dut.encoder.cfg_symbol, lanes(name))
            ctx.set(dut.encoder.cfg_symbol_write, 1)
            await tick()
            ctx.set(dut.encoder.cfg_symbol_write, 0)
            await tick(4)
        await tick(120)
        sequence = numbers[0]
        for place, request in enumerate(requests):
            await tick(gaps[place % len(gaps)])
            ctx.set(dut.requests.payload, request)
            ctx.set(dut.requests.valid, 1)
            while not ctx.get(dut.requests.ready):
                await tick()
            taken.append(cycle)
            await tick()
            ctx.set(dut.requests.valid, 0)
            sequence = (sequence + step) % 2**32
            ctx.set(dut.transmitter.next_sequence, sequence)
        await tick(40)

    run(dut, bench, background=[monitor], cycles=20_000)
    got, _ = parse_xgmii(words)
    return [check_fcs(frame) for _, frame, _ in got], words, taken, [c for c, _, _ in got]


def decode(frame: bytes):
    """Return (IP, TCP, payload) of a frame whose checksums scapy finds right."""
    packet = Ether(frame)
    ip, tcp = packet[IP], packet[TCP]
    again = IP(bytes(ip)[:ip.len])
    del again.chksum
    del again[TCP].chksum
    again = IP(bytes(again))
    assert (again.chksum, again[TCP].chksum) == (ip.chksum, tcp.chksum)
    assert packet.dst == "00:1c:73:85:bf:b3" and packet.src == "02:00:00:00:00:01"
    return ip, tcp, bytes(ip)[20 + 4 * tcp.dataofs:ip.len]


def enter(**fields):
    return {"symbol_index": 3, "kind": IntentKind.ENTER, "side": Side.SELL, "quantity": 225,
            "price": 630200, "time_in_force": TimeInForce.DAY, "short": 1, "user_ref_num": 0,
            **fields}


def test_captured_enter_order_comes_out_byte_for_byte():
    pcap = data_path("nasdaq-pcap", "Nasdaq.Nsm.Ouch.v5.0", "EnterOrderMessage.pcap").read_bytes()
    frame = pcap[40:]
    packet = Ether(frame)
    captured = bytes(packet[IP])[:packet[IP].len][40:]
    at = captured.index(b"\x00\x36UO")
    frames, _, _, _ = send([enter()], names=[(3, b"CVLT    ")])
    assert decode(frames[0])[2] == captured[at:at + 56]


def test_start_is_at_the_pins_one_cycle_after_the_request():
    frames, _, taken, starts = send([enter()] * 4, names=[(3, b"CVLT    ")], gaps=(0, 30, 0, 7))
    assert len(frames) == 4
    assert starts == [cycle + 1 for cycle in taken]


@pytest.mark.parametrize("firm", [0, 1])
def test_random_orders_are_right_for_scapy_and_struct(firm):
    rng = random.Random(firm)
    names = [(n, rng.choice([b"AAPL", b"A", b"ZVZZT", b"BRKA.ABC"]).ljust(8)) for n in range(16)]
    settings = {**SETTINGS, "firm_enable": firm, "cl_ord_id": lanes(b"TICKWIabcdefgh"),
                "cl_ord_id_hex": 1, "short_code": ord("E")}
    requests = []
    for _ in range(60):
        requests.append({
            "symbol_index": rng.randrange(16),
            "kind": rng.choice([IntentKind.ENTER, IntentKind.ENTER, IntentKind.CANCEL]),
            "side": rng.choice(list(Side)), "quantity": rng.choice([1, 100, rng.getrandbits(32)]),
            "price": rng.choice([1, 0xFFFFFFFF, rng.getrandbits(32)]),
            "time_in_force": rng.choice(list(TimeInForce)), "short": rng.getrandbits(1),
            "user_ref_num": rng.getrandbits(32)})
    frames, _, _, _ = send(requests, settings=settings, number=0xFFFFFF00 - 7, names=names,
                           gaps=(0, 3, 0, 20, 11), numbers=(0xFFFFFF80, 0xFFFF0000))
    number, sequence = 0xFFFFFF00 - 7, 0xFFFFFF80
    for request, frame in zip(requests, frames, strict=True):
        ip, tcp, payload = decode(frame)
        assert (tcp.sport, tcp.dport, tcp.window) == (40000, 8083, WINDOW)
        assert (tcp.seq, tcp.ack, int(tcp.flags)) == (sequence, 0xFFFF0000, 0x18)
        assert (ip.src, ip.dst, ip.ttl) == ("10.0.0.1", "10.0.0.254", 64) and ip.flags == "DF"
        if request["kind"] == IntentKind.CANCEL:
            expected = b"\x00\x0aUX" + request["user_ref_num"].to_bytes(4, "big") + bytes(4)
        else:
            side = b"B" if request["side"] == Side.BUY else b"E" if request["short"] else b"S"
            expected = b"".join([
                b"UO", number.to_bytes(4, "big"), side,
                request["quantity"].to_bytes(4, "big"), names[request["symbol_index"]][1],
                request["price"].to_bytes(8, "big"),
                b"3" if request["time_in_force"] == TimeInForce.IOC else b"0",
                b"YANN", b"TICKWI", b"%08X" % number,
                b"\x00\x06\x05\x02LIME" if firm else b"\x00\x00"])
            expected = len(expected).to_bytes(2, "big") + expected
            number += 1
        assert payload == expected
        sequence = (sequence + 50) % 2**32


def test_frames_of_services_leave_between_orders():
    dut = OrderPath()
    transmitter = dut.transmitter
    rng = random.Random(8)
    words, asides = [], []
    frames = [rng.randbytes(length) for length in (42, 43, 60, 61, 64, 120, 127)]
    current = [frames[0]]

    async def monitor(ctx):
        async for _, _, data, control, aside in ctx.tick().sample(
                dut.data, dut.control, transmitter.aside):
            words.append((data, control))
            if control == 1 or control == 0x1F:
                asides.append(aside)

    async def memory(ctx):
        while True:
            at = 8 * ctx.get(transmitter.service_index)
            ctx.set(transmitter.service_word, int.from_bytes(current[0][at:at + 8], "little"))
            await ctx.tick()

    async def bench(ctx):
        ctx.set(transmitter.cfg_addresses, ADDRESSES)
        for number, frame in enumerate(frames):
            current[0] = frame
            ctx.set(transmitter.service_head, int.from_bytes(frame[:16], "little"))
            ctx.set(transmitter.services.payload, {"length": len(frame), "aside": number % 2})
            ctx.set(transmitter.services.valid, 1)
            await ctx.tick().until(transmitter.services.ready)
            ctx.set(transmitter.services.valid, 0)
            await ctx.tick().until(transmitter.service_sent)
        await ctx.tick().repeat(30)

    run(dut, bench, background=[monitor, memory], cycles=2000)
    sent = [check_fcs(frame) for _, frame, _ in parse_xgmii(words)[0]]
    assert sent == [frame.ljust(60, b"\0") for frame in frames]
    assert asides == [number % 2 for number in range(len(frames))]
