"""The UDP transport and the device against the golden management port on a real socket."""

import asyncio
import struct
from contextlib import asynccontextmanager

import pytest

from control.device import Device, Operation
from control.errors import ControlError, Reason
from control.transport.udp import UdpTransport
from proto.events import HEADER
from tests.unit.control.fake_appliance import FakeAppliance


def record(number):
    return HEADER.encode({"schema_version": 1, "kind": 200, "symbol_index": 0xFFFF,
                          "event_sequence": number, "cycle": number}) + bytes(48)


@asynccontextmanager
async def connected(fake, **how):
    port = await fake.start()
    transport = await UdpTransport.open("127.0.0.1", port,
                                        **{"retry_s": 0.02, "timeout_s": 5.0, **how})
    try:
        yield transport
    finally:
        await transport.close()
        await fake.stop()


async def read_records(transport, count):
    found = []
    async for item in transport.events():
        found.append(struct.unpack_from("<I", item, 4)[0])
        if len(found) == count:
            return found
    return found


def test_registers_are_read_and_written_by_name():
    async def story():
        fake = FakeAppliance()
        async with connected(fake) as transport:
            device = await Device.open(transport)
            assert (device.symbols, device.version, device.core_hz) == (4, "0.1.0", 156_250_000)
            await device.write("feed.udp_port", 26477)
            assert await device.read("feed.udp_port") == 26477
            await device.pulse("risk.command", "kill")
            assert fake.registers.fields("risk.state")["killed"] == 1
            fake.registers.words["account.cash_lo"] = 5
            fake.registers.words["account.cash_hi"] = 0xFFFFFFFF
            assert await device.read_wide("account.cash") == 0xFFFFFFFF_00000005
            # More than one request.
            values = await device.batch(Operation(device.map["identity.magic"].address)
                                        for _ in range(150))
            assert values == [0x5449434B] * 150
            with pytest.raises(ValueError, match="operations must be 1 to 64"):
                await transport.exchange([])
    asyncio.run(story())


@pytest.mark.parametrize("seed", range(3))
def test_each_write_happens_once_and_no_record_is_lost_on_a_bad_line(seed):
    async def story():
        fake = FakeAppliance(seed=seed, faults=(0.25, 0.25), ring_records=64)
        async with connected(fake, credit=48, retry_s=0.005) as transport:
            device = await Device.open(transport)
            fake.registers.writes.clear()
            produced = 0

            async def produce():
                nonlocal produced
                while produced < 300:
                    if fake.record(record(produced)):
                        produced += 1
                    else:
                        await asyncio.sleep(0.001)

            async def beat():
                while True:
                    await transport.heartbeat()
                    await asyncio.sleep(0.01)

            beating = asyncio.ensure_future(beat())
            producing = asyncio.ensure_future(produce())
            reading = asyncio.ensure_future(read_records(transport, 300))
            for value in range(40):
                await device.write("feed.udp_port", value)
            assert await asyncio.wait_for(reading, 20) == list(range(300))
            await producing
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            writes = [value for name, value in fake.registers.writes if name == "feed.udp_port"]
            assert writes == list(range(40))
    asyncio.run(story())


def test_a_cancelled_caller_does_not_disturb_the_next_one():
    async def story():
        fake = FakeAppliance()
        async with connected(fake) as transport:
            device = await Device.open(transport)
            fake.mute = True
            task = asyncio.ensure_future(device.write("feed.udp_port", 1))
            await asyncio.sleep(0.03)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            fake.mute = False
            await device.write("feed.udp_port", 2)
            assert [value for name, value in fake.registers.writes
                    if name == "feed.udp_port"] == [1, 2]
    asyncio.run(story())


def test_a_reader_that_stops_and_goes_on_loses_nothing():
    async def story():
        fake = FakeAppliance(ring_records=400)
        async with connected(fake, credit=32) as transport:
            for number in range(200):
                assert fake.record(record(number))
            await asyncio.sleep(0.1)   # the window is closed by now
            assert await asyncio.wait_for(read_records(transport, 200), 10) == list(range(200))
    asyncio.run(story())


def test_silence_is_unreachable_and_a_new_session_goes_on():
    async def story():
        fake = FakeAppliance()
        async with connected(fake, timeout_s=0.1) as transport:
            device = await Device.open(transport)
            fake.mute = True
            with pytest.raises(ControlError) as caught:
                await device.read("identity.magic")
            assert caught.value.reason is Reason.DEVICE_UNREACHABLE
            assert not transport.is_open
            with pytest.raises(ControlError, match="there is no session"):
                await device.read("identity.magic")
            fake.mute = False
            fake.port.lease_ns = 0
            await transport.reopen()
            assert await device.read("identity.magic") == 0x5449434B
    asyncio.run(story())


def test_two_control_planes_exclude_each_other():
    async def story():
        fake = FakeAppliance()
        port = await fake.start()
        first = await UdpTransport.open("127.0.0.1", port)
        with pytest.raises(ControlError) as caught:
            await UdpTransport.open("127.0.0.1", port)
        assert caught.value.reason is Reason.DEVICE_BUSY
        second = await UdpTransport.open("127.0.0.1", port, take_over=True)
        with pytest.raises(ControlError, match="unknown session"):
            await first.exchange([Operation(0)])
        assert await second.exchange([Operation(0)]) == (0x5449434B,)
        await first.close()
        await second.close()
        assert fake.port.session == 0
        await fake.stop()
    asyncio.run(story())


@pytest.mark.parametrize("register, value, says", [
    ("identity.magic", 1, "no appliance"), ("identity.version", 0x00090000, "version must be"),
    ("identity.map_hash", 5, "map hash must be"),
    ("identity.profile_symbols", 0, "profile_symbols must be")])
def test_what_is_not_this_appliance_is_refused(register, value, says):
    async def story():
        fake = FakeAppliance()
        fake.registers.words[register] = value
        async with connected(fake) as transport:
            with pytest.raises(ControlError, match=says) as caught:
                await Device.open(transport)
            assert caught.value.reason is Reason.WRONG_DEVICE
    asyncio.run(story())


def test_heartbeats_reach_the_watchdog():
    async def story():
        fake = FakeAppliance()
        async with connected(fake) as transport:
            await transport.exchange([Operation(0)])   # opening has sent one
            before = fake.registers.beats
            for _ in range(5):
                await transport.heartbeat()
            await transport.exchange([Operation(0)])
            assert fake.registers.beats - before == 5
    asyncio.run(story())
