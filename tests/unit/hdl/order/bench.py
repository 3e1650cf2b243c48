"""An order session against the golden server, cycle by cycle, with frames lost on the way."""

import random
import zlib
from collections.abc import Callable

from amaranth.hdl import Cat
from amaranth.lib.data import Layout
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import ARP, Ether

from hdl.order.order_session import OrderSession
from hdl.profile import PROFILES
from sim.golden.soupbintcp import SoupServer
from sim.golden.tcp import TcpServer
from tests.support.streams import run

__all__ = ["SessionBench", "check_by_scapy", "fields", "lanes"]

SERVER_MAC, SERVER, PORT = bytes.fromhex("001c7385bfb3"), 0x0A0000FE, 8083
LOCAL_MAC, LOCAL = 0x020000000001, 0x0A000001
NS_PER_CYCLE = 64       #: time runs ten times faster than the line: timers are short


def lanes(text: bytes) -> int:
    """Return text as the hardware takes it: the first character in the lowest bits."""
    return int.from_bytes(text, "little")


def fields(ctx, view) -> dict:
    """Return the fields of a record."""
    const = ctx.get(view)
    return {name: const[name] for name, _ in Layout.cast(view.shape())}


def check_by_scapy(frame: bytes) -> None:
    """Check every checksum of a frame by scapy."""
    packet = Ether(frame)
    if ARP in packet:
        return
    kind = ICMP if ICMP in packet else TCP
    again = IP(bytes(packet[IP])[:packet[IP].len])
    del again.chksum
    del again[kind].chksum
    again = IP(bytes(again))
    assert (again.chksum, again[kind].chksum) == (packet[IP].chksum, packet[kind].chksum)
    assert len(frame) <= 124


