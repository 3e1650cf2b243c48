"""Kill over gRPC, and a control plane killed by signal 9, in every phase of an order.

Every process but the appliance and the venue is real: ``tickwire serve``, and a person who calls
``tickwire kill``. The test delivers the datagram with the kill in the cycle of its choice.
"""

import json
import os
import pickle
from dataclasses import dataclass

import pytest

from proto.events import StateFlag
from proto.wire.management import LEASE_NS, Kind
from tests.support.managed import PERIOD, Managed

pytestmark = pytest.mark.e2e

#: Word with the last byte of the datagram's frame at the management port's pins, to the first cycle
#: in which no frame with a new order starts any more; the port has nothing else to do.
KILL_CYCLES = 31

#: What is added at most while the port sends event records: one datagram of 21.
BUSY_CYCLES = 384

#: First cycle in which the appliance says that it is killed, to the same end.
GATE_CYCLES = 1

#: How long the record that says so may wait for those of orders.
RECORD_CYCLES = 4

#: First cycle in which the last heartbeat is older than the timeout, to the same end.
WATCHDOG_CYCLES = 4

#: Words of an order's frame; the gap follows.
FRAME_CYCLES = 15

#: Where the appliance becomes killed, from Start of an order: while its trigger arrives and is
#: decided on; each cycle around Start, every word and the end of its frame, and the gap; while the
#: answer is awaited and taken.
PHASES = (*range(-32, -8, 4), *range(-8, FRAME_CYCLES + 6),
          *range(FRAME_CYCLES + 6, PERIOD - 32, 8))

TIMEOUT_NS = 50_000_000
#: Last word of a heartbeat at the port's pins, to the cycle whose time the watchdog remembers.
BEAT_CYCLES = 26

RETRANSMIT_NS = 200_000_000
#: From Start of an order to Start of its repetition, beyond that time.
AGAIN_CYCLES = 58


@dataclass(frozen=True)
class Outcome:
    """What was seen of a kill; cycles are those of the pins."""

    killed: int
    enters: list[int]
    cancels: list[int]
    cause: int


def settle(managed: Managed) -> None:
    """Let everything come to an end, the records on their way to the host included."""
    managed.run(512)
    while managed.turn():
        pass


def prepare(managed: Managed, *, quiet: bool = True) -> bytes:
    """Arm, let an order rest, and ask for a kill; return the frame that would bring it."""
    assert managed.ask("arm", "--yes")["status"] == 0
    managed.rest()
    settle(managed)
    managed.withheld.clear()
    managed.withhold = lambda payload: (
        managed.is_kill(payload) or (quiet and managed.is_of(Kind.ACKNOWLEDGE, payload)))
    if quiet:
        managed.fill_window()
    managed.begin("kill", "--reason", "a test", "--output", "json")
    while not (found := [frame for frame in managed.withheld
                         if managed.is_kill(frame[managed.payload:])]):
        managed.turn(pause_s=0.002)
    managed.line.received.clear()
    managed.states.clear()
    return found[0]


def kills(managed: Managed) -> list[dict]:
    """Return the records that say that the appliance is killed."""
    return [state for state in managed.states if state["flags"] & StateFlag.KILLED]


def complete(managed: Managed) -> Outcome:
    """Let the kill be answered, check what people are told, and forget it; return what was seen."""
    managed.withhold = lambda payload: False
    answer = managed.finish()
    assert answer["status"] == 0, answer["said"]
    risk = json.loads(answer["out"])["risk"]
    assert (risk["armed"], risk["killed"], risk["causes"], risk["reason"]) == (
        False, True, ["operator"], "a test")
    # The host repeats with its next heartbeat the acknowledgement that was withheld.
    managed.until(lambda: bool(kills(managed)))
    record = kills(managed)[0]
    assert not record["flags"] & StateFlag.ARMED
    assert not managed.resting    # the cancel has been confirmed
    held = json.loads(managed.ask("positions", "--output", "json")["out"])
    assert not any(row["orders_buy"] or row["orders_sell"] for row in held["positions"])
    cleared = managed.ask("kill", "clear", "--reason", "go on")
    assert cleared["status"] == 0, cleared["said"]
    return Outcome(record["cycle"] - managed.cycle_offset, managed.starts(b"O"),
                   managed.starts(b"X"), record["cause"])


