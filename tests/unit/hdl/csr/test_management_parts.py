"""Parts of the management port alone: latency, precedence, parameters."""

import pytest

from hdl.csr.bus_arbiter import BusArbiter
from hdl.csr.management_events import EventWindow
from hdl.csr.management_session import ManagementSession
from hdl.csr.management_sums import DatagramSums
from hdl.csr.management_transmitter import ManagementTransmitter
from proto.wire.management import HEADER, MAGIC, VERSION, Kind, Status
from sim.golden.ethernet import internet_checksum
from tests.support.record_rows import rows_of
from tests.support.streams import drive, run, stalls


async def cycles_until(ctx, signal, most=300) -> int:
    """Return the cycles from now until `signal` is high."""
    for cycle in range(most):
        if ctx.get(signal):
            return cycle
        await ctx.tick()
    raise AssertionError("it never became high")


def test_the_first_master_has_precedence_and_the_second_is_told_when_it_was_served():
    dut = BusArbiter()

    async def bench(ctx):
        for first in (0, 1, 2):
            for second in (0, 1, 2):
                for master, kind, address in ((dut.first, first, 4), (dut.second, second, 8)):
                    ctx.set(master.address, address)
                    ctx.set(master.write_data, 16 * address)
                    ctx.set(master.read, kind == 1)
                    ctx.set(master.write, kind == 2)
                ctx.set(dut.bus.read_data, 99)
                wins = bool(second) and not first
                kind = second if wins else first
                assert ctx.get(dut.taken) == wins
                if kind:
                    assert ctx.get(dut.bus.address) == (8 if wins else 4)
                    assert ctx.get(dut.bus.write_data) == (128 if wins else 64)
                assert (ctx.get(dut.bus.read), ctx.get(dut.bus.write)) == (kind == 1, kind == 2)
                assert ctx.get(dut.first.read_data) == ctx.get(dut.second.read_data) == 99
                await ctx.tick()

    run(_clocked(dut), bench)


def _clocked(dut):
    from amaranth import Module, Signal
    m = Module()
    m.submodules.dut = dut
    m.d.sync += Signal(name="alive").eq(1)
    return m


@pytest.mark.parametrize("payload", [bytes(16), b"\xFF" * 24, bytes(range(64)) * 21 + bytes(12)])
def test_checksums_of_a_datagram(payload):
    dut = DatagramSums()
    source, destination, ports = 0xC0A8010A, 0xC0A8FFFE, (5449, 65535)

    async def bench(ctx):
        ctx.set(dut.length, len(payload))
        ctx.set(dut.source_address, source)
        ctx.set(dut.destination_address, destination)
        ctx.set(dut.source_port, ports[0])
        ctx.set(dut.destination_port, ports[1])
        await ctx.tick()
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        busy = 0
        while ctx.get(dut.busy):
            busy += 1
            await ctx.tick()
        assert busy == 9
        for at in range(0, len(payload), 8):
            ctx.set(dut.word, int.from_bytes(payload[at:at + 8], "little"))
            ctx.set(dut.valid, 1)
            await ctx.tick()
        ctx.set(dut.valid, 0)
        for _ in range(4):
            await ctx.tick()
        addresses = source.to_bytes(4, "big") + destination.to_bytes(4, "big")
        length = (len(payload) + 8).to_bytes(2, "big")
        udp = b"".join(port.to_bytes(2, "big") for port in ports) + length
        ip = bytes([0x45, 0]) + (len(payload) + 28).to_bytes(2, "big")
        ip += bytes([0, 0, 0x40, 0, 64, 17])
        header = ctx.get(dut.header_checksum).to_bytes(2, "big")
        assert internet_checksum(ip + header + addresses) == 0xFFFF
        checksum = ctx.get(dut.checksum)
        assert checksum != 0
        assert internet_checksum(addresses + bytes([0, 17]) + length + udp
                                 + checksum.to_bytes(2, "big") + payload) == 0xFFFF

    run(dut, bench)


