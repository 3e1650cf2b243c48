"""The control plane's transport against the Verilated management port, over a real UDP socket."""

import asyncio
import random
import threading
from contextlib import contextmanager

import pytest

from control.device import Operation
from control.errors import ControlError, Reason
from control.transport.udp import UdpTransport
from sim import verilate
from sim.library import Simulation
from sim.management_bridge import ManagementBridge
from sim.running import run_managed
from tests.support.management_bench import ADDED, BEATS, MAKE_RECORDS, record_bytes
from tests.support.management_line import HOSTS, arp_request, datagram, frame

WINDOW = 32


class BadBridge(ManagementBridge):
    """A bridge over a line that loses, repeats and reorders."""

    def __init__(self, seed: int, chance: float) -> None:
        super().__init__()
        self.rng = random.Random(seed)
        self.chance = chance
        self.late: list[bytes] = []

    def damage(self, frames):
        out = []
        for one in frames:
            fate = self.rng.random() / self.chance if self.chance else 9
            if fate < 1:
                continue
            if fate < 1.5:
                out.append(one)
            if fate < 2:
                self.late.append(one)
            else:
                out.append(one)
        if self.late and self.rng.random() < 0.3:
            out.append(self.late.pop(self.rng.randrange(len(self.late))))
        return out

    def frames(self):
        return self.damage(super().frames())

    def deliver(self, frames):
        super().deliver(self.damage(frames))


@contextmanager
def running(seed: int = 1, chance: float = 0.0):
    """Run the bench in a thread; yield the bridge."""
    library = verilate.build(verilate.emit("tests.support.management_bench:bench",
                                           {"window_records": WINDOW}))
    stop = threading.Event()
    with Simulation(library) as simulation, BadBridge(seed, chance) as bridge:
        thread = threading.Thread(target=run_managed, args=(
            simulation, bridge, lambda: not stop.is_set()))
        thread.start()
        try:
            yield bridge
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("seed, chance", [(1, 0.0), (2, 0.15), (3, 0.3)])
def test_each_request_takes_effect_once_and_no_record_is_lost(seed, chance):
    async def story(bridge):
        transport = await UdpTransport.open("127.0.0.1", bridge.port, retry_s=0.02, timeout_s=20,
                                            credit=48)
        rng = random.Random(seed)
        total, wanted = 0, 400
        await transport.exchange([Operation(MAKE_RECORDS, wanted)])
        found: list[bytes] = []

        async def watch():
            async for record in transport.events():
                found.append(record)
                if len(found) == wanted:
                    return

        async def beat():
            while True:
                await asyncio.sleep(0.01)
                await transport.heartbeat()

        watching, beating = asyncio.ensure_future(watch()), asyncio.ensure_future(beat())
        for _ in range(40):
            values = [rng.getrandbits(20) for _ in range(rng.randrange(1, 60))]
            total += sum(values)
            got = await transport.exchange([Operation(ADDED, value) for value in values]
                                           + [Operation(ADDED)])
            assert got == (0,) * len(values) + (total % 2**32,)
        await asyncio.wait_for(watching, 60)
        beating.cancel()
        assert found == [record_bytes(number) for number in range(wanted)]
        assert (await transport.exchange([Operation(BEATS)]))[0] > 0
        await transport.close()

    with running(seed, chance) as bridge:
        asyncio.run(story(bridge))
        assert bridge.bad == 0 and bridge.received > 0


def test_a_second_control_plane_is_told_that_the_appliance_is_busy_or_takes_over():
    async def story(bridge):
        first = await UdpTransport.open("127.0.0.1", bridge.port)
        with pytest.raises(ControlError) as caught:
            await UdpTransport.open("127.0.0.1", bridge.port)
        assert caught.value.reason is Reason.DEVICE_BUSY
        second = await UdpTransport.open("127.0.0.1", bridge.port, take_over=True)
        with pytest.raises(ControlError, match="unknown session"):
            await first.exchange([Operation(0)])
        await second.exchange([Operation(0, 77)])
        assert await second.exchange([Operation(0)]) == (77,)
        await second.close()
        await first.close()

    with running() as bridge:
        asyncio.run(story(bridge))


def test_the_bridge_drops_what_is_no_datagram_of_the_appliance():
    with ManagementBridge() as bridge:
        answer = frame(datagram(0x85), HOSTS[0]) + bytes(4)
        bridge.deliver([b"", arp_request(HOSTS[0]) + bytes(4), answer])
        assert (bridge.received, bridge.bad) == (0, 0)
        assert bridge.frames() == [] and not bridge.wait(0)