@pytest.fixture(scope="module")
def managed():
    with Managed() as managed:
        managed.serve("--heartbeat-ms", "20")
        assert managed.ask("arm", "--yes")["status"] == 0
        managed.learn_order_cycles()
        assert managed.ask("disarm")["status"] == 0
        yield managed


def test_kill_over_grpc_in_every_phase_of_an_order(managed):
    last = 0
    for phase in PHASES:
        frame = prepare(managed)
        number = len(managed.line.requests)
        begin = managed.simulation.cycle + PERIOD
        managed.flow(begin, 8)
        third = begin + 2 * PERIOD + managed.order_cycles
        words = managed.frame_cycles(frame)
        arrived = managed.to_management(
            frame, third + phase - (KILL_CYCLES - GATE_CYCLES) - words)
        managed.run(11 * PERIOD)
        came = arrived()
        outcome = complete(managed)
        assert came + KILL_CYCLES - GATE_CYCLES == third + phase
        assert third + phase <= outcome.killed <= third + phase + RECORD_CYCLES
        wanted = [begin + managed.order_cycles + PERIOD * place for place in range(8)]
        assert outcome.enters == [start for start in wanted if start < came + KILL_CYCLES]
        last = max(last, outcome.enters[-1] - came)
        assert outcome.cancels and min(outcome.cancels) > outcome.killed
        requests = [message[:1] for message in managed.line.requests[number:]]
        assert requests.count(b"O") == len(outcome.enters)
        assert requests.count(b"X") == len(outcome.cancels)
    assert last == KILL_CYCLES - 1
    status = json.loads(managed.ask("status", "--output", "json")["out"])["status"]
    assert not status["armed"] and not status["killed"] and status["session_up"]
    counters = managed.ask("counters", "--output", "json")["out"]
    assert '"risk.refused_killed"' in counters


def test_kill_over_grpc_waits_for_one_datagram_of_event_records_at_most(managed):
    waited = []
    for phase in range(0, 400, 40):
        frame = prepare(managed, quiet=False)
        begin = managed.simulation.cycle + PERIOD
        managed.flow(begin, 12, noisy=True)
        arrived = managed.to_management(frame, begin + 3 * PERIOD + phase)
        managed.run(16 * PERIOD)
        managed.deliver()
        came = arrived()
        outcome = complete(managed)
        waited.append(outcome.killed - came - (KILL_CYCLES - GATE_CYCLES))
        assert len(outcome.enters) >= 2
        assert max(outcome.enters) < outcome.killed + GATE_CYCLES
        assert max(outcome.enters) < came + KILL_CYCLES + BUSY_CYCLES
        assert outcome.cancels and min(outcome.cancels) > outcome.killed
    assert 0 < max(waited) <= BUSY_CYCLES