def test_records_are_taken_and_offered_after_fixed_times():
    dut = EventWindow(4)

    async def bench(ctx):
        await ctx.tick().repeat(4)
        ctx.set(dut.credit, 100)
        ctx.set(dut.open, 1)
        await ctx.tick()
        ctx.set(dut.open, 0)
        ctx.set(dut.events.valid, 1)
        taken, counts = [], []
        for cycle in range(60):
            counts.append(ctx.get(dut.count))
            if ctx.get(dut.events.ready):
                taken.append(cycle)
            await ctx.tick()
        assert taken == [12 * record + row for record in range(4) for row in (2, 4, 6, 8)]
        assert [counts.index(count) for count in (1, 2, 3, 4)] == [
            last + 5 for last in taken[3::4]]
        # The window is full: the next record waits.
        for _ in range(40):
            await ctx.tick()
            assert not ctx.get(dut.events.ready)
        assert ctx.get(dut.count) == 4

    run(dut, bench)


def test_records_of_both_kinds_take_turns_and_stay_whole():
    dut = EventWindow(8)
    rows = rows_of(sum((0xE0 + part) << 64 * part for part in range(8)))

    async def supply(ctx):
        sent = 0
        while True:
            number, part = divmod(sent, 8)
            ctx.set(dut.words.payload, {"data": number << 8 | part, "last": part == 7})
            ctx.set(dut.words.valid, 1)
            *_, ready = await ctx.tick().sample(dut.words.ready)
            sent += ready

    async def bench(ctx):
        await ctx.tick().repeat(4)
        ctx.set(dut.credit, 100)
        ctx.set(dut.open, 1)
        await ctx.tick()
        ctx.set(dut.open, 0)
        # Two records, whose rows may keep the window waiting; from then on only the others.
        await drive(ctx, dut.events, rows)
        await drive(ctx, dut.events, rows, stalls(3, 0.4))
        await ctx.tick().until(dut.count == 8)
        ctx.set(dut.enable, 1)
        found = []
        for place in range(64):
            ctx.set(dut.index, place)
            await ctx.tick()
            found.append(ctx.get(dut.word))
        records = [found[place:place + 8] for place in range(0, 64, 8)]
        events = [0xE0 + part for part in range(8)]
        assert records[1] == events
        assert records.count(events) == 2
        assert [record for record in records if record != events] == [
            [number << 8 | part for part in range(8)] for number in range(6)]

    run(dut, bench, background=[supply])


def test_an_arp_reply_and_a_short_datagram_start_when_their_head_has_settled():
    dut = ManagementTransmitter()

    async def bench(ctx):
        await ctx.tick().repeat(3)
        ctx.set(dut.arp.valid, 1)
        assert await cycles_until(ctx, dut.starts.valid) == 87
        assert ctx.get(dut.starts.p.head) == 1
        ctx.set(dut.starts.ready, 1)
        await ctx.tick()
        ctx.set(dut.starts.ready, 0)
        ctx.set(dut.beats.ready, 1)
        await cycles_until(ctx, dut.arp.ready)
        await ctx.tick()
        ctx.set(dut.arp.valid, 0)
        ctx.set(dut.beats.ready, 0)
        await ctx.tick()
        ctx.set(dut.answers.p.length, 16)
        ctx.set(dut.answers.valid, 1)
        assert await cycles_until(ctx, dut.starts.valid) == 87
        assert ctx.get(dut.starts.p.head) == 0

    run(dut, bench)


def test_an_answer_without_operations_comes_after_a_fixed_time():
    dut = ManagementSession(window_records=4, heartbeat_address=0)

    async def bench(ctx):
        await ctx.tick().repeat(8)
        head = HEADER.encode({"magic": MAGIC, "version": VERSION, "kind": Kind.CLOSE, "status": 0,
                              "count": 0, "session": 5, "sequence": 6})
        datagram = dut.datagrams.p
        ctx.set(datagram.length, HEADER.size)
        ctx.set(datagram.header, {field.name: value for field, value in zip(
            HEADER.fields, HEADER.decode(head).values(), strict=True)})
        ctx.set(dut.datagrams.valid, 1)
        assert await cycles_until(ctx, dut.answers.valid) == 5
        answer = dut.answers.p.header
        assert ctx.get(answer.kind) == Kind.CLOSED
        assert ctx.get(answer.status) == Status.UNKNOWN_SESSION
        assert (ctx.get(answer.session), ctx.get(answer.sequence)) == (5, 6)

    run(dut, bench)


@pytest.mark.parametrize("records", [0, 1, 3, 100])
def test_a_window_that_is_no_power_of_two_is_refused(records):
    with pytest.raises(ValueError, match="records must be a power of two"):
        EventWindow(records)
