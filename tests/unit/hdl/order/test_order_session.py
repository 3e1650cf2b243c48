"""The order session against a golden server: orders, answers and how soon they leave."""

import random
from itertools import pairwise

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from hdl.order.soupbin_session import SessionState
from sim.golden import ouch
from tests.unit.hdl.order.bench import SessionBench
from tests.unit.hdl.order.requests import accepted, check_answers, enter


def test_session_logs_in_and_orders_are_answered():
    bench = SessionBench()

    async def scenario():
        await bench.until(bench.up)
        assert bench.soup.login == b"TEST  PASSWORD  " + b" " * 10 + b"%20d" % 1
        bench.on_unsequenced = lambda payload: bench.messages.append(
            accepted(len(bench.messages), payload))
        for number in range(5):
            bench.request(**enter(number))
        await bench.until(lambda: len(bench.answers) == 5)

    bench.run(scenario)
    assert [m[:1] for m in bench.soup.unsequenced] == [b"O"] * 5
    assert [int.from_bytes(m[1:5], "big") for m in bench.soup.unsequenced] == [1, 2, 3, 4, 5]
    assert [s["user_ref_num"] for s in bench.sent] == [1, 2, 3, 4, 5]
    assert [s["tag"] for s in bench.sent] == [0, 1, 2, 3, 4]
    # Start is at the pins one cycle after the transfer, which is what egress_cycles says.
    assert [s["egress_cycles"] for s in bench.sent] == [cycle + 1 for cycle in bench.transfers]
    starts = {cycle for cycle, _ in bench.frames}
    assert {s["egress_cycles"] for s in bench.sent} <= starts
    for index, answer in enumerate(bench.answers):
        golden = ouch.decode(bench.messages[index], index + 1)
        assert answer["kind"].name == golden.kind
        for name in ("user_ref_num", "quantity", "price", "order_reference", "reason",
                     "timestamp_ns", "sequence"):
            assert answer[name] == getattr(golden, name), name


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_answers_may_be_cut_at_any_byte(size):
    bench = SessionBench(server={"pieces": lambda: size}, messages=[
        accepted(n, b"O" + n.to_bytes(4, "big") + bytes(range(40))) for n in range(3)])

    async def scenario():
        await bench.until(lambda: len(bench.answers) == 3, 12_000)

    bench.run(scenario)
    check_answers(bench)


def test_burst_of_answers_larger_than_the_window():
    bench = SessionBench(messages=[
        accepted(n, b"O" + n.to_bytes(4, "big") + bytes(40)) for n in range(96)])

    async def scenario():
        await bench.until(lambda: len(bench.answers) == 96, 30_000)

    bench.run(scenario)
    check_answers(bench)
    assert "stat_connection_retransmitted" not in bench.stats


def test_debug_packets_end_of_session_and_account_query():
    bench = SessionBench()

    async def scenario():
        await bench.until(bench.up)
        bench.server.send(b"\0\5+abcd\0\1+")
        bench.ctx.set(bench.dut.query, 1)
        await bench.step()
        bench.ctx.set(bench.dut.query, 0)
        await bench.until(lambda: bench.soup.unsequenced == [b"Q"])
        bench.messages.append(b"Q" + bytes(8) + (77).to_bytes(4, "big"))
        await bench.until(lambda: bench.ctx.get(bench.dut.next_user_ref_num) == 77)
        assert bench.up() and bench.ctx.get(bench.dut.next_sequence) == 2
        bench.server.send(b"\0\1Z")
        await bench.until(lambda: not bench.up())
        assert bench.ctx.get(bench.dut.session_state) == SessionState.ENDED

    bench.run(scenario)


def test_enter_orders_leave_every_sixteen_cycles_and_wait_at_most_eighteen_for_another_frame():
    bench = SessionBench()
    requests = [enter(n) for n in range(12)]

    async def scenario():
        await bench.until(bench.up)
        await bench.step(200)
        for request in requests:
            bench.request(**request)
        await bench.until(lambda: len(bench.sent) == 12)
        # Heartbeats of the server are acknowledged beside orders that come one at a time.
        for n in range(40):
            bench.server.send(b"\0\1H")
            await bench.step(40 + n % 17)
            bench.request(**enter(20 + n))
            asked = bench.cycle
            await bench.step(20)
            assert bench.waiting == 0
            assert bench.transfers[-1] - asked <= 18

    bench.run(scenario)
    cycles = bench.transfers[:12]
    assert {after - before for before, after in pairwise(cycles)} == {16}


def test_orders_wait_at_most_eighteen_cycles_for_frames_of_services():
    bench = SessionBench()
    rng = random.Random(12)

    async def scenario():
        await bench.until(bench.up)
        await bench.step(200)
        bench.ctx.set(bench.dut.version_3, 1)
        bench.ctx.set(bench.dut.group, 0xE9360C6F)
        waits = []
        for turn in range(12):
            bench.skipped_ns += 1 << 20
            before = len(bench.frames)
            if turn % 3 == 2:
                bench.ctx.set(bench.dut.membership, 1)
            else:
                bench.inject(bytes(Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:99")
                                   / IP(src="10.0.0.9", dst="10.0.0.1") / ICMP(id=turn)
                                   / rng.randbytes(82)))
            while not bench.service_waits():
                await bench.step()
            bench.ctx.set(bench.dut.membership, 0)
            await bench.step(78 + turn // 2)
            bench.request(**enter(turn))
            asked = bench.cycle
            await bench.step(24)
            assert bench.waiting == 0
            waits.append(bench.transfers[-1] - asked)
            await bench.step(40)
            echoes = [f for _, f in bench.frames[before:] if f[23] == 1]
            assert len(echoes) == (turn % 3 != 2)
        assert 12 <= max(waits) <= 18
        assert bench.stats["stat_services_icmp_replies"] == 8
        assert bench.stats["stat_services_igmp_sent"] == 4

    bench.run(scenario)