def test_kill_over_grpc_while_an_order_is_sent_again(managed):
    for phase in range(-24, 44, 4):
        frame = prepare(managed)
        number = len(managed.line.requests)
        managed.deaf = True
        managed.flow(managed.simulation.cycle + PERIOD, 1)
        managed.run(2 * PERIOD)
        first, = managed.starts(b"O")
        # The clock jumps. Records are sent again as well, and that has ended when the order is.
        again = managed.simulation.cycle + 40 * PERIOD
        managed.jump_to(managed.time_at(first) + RETRANSMIT_NS,
                        cycles=again - AGAIN_CYCLES - managed.simulation.cycle)
        # The second of these waits for what is sent again, and must not leave after the kill.
        begin = again - PERIOD - managed.order_cycles - 20
        managed.flow(begin, 6)
        arrived = managed.to_management(
            frame, again + phase - (KILL_CYCLES - GATE_CYCLES) - managed.frame_cycles(frame))
        managed.run(again + 6 * PERIOD - managed.simulation.cycle)
        came = arrived()
        sent = [one for one in managed.line.received if one.frame[54:-4]]
        repeated = [one for one in sent[1:] if one.frame[38:42] == sent[0].frame[38:42]]
        # A cycle more where the clock's nanoseconds fall differently: 6.4 of them are a cycle.
        assert len(repeated) == 1 and repeated[0].start // 8 - again in (0, 1)
        assert repeated[0].frame[54:-4].startswith(sent[0].frame[54:-4])
        managed.deaf = False
        managed.jump(8 * RETRANSMIT_NS)
        outcome = complete(managed)
        assert again + phase == came + KILL_CYCLES - GATE_CYCLES
        assert again + phase <= outcome.killed <= again + phase + RECORD_CYCLES
        assert outcome.enters == [first, begin + managed.order_cycles]
        # What was open at the venue, or on its way there, is cancelled, and the venue gets all.
        requests = [message[:1] for message in managed.line.requests[number:]]
        assert requests == [b"O"] * len(outcome.enters) + [b"X"] * (1 + len(outcome.enters))


def test_a_host_that_takes_no_records_is_a_kill_and_none_is_lost(managed):
    assert managed.ask("arm", "--yes")["status"] == 0
    managed.rest()
    settle(managed)
    managed.line.received.clear()
    managed.states.clear()
    managed.withhold = lambda payload: managed.is_of(Kind.ACKNOWLEDGE, payload)
    managed.flow(managed.simulation.cycle + PERIOD, 120)
    managed.run(124 * PERIOD)
    enters = managed.starts(b"O")
    assert 40 < len(enters) < 120 and enters[-1] < managed.simulation.cycle - 10 * PERIOD
    assert not managed.resting and managed.starts(b"X")
    # What came after the kill has found room, and reaches the host as soon as that takes it.
    managed.withhold = lambda payload: False
    managed.until(lambda: bool(kills(managed)))
    settle(managed)
    assert managed.numbers == list(range(managed.numbers[0], managed.numbers[-1] + 1))
    assert managed.appliance.counters()["events.lost"] == 0
    status = json.loads(managed.ask("status", "--output", "json")["out"])["status"]
    assert (status["armed"], status["killed"]) == (False, True)
    assert status["kill_causes"] == ["events_full"] and status["events_lost"] == 0
    assert managed.ask("kill", "clear", "--reason", "records move again")["status"] == 0


def expire(managed: Managed, phase: int, killed: int) -> dict:
    """Let orders flow so that cycle `killed` is in a phase of the third; return what was seen."""
    begin = killed - phase - 2 * PERIOD - managed.order_cycles
    managed.line.received.clear()
    managed.states.clear()
    number = len(managed.line.requests)
    managed.flow(begin, 8)
    assert begin > managed.simulation.cycle
    managed.run(begin + 12 * PERIOD - managed.simulation.cycle)
    managed.deliver()
    cause = managed.appliance.map["risk.cause"].register.field("watchdog").mask
    return {
        "first": begin + managed.order_cycles,
        "killed": [kill["cycle"] - managed.cycle_offset for kill in kills(managed)],
        "enters": managed.starts(b"O"), "cancels": managed.starts(b"X"),
        "requests": b"".join(one[:1] for one in managed.line.requests[number:]),
        "resting": len(managed.resting), "only_watchdog": managed.appliance.read(
            "risk.cause") == cause, "killed_now": managed.appliance.read("risk.state", "killed"),
        "armed_now": managed.appliance.read("risk.state", "armed"),
    }


def in_a_copy(work) -> dict:
    """Return what `work` returns in a copy of this process, which goes on from its state."""
    source, sink = os.pipe()
    child = os.fork()
    if not child:
        try:
            with open(sink, "wb") as out:
                pickle.dump(work(), out)
        finally:
            os._exit(0)
    os.close(sink)
    with open(source, "rb") as answer:
        content = answer.read()
    os.waitpid(child, 0)
    return pickle.loads(content)


