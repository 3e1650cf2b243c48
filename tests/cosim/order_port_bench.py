"""cocotb tests of the order port: the simulated exchange on the line; run by test_order_port.py."""

from collections import Counter

import cocotb
from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer
from cocotb.utils import get_sim_time
from cocotbext.eth import XgmiiFrame, XgmiiSink, XgmiiSource
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether

from hdl.net.tcp_connection import CloseReason, TcpState
from hdl.order.soupbin_session import SessionState
from hdl.orders import IntentKind, OrderRequest, OrderSent, TimeInForce, VenueAnswer
from hdl.records import Side
from proto.wire import ouch50
from sim.exchange import orders
from sim.exchange.matching import MatchingEngine
from sim.exchange.orders import Instrument, NewOrder
from sim.exchange.ouch_session import OuchSession
from sim.exchange.packets import Endpoint
from sim.exchange.soup_server import SoupSettings
from sim.exchange.tcp_connection import TcpSettings
from sim.exchange.tcp_server import TcpServer
from sim.golden import ouch
from tests.cosim import order_port_top as top
from tests.support.xgmii import START

PERIOD_PS = 6400
STEP_NS = 500
#: Of a frame without FCS; one with data of OUCH is longer.
SHORTEST_BYTES = 60
PEER = Endpoint(mac=0x0200000000FE, ip=top.PEER, port=top.PEER_PORT)
PRICE_E4 = 1_000_000
_TCP = TcpSettings(retransmit_ns=15_000, time_wait_ns=10_000)

REQUEST = data.Layout.cast(OrderRequest(top.PROFILE))
SENT = data.Layout.cast(OrderSent(top.PROFILE))
ANSWER = data.Layout.cast(VenueAnswer)


def now_ns():
    return int(get_sim_time("ns"))


def check_frame(frame):
    """Check all of a frame that scapy knows how to check; return its packet."""
    assert frame.check_fcs()
    body = bytes(frame.get_payload())
    assert len(body) >= SHORTEST_BYTES
    packet = Ether(body)
    assert packet.src == "02:00:00:00:00:01"
    if ARP in packet:
        arp = packet[ARP]
        assert (arp.op, arp.hwsrc, arp.psrc, arp.pdst) == (
            1, "02:00:00:00:00:01", "10.0.0.1", "10.0.0.254")
        assert packet.dst == "ff:ff:ff:ff:ff:ff"
        return packet
    assert packet.dst == "02:00:00:00:00:fe"
    ip = packet[IP]
    assert (ip.src, ip.dst, ip.frag) == ("10.0.0.1", "10.0.0.254", 0)
    assert (ip[TCP].sport, ip[TCP].dport) == (top.LOCAL_PORT, top.PEER_PORT)
    again = IP(bytes(ip)[:ip.len])
    del again.chksum, again[TCP].chksum, again.len, again[TCP].dataofs
    again = IP(bytes(again))
    for layer, names in ((IP, ("chksum", "len")), (TCP, ("chksum", "dataofs"))):
        for name in names:
            assert getattr(again[layer], name) == getattr(ip[layer], name), (name, packet)
    # Nothing but zeros behind the packet.
    assert not any(body[14 + ip.len:])
    return packet