class SessionBench:
    """Drive one :class:`OrderSession`.

    Parameters
    ----------
    seed : int
        Of everything random.
    lose, duplicate, reorder : float
        Chance of a frame's fate, in either direction.
    server : dict
        Arguments for :class:`TcpServer`.
    sequence : int
        Initial sequence number of the session.
    """

    def __init__(self, *, seed: int = 0, lose: float = 0.0, duplicate: float = 0.0,
                 reorder: float = 0.0, sequence: int = 0x1000, server: dict | None = None,
                 refuse: bytes | None = None, messages: list[bytes] | None = None,
                 settings: dict | None = None) -> None:
        self.dut = OrderSession(PROFILES["bench"])
        self.rng = random.Random(seed)
        self.fates = (lose, duplicate, reorder)
        self.server = TcpServer(mac=SERVER_MAC, address=SERVER, port=PORT, **(server or {}))
        self.messages = messages if messages is not None else []
        self.refuse = refuse
        self.soup: SoupServer | None = None
        self.sequence = sequence
        self.settings = settings or {}
        self.cycle = 0
        self.skipped_ns = 0     #: time jumped over while nothing happened
        self._active = 0        # cycle in which something was on either line last
        self.frames: list[tuple[int, bytes]] = []       # sent by the hardware
        self.sent: list[dict] = []
        self.answers: list[dict] = []
        self.stats: dict[str, int] = {}
        self.transfers: list[int] = []
        self.filter: Callable[[bool, bytes], bool] = lambda to_server, frame: True
        self.on_unsequenced: Callable[[bytes], None] = lambda payload: None
        self._requests: list[dict] = []
        self._to_dut: list[tuple[bytes, bool]] = []
        self._beats: list = []
        self._current: bytearray | None = None
        self._seen = 0
        self._handled = 0
        self._had_login = False

    @property
    def now_ns(self) -> int:
        """The time of the present cycle."""
        return self.cycle * NS_PER_CYCLE + self.skipped_ns

    def request(self, **fields) -> None:
        """Queue a request."""
        self._requests.append(fields)

    @property
    def waiting(self) -> int:
        """Requests not taken yet."""
        return len(self._requests)

    def inject(self, frame: bytes, *, good: bool = True) -> None:
        """Queue a frame for the hardware."""
        self._to_dut.append((frame, good))

    def _fate(self, queue: list, item) -> None:
        lose, duplicate, reorder = self.fates
        draw = self.rng.random()
        if draw < lose:
            return
        queue.append(item)
        if draw < lose + duplicate:
            queue.append(item)
        elif draw < lose + duplicate + reorder and len(queue) > 1:
            queue[-1], queue[-2] = queue[-2], queue[-1]

    async def start(self, ctx) -> None:
        """Configure and enable."""
        self.ctx = ctx
        dut = self.dut
        values = {
            "local_mac": LOCAL_MAC, "local_address": LOCAL, "local_port": 40000,
            "peer_address": SERVER, "peer_port": PORT, "next_hop": SERVER,
            "retry_ns": 100_000, "initial_sequence": self.sequence, "retransmit_ns": 60_000,
            "retries": 12, "time_wait_ns": 50_000, "username": lanes(b"TEST  "),
            "password": lanes(b"PASSWORD  "), "session": lanes(b" " * 10),
            "sequence": lanes(b"%20d" % 1), "heartbeat_ns": 1_000_000_000,
            "peer_timeout_ns": 15_000_000_000,
            "order": {
                "buy_code": ord("B"), "sell_code": ord("S"), "short_code": ord("T"),
                "ioc_code": ord("3"), "day_code": ord("0"), "display": ord("Y"),
                "capacity": ord("P"), "sweep": ord("N"), "cross_type": ord("N"),
                "cl_ord_id": lanes(b"TW000000000000"),
                "cl_ord_id_hex": 1, "firm_enable": 0, "firm": 0,
            },
            "enable": 1, **self.settings,
        }
        for name, value in values.items():
            ctx.set(getattr(dut, f"cfg_{name}"), value)
        self._pulses = [name for name in dut.signature.members if name.startswith("stat_")]
        self._pulse_vector = Cat(getattr(dut, name) for name in self._pulses)

    def _server_side(self) -> None:
        """Let the server act on what has come."""
        server = self.server
        first = server.state == "SYN_RECEIVED" and self.soup is None
        if first or len(server.received) < self._seen:
            self._seen = self._handled = 0
            self.soup = SoupServer(self.messages, server.send, refuse=self.refuse)
        if self.soup is not None:
            if len(server.received) > self._seen:
                self.soup.receive(bytes(server.received[self._seen:]))
                self._seen = len(server.received)
            while self._handled < len(self.soup.unsequenced):
                self._handled += 1
                self.on_unsequenced(self.soup.unsequenced[self._handled - 1])
            self.soup.flush()
        server.tick(self.now_ns)
        while server.frames:
            frame = server.frames.pop(0)
            if self.filter(False, frame):
                self._fate(self._to_dut, (frame, True))

    async def step(self, cycles: int = 1) -> None:
        """Run some cycles."""
        ctx, dut = self.ctx, self.dut
        for _ in range(cycles):
            ctx.set(dut.now_ns, self.now_ns)
            ctx.set(dut.now_cycles, self.cycle)
            if not self._beats and self._to_dut:
                self._load(*self._to_dut.pop(0))
            beat = self._beats.pop(0) if self._beats else None
            data, verdict = beat if beat else (None, None)
            ctx.set(dut.beats.valid, data is not None)
            if data is not None:
                self._active = self.cycle
                ctx.set(dut.beats.payload, data)
            ctx.set(dut.verdicts.valid, verdict is not None)
            ctx.set(dut.verdicts.p.good, bool(verdict))
            if self._requests:
                ctx.set(dut.requests.payload, self._requests[0])
            ctx.set(dut.requests.valid, bool(self._requests))
            taken = bool(self._requests) and ctx.get(dut.requests.ready)
            self._line(ctx.get(dut.data), ctx.get(dut.control))
            pulses = ctx.get(self._pulse_vector)
            while pulses:
                name = self._pulses[(pulses & -pulses).bit_length() - 1]
                self.stats[name] = self.stats.get(name, 0) + 1
                pulses &= pulses - 1
            if ctx.get(dut.sent.valid):
                self.sent.append(fields(ctx, dut.sent.p))
            if ctx.get(dut.answers.valid):
                self.answers.append(fields(ctx, dut.answers.p))
            if taken:
                self._requests.pop(0)
                self.transfers.append(self.cycle)
            await ctx.tick()
            self.cycle += 1
            if self.cycle % 8 == 0:
                self._server_side()

    def _load(self, frame: bytes, good: bool, verdict: int | None = None) -> None:
        """Turn a frame into beats, and the verdict two cycles after the last."""
        whole = frame + zlib.crc32(frame).to_bytes(4, "little")
        count = -(-len(whole) // 8)
        for index in range(count):
            chunk = whole[8 * index:8 * index + 8]
            self._beats.append(({
                "data": int.from_bytes(chunk, "little"), "keep": (1 << len(chunk)) - 1,
                "first": index == 0, "last": index == count - 1}, verdict if index == 0 else None))
        self._beats += [(None, None)]
        # The next frame may begin with the verdict: the smallest gap there is.
        if self._to_dut and self.rng.random() < 0.5:
            self._load(*self._to_dut.pop(0), verdict=int(good))
            return
        gap = self.rng.choice([0, 0, 1, 5])
        self._beats += [(None, int(good))] + [(None, None)] * gap

    def _line(self, data: int, control: int) -> None:
        """Gather a frame from the words that are sent."""
        if control == 0xFF and self._current is None:
            return
        self._active = self.cycle
        for lane in range(8):
            byte, is_control = data >> 8 * lane & 0xFF, control >> lane & 1
            if is_control and byte == 0xFB:
                self._current = bytearray()
                self._started = self.cycle
            elif is_control and byte == 0xFD:
                whole = bytes(self._current or b"")[7:]
                self._current = None
                assert zlib.crc32(whole) == 0x2144DF1C
                self.frames.append((self._started, whole[:-4]))
                check_by_scapy(whole[:-4])
                if self.filter(True, whole[:-4]):
                    arrived: list[bytes] = []
                    self._fate(arrived, whole[:-4])
                    for frame in arrived:
                        self.server.receive(frame, self.now_ns)
            elif not is_control and self._current is not None:
                self._current.append(byte)

    async def until(self, condition: Callable[[], bool], cycles: int = 4000) -> None:
        """Run until a condition holds; jump over time in which nothing is on the lines."""
        for _ in range(cycles // 8):
            if condition():
                return
            await self.step(8)
            if self.cycle - self._active > 120:
                self.skipped_ns += 5000
        raise TimeoutError(f"not within {cycles} cycles: server {self.server.state}, "
                           f"tcp {self.ctx.get(self.dut.tcp_state)}, "
                           f"session {self.ctx.get(self.dut.session_state)}, {self.stats}")

    def service_waits(self) -> bool:
        """Tell whether a frame of a service waits to leave."""
        return bool(self.ctx.get(self.dut._blocks["services"].frames.valid))

    def up(self) -> bool:
        """Tell whether the session is logged in."""
        return bool(self.ctx.get(self.dut.up))

    def run(self, scenario) -> None:
        """Simulate a scenario: a coroutine function without arguments."""
        async def bench(ctx):
            await self.start(ctx)
            await scenario()

        run(self.dut, bench, cycles=200_000)
