"""Cycles from the pins of the feed port to the top of the book, by the simulated appliance."""

import struct

import pytest

from sim.appliance import Appliance, SymbolSettings
from sim.framing import FeedAddress, frame_messages
from sim.library import FrameFlag, byte_cycle

pytestmark = pytest.mark.e2e

#: From the transfer of a top of book to the cycle that its record is stamped with.
RECORDER_CYCLES = 2


def add(reference: int, price: int) -> bytes:
    return (b"A" + struct.pack(">HH6xQ", 1, 0, reference) + b"B" + struct.pack(">I", 100) +
            b"SYM1    " + struct.pack(">I", price))


def delete(reference: int) -> bytes:
    return b"D" + struct.pack(">HH6xQ", 1, 0, reference)


def other(length: int) -> bytes:
    """Return a message of a symbol that is not watched and a type that does not exist."""
    return b"~" + struct.pack(">H", 2) + bytes(length - 3)


def measure(cut_through: int, lane: FrameFlag, trigger) -> set[int]:
    """Return the latency of `trigger(n)`, last byte to top of book, at every place of a beat."""
    found = set()
    with Appliance() as appliance:
        appliance.watch([SymbolSettings("SYM1", 1, 100)])
        appliance.configure_feed(FeedAddress())
        appliance.write("control.fcs_mode", cut_through)
        simulation = appliance.simulation
        offset = simulation.now_cycles - simulation.cycle
        sequence = 1
        for shift in range(8):
            for message in trigger(shift):
                messages = [other(20 + shift), message]
                datagram, = frame_messages(messages, FeedAddress(), first_sequence=sequence)
                sequence += len(messages)
                appliance.send_frames([datagram.frame], flags=lane)
                appliance.settle()
                start = int(simulation.starts()[0])
                event, = appliance.events()
                stamp = int(event["cycle"]) - RECORDER_CYCLES - offset
                assert int(event["ingress_cycle"]) - offset == start // 8 + 3
                if message == trigger(shift)[-1]:
                    found.add(stamp - byte_cycle(start, len(datagram.frame) - 1))
    return found


def improving_add(shift: int) -> list[bytes]:
    return [add(100 + shift, 1_000_000 + 100 * shift)]


def deleted_best(shift: int) -> list[bytes]:
    return [add(100 + shift, 1_000_000), delete(100 + shift)]


@pytest.mark.parametrize(("trigger", "cycles"), [(improving_add, 10), (deleted_best, 15)])
def test_cut_through_latency(trigger, cycles):
    assert measure(1, FrameFlag.LANE_0, trigger) == {cycles}
    # Start in lane 4: the upper half of a beat comes with the next word.
    assert measure(1, FrameFlag.LANE_4, trigger) == {cycles, cycles + 1}


def test_store_and_forward_waits_for_the_fcs():
    # The frame of 15 or 16 beats is passed on from its first beat once its last proved good.
    assert measure(0, FrameFlag.LANE_0, improving_add) == {28, 29}