class Bench:
    """The exchange behind the bus models of the line, and a watcher of what the port says."""

    def __init__(self, dut):
        self.dut = dut
        self.source = XgmiiSource(dut.rxd, dut.rxc, dut.rx_clk)
        self.sink = XgmiiSink(dut.txd, dut.txc, dut.clk)
        for model in (self.source, self.sink):
            model.log.setLevel("WARNING")
        self.engine = MatchingEngine([Instrument(symbol=top.SYMBOL, locate=1)])
        self.session = OuchSession(
            self.engine, SoupSettings(username=top.USERNAME, password=top.PASSWORD,
                                      heartbeat_ns=20_000, peer_timeout_ns=60_000),
            apply=self._apply)
        self.connections = []
        self.server = TcpServer(PEER, self._accept, _TCP, seed=1)
        self.packets, self.sent, self.answers = [], [], []
        self.starts, self.transfers = set(), []
        self.counts = Counter()
        self.lose = False       # the next segment of the port is lost
        self.damage = ""        # what will be wrong in the next data from the exchange
        self._requests = []
        for name in ("enable", "request", "request_valid"):
            getattr(dut, name).value = 0
        dut.rxd.value = 0x0707070707070707
        dut.rxc.value = 0xFF

    def _apply(self, outcome):
        for report in outcome.reports:
            if report.account == top.USERNAME:
                self.session.port.report(report)

    def _accept(self):
        self.connections.append(self.session.connect(now_ns()))
        return self.connections[-1]

    async def start(self):
        """Start the clocks, reset, and let everything run."""
        dut = self.dut
        dut.rst.value = dut.rx_rst.value = 1
        Clock(dut.clk, PERIOD_PS, unit="ps").start()
        Clock(dut.rx_clk, PERIOD_PS - 2, unit="ps").start()
        for _ in range(4):
            await FallingEdge(dut.clk)
        dut.rst.value = dut.rx_rst.value = 0
        cocotb.start_soon(self._watch())
        cocotb.start_soon(self._exchange())
        for _ in range(20):
            await FallingEdge(dut.clk)
        dut.enable.value = 1

    async def _exchange(self):
        """Hand over frames, and time."""
        while True:
            await Timer(STEP_NS, "ns")
            while not self.sink.empty():
                frame = self.sink.recv_nowait()
                self.packets.append(check_frame(frame))
                if self.lose and TCP in self.packets[-1]:
                    self.lose = False
                    continue
                self.server.receive(bytes(frame.get_payload()), now_ns())
            self.server.advance(now_ns())
            for body in self.server.take_frames():
                await self.source.send(self._on_the_line(body))

    def _on_the_line(self, body):
        """Return a frame for the port, damaged if that is due."""
        damage = ""
        if len(body) > SHORTEST_BYTES:
            damage, self.damage = self.damage, ""
        if damage == "checksum":
            body = body[:-1] + bytes([body[-1] ^ 1])
        frame = XgmiiFrame.from_payload(body)
        if damage == "fcs":
            frame.data[-9] ^= 0x10
        return frame

    async def _watch(self):
        """Look at every cycle, half a cycle before the edge at which things transfer."""
        dut = self.dut
        while True:
            await FallingEdge(dut.clk)
            cycle = int(dut.now_cycles.value)
            if int(dut.txc.value) & 1 and int(dut.txd.value) & 0xFF == START:
                self.starts.add(cycle)
            if pulses := int(dut.pulses.value):
                self.counts.update(name for bit, name in enumerate(top.PULSES)
                                   if pulses >> bit & 1)
            if dut.sent_valid.value:
                self.sent.append(SENT.from_bits(int(dut.sent.value)))
            if dut.answer_valid.value:
                self.answers.append(ANSWER.from_bits(int(dut.answer.value)))
            dut.request_valid.value = bool(self._requests)
            if self._requests:
                dut.request.value = REQUEST.const(self._requests[0]).as_bits()
                if dut.request_ready.value:
                    self.transfers.append(cycle)
                    self._requests.pop(0)

    def request(self, **fields):
        """Queue a request; return all of its fields."""
        number = len(self.transfers) + len(self._requests)
        fields = {"symbol_index": 0, "tag": number % 32, "start_cycles": 77 * number,
                  "kind": IntentKind.ENTER, "side": Side.BUY, "quantity": 100, "price": PRICE_E4,
                  "time_in_force": TimeInForce.IOC, "user_ref_num": 0, **fields}
        self._requests.append(fields)
        return fields

    def background(self, quantity, side=orders.Side.SELL):
        """Let somebody else rest an order in the book."""
        self._apply(self.engine.enter(
            NewOrder(symbol=top.SYMBOL, side=side, quantity=quantity, price_e4=PRICE_E4),
            now_ns()))

    async def until(self, condition, *, most_ns=400_000):
        """Wait for something to become true."""
        end = now_ns() + most_ns
        while not condition():
            assert now_ns() < end, (
                f"tcp {int(self.dut.tcp_state.value)}, session "
                f"{int(self.dut.session_state.value)}, {self.counts}, {self.server.counters}")
            await Timer(STEP_NS, "ns")

    def up(self):
        return bool(self.dut.up.value)

    async def log_out(self):
        """Leave; both sides must have closed in order."""
        self.dut.enable.value = 0
        await self.until(lambda: self.dut.tcp_state.value == TcpState.CLOSED.value
                         and not self.server.connections)
        assert self.dut.session_state.value == SessionState.ENDED.value
        assert self.dut.close_reason.value == CloseReason.LOCAL.value
        assert [connection.error for connection in self.connections] == [""]
        assert not any(TCP in packet and packet[TCP].flags.R for packet in self.packets)

    def compare(self, requests, *, bad_checksums=0):
        """Compare what was sent and answered with the requests and the exchange's messages."""
        assert len(self.sent) == len(requests)
        # Start is at the pins one cycle after the transfer; that is what is reported.
        assert [sent.egress_cycles for sent in self.sent] == [n + 1 for n in self.transfers]
        assert {sent.egress_cycles for sent in self.sent} <= self.starts
        number = 0
        for request, sent in zip(requests, self.sent, strict=True):
            if request["kind"] == IntentKind.ENTER:
                number += 1
                request["user_ref_num"] = number
            for name, value in request.items():
                assert sent[name] == value, name
        messages = self.session.stream.messages
        golden = [ouch.decode(message, place) for place, message in enumerate(messages, 1)]
        assert len(self.answers) == len(golden) == self.counts["soup_sequenced"]
        for answer, expected in zip(self.answers, golden, strict=True):
            assert answer.kind.name == expected.kind
            for name in ("user_ref_num", "quantity", "price", "order_reference", "reason",
                         "timestamp_ns", "sequence"):
                assert answer[name] == getattr(expected, name), name
        compare_accepted(messages, [r for r in requests if r["kind"] == IntentKind.ENTER])
        port = self.session.port.counters
        assert port["entered"] == port["accepted"] == number
        assert not port["malformed"] and not port["ignored"] and not port["duplicate"]
        assert self.counts["parser_bad_checksum"] == bad_checksums
        for name in ("line_underrun", "soup_protocol_error", "soup_peer_timeout",
                     "decoder_malformed", "decoder_unknown"):
            assert not self.counts[name], name
        for name in ("bad FCS", "malformed", "bad TCP checksum", "bad IPv4 header checksum"):
            assert not self.server.counters[name], name