def last_heartbeat(managed: Managed) -> bytes:
    """Keep back what the control plane sends until there is a heartbeat; kill it; return that."""
    managed.withheld.clear()
    managed.withhold = lambda payload: True
    while not any(managed.is_of(Kind.HEARTBEAT, frame[managed.payload:])
                  for frame in managed.withheld):
        managed.turn(pause_s=0.002)
    managed.server.kill()
    managed.turn()
    beats = [frame for frame in managed.withheld
             if managed.is_of(Kind.HEARTBEAT, frame[managed.payload:])]
    return beats[-1]


def outlive(managed: Managed) -> int:
    """Kill the control plane and let the clock jump; return the cycle in which the time is up."""
    beat = last_heartbeat(managed)
    arrived = managed.to_management(beat, managed.simulation.cycle + 8)
    managed.run(256)
    beat_ns = managed.time_at(arrived() + BEAT_CYCLES)
    ahead = 6 * PERIOD
    managed.jump_to(beat_ns + TIMEOUT_NS, cycles=ahead)
    managed.simulation.run(8)
    expiry = managed.cycle_at(beat_ns + TIMEOUT_NS)
    assert 0 < expiry - managed.simulation.cycle < ahead
    return expiry


def check(seen: dict, killed: int, phase: int) -> None:
    """Check what was seen around the cycle in which the appliance becomes killed."""
    said, = seen["killed"]
    assert killed <= said <= killed + RECORD_CYCLES
    wanted = [seen["first"] + PERIOD * place for place in range(8)]
    assert seen["enters"] == [start for start in wanted if start < killed + GATE_CYCLES]
    assert len(seen["enters"]) == 2 + (phase > -GATE_CYCLES)
    assert seen["cancels"] and min(seen["cancels"]) > killed and not seen["resting"]
    assert seen["requests"].count(b"O") == len(seen["enters"])
    assert seen["requests"].count(b"X") == len(seen["cancels"])
    assert (seen["killed_now"], seen["armed_now"], seen["only_watchdog"]) == (1, 0, True)


def test_a_control_plane_killed_by_signal_9_stops_orders_in_every_phase():
    with Managed() as managed:
        managed.serve("--heartbeat-ms", "20")
        limits = managed.ask("limits", "session", "--watchdog-ns", str(TIMEOUT_NS))
        assert limits["status"] == 0, limits["said"]
        for real, phases in ((0, range(-32, PERIOD - 32)), (FRAME_CYCLES // 2, ())):
            assert managed.ask("arm", "--yes")["status"] == 0
            managed.learn_order_cycles()
            managed.rest()
            settle(managed)
            expiry = outlive(managed)
            killed, = in_a_copy(
                lambda expiry=expiry: expire(managed, PERIOD // 2, expiry))["killed"]
            # Where time is up is known to a cycle: the clock counts nanoseconds.
            assert killed + GATE_CYCLES in (expiry + WATCHDOG_CYCLES, expiry + WATCHDOG_CYCLES - 1)
            for phase in phases:
                check(in_a_copy(lambda phase=phase, killed=killed: expire(managed, phase, killed)),
                      killed, phase)
            check(expire(managed, real, killed), killed, real)
            # The next control plane finds what has happened.
            managed.withhold = lambda payload: False
            managed.jump(LEASE_NS)
            managed.serve("--heartbeat-ms", "20")
            status = json.loads(managed.ask("status", "--output", "json")["out"])["status"]
            assert (status["armed"], status["killed"]) == (False, True)
            assert status["kill_causes"] == ["watchdog"]
            refused = managed.ask("arm", "--yes")
            assert refused["status"] == 3 and "was killed" in refused["said"]
            cleared = managed.ask("kill", "clear", "--reason", "a new control plane")
            assert cleared["status"] == 0, cleared["said"]
