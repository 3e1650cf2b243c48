"""Every bit of every setting in the emitted Verilog: it keeps what was written, and no other's."""

import random
from collections.abc import Callable

import pytest

from proto.registers import MAGIC, Access, Location
from sim.appliance import Appliance

pytestmark = pytest.mark.e2e

WORD = 0xFFFFFFFF
#: Cycles from a commit until the row is in force.
COMMIT_CYCLES = 16


@pytest.fixture(scope="module")
def appliance():
    with Appliance() as found:
        yield found


def mask(location: Location) -> int:
    """Return the bits of a register that are settings."""
    return sum(field.mask for field in location.register.fields if field.access is Access.RW)


@pytest.mark.parametrize("pattern", [
    lambda bits: WORD, lambda bits: 0, random.Random(1).getrandbits, random.Random(2).getrandbits,
], ids=["ones", "zeros", "random", "other random"])
def test_every_setting_reads_what_was_written_to_it(appliance, pattern: Callable[[int], int]):
    wanted: dict[str, int] = {}
    commits = 0
    for location in appliance.map.locations:
        settings = mask(location)
        if settings:
            wanted[location.name] = pattern(32) & settings
            appliance.write(location.name, wanted[location.name])
        elif location.register.name == "commit":
            # What rows of an array read is in force; their words come before it, and all rows
            # have the same ones.
            appliance.write(location.name, 1)
            appliance.simulation.run(COMMIT_CYCLES)
            commits += 1
    assert len(wanted) > 100 and commits == 3 * appliance.symbols
    got = {name: appliance.read(name) & mask(appliance.map[name]) for name in wanted}
    assert got == wanted


def test_every_command_reads_zero_and_none_stops_the_rest(appliance):
    given = 0
    for location in appliance.map.locations:
        pulses = sum(field.mask for field in location.register.fields
                     if field.access is Access.PULSE)
        if pulses:
            appliance.write(location.name, pulses)
            assert appliance.read(location.name) & pulses == 0, location.name
            given += 1
    assert given > 20
    appliance.settle()
    while not appliance.read("control.status", "memories_cleared"):
        appliance.simulation.run(1000)
    assert appliance.read("identity.magic") == MAGIC