def compare_accepted(messages, requests):
    """Compare what the exchange has accepted with what was asked for."""
    accepted = [ouch50.OUTBOUND[message[0]].decode(message)[0] for message in messages
                if message[:1] == b"A"]
    for number, (request, fields) in enumerate(zip(requests, accepted, strict=True), 1):
        wanted = {
            "user_ref_num": number, "side": "BS"[request["side"].value], "symbol": top.SYMBOL,
            "quantity": request["quantity"], "price": request["price"],
            "time_in_force": "30"[request["time_in_force"].value],
            "cl_ord_id": f"TW0000{number:08X}", "display": "Y", "capacity": "P"}
        assert {name: fields[name] for name in wanted} == wanted


@cocotb.test()
async def session_from_address_resolution_to_logout(dut):
    bench = Bench(dut)
    await bench.start()
    await bench.until(bench.up)
    bench.background(60)
    first = bench.request()
    await bench.until(lambda: len(bench.answers) == 3)
    assert [answer.kind.name for answer in bench.answers] == ["ACCEPTED", "EXECUTED", "CANCELED"]
    assert [answer.quantity for answer in bench.answers] == [100, 60, 40]
    second = bench.request(side=Side.SELL, quantity=7, price=PRICE_E4 + 300,
                           time_in_force=TimeInForce.DAY)
    third = bench.request(kind=IntentKind.CANCEL, user_ref_num=2)
    await bench.until(lambda: len(bench.answers) == 5)
    await bench.log_out()
    bench.compare([first, second, third])
    assert ARP in bench.packets[0]
    assert sum(ARP in packet for packet in bench.packets) == 1
    flags = [str(packet[TCP].flags) for packet in bench.packets if TCP in packet]
    assert flags[:2] == ["S", "A"] and flags.count("S") == 1 and flags.count("FA") == 1
    assert bench.counts["connection_retransmitted"] == bench.server.counters["retransmitted"] == 0
    assert bench.counts["line_frames"] == len(bench.packets)


@cocotb.test()
async def nothing_is_lost_on_a_bad_line(dut):
    bench = Bench(dut)
    await bench.start()
    await bench.until(bench.up)
    requests = []
    for number, damage in enumerate(("", "fcs", "checksum", "fcs")):
        bench.lose, bench.damage = number != 1, damage
        for place in range(3):
            requests.append(bench.request(quantity=1 + place, price=PRICE_E4 - 100 * number))
        # Accepted, and cancelled as nobody is there to trade with.
        await bench.until(lambda: len(bench.answers) == 2 * len(requests))
    await bench.log_out()
    bench.compare(requests, bad_checksums=1)
    assert bench.counts["bad_fcs"] == 2
    assert bench.counts["connection_retransmitted"] >= 3
    assert bench.server.counters["retransmitted"] >= 3


@cocotb.test()
async def heartbeats_keep_an_idle_session(dut):
    bench = Bench(dut)
    await bench.start()
    await bench.until(bench.up)
    await Timer(120, "us")
    assert bench.up()
    assert bench.counts["soup_heartbeats"] >= 4
    # Length 1, type R.
    beats = [packet for packet in bench.packets
             if TCP in packet and bytes(packet[TCP].payload)[:3] == b"\0\1R"]
    assert len(beats) >= 4
    request = bench.request(time_in_force=TimeInForce.DAY)
    await bench.until(lambda: len(bench.answers) == 1)
    await bench.log_out()
    bench.compare([request])
