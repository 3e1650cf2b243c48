"""The simulated appliance as a process, managed over UDP as a board would be."""

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from control.device import Device
from control.transport.udp import UdpTransport
from proto.events import HEADER
from proto.registers import register_map

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def appliance():
    """Run the process; yield its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sim", "run", "--profile", "bench", "--port", "0"], cwd=ROOT,
        stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("managed at 127.0.0.1:"), line
        yield int(line.rpartition(":")[2])
    finally:
        process.terminate()
        assert process.wait(timeout=20) == 0
        process.stdout.close()


async def story(port: int) -> None:
    transport = await UdpTransport.open("127.0.0.1", port)
    device = await Device.open(transport)
    assert device.symbols == 8
    assert device.map.hash == register_map(symbols=8).hash

    # Settings, whole rows of them, and read back.
    await device.write_many({
        "limits[3].maximum_quantity": 500, "limits[3].maximum_value_lo": 7,
        "limits[3].maximum_value_hi": 1, "limits[3].commit": 1})
    row = await device.read_block("limits[3]")
    assert (row["maximum_quantity"], row["maximum_value_lo"]) == (500, 7)

    # A kill is seen in the registers and in the event records.
    await device.pulse("risk.command", "kill")
    assert (await device.read_flags("risk.state"))["killed"] == 1
    async for record in transport.events():
        assert HEADER.decode_from(record)["schema_version"] == 1
        break

    # Only heartbeats let it be armed.
    await device.pulse("risk.command", "clear_kill")
    await device.write_many({"risk.watchdog_timeout_lo": 500_000_000,
                             "risk.watchdog_timeout_hi": 0})
    await device.pulse("risk.command", "arm")
    assert (await device.read_flags("risk.state"))["armed"] in (0, 1)
    await transport.heartbeat()
    await device.pulse("risk.command", "arm")
    assert (await device.read_flags("risk.state"))["armed"] == 1
    await asyncio.sleep(0.7)
    state = await device.read_flags("risk.state")
    assert (state["armed"], state["killed"]) == (0, 1)
    assert (await device.read_flags("risk.cause"))["watchdog"] == 1
    counters = await device.read_block("counters")
    assert counters["management_heartbeats"] >= 2 and counters["management_opened"] == 1
    await transport.close()


def test_a_control_plane_reaches_the_simulated_appliance_as_it_reaches_a_board():
    with appliance() as port:
        asyncio.run(story(port))
        asyncio.run(again(port))


async def again(port: int) -> None:
    """Open another session; the numbers of records go on, and so do the records."""
    transport = await UdpTransport.open("127.0.0.1", port)
    device = await Device.open(transport)
    assert (await device.read_flags("management.state"))["open"] == 1
    await device.pulse("risk.command", "clear_kill")
    async for record in transport.events():
        assert HEADER.decode_from(record)["event_sequence"] > 0
        break
    assert await device.read("counters.management_opened") == 2
    await transport.close()
