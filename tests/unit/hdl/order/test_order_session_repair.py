"""The order session when frames are lost or the server takes none."""

import random

import pytest

from hdl.net.tcp_connection import CloseReason, TcpState
from hdl.orders import IntentKind
from tests.unit.hdl.order.bench import SessionBench
from tests.unit.hdl.order.requests import answer_orders, check_orders, enter


def random_requests(rng: random.Random, count: int) -> list[dict]:
    return [enter(n, quantity=rng.getrandbits(20), price=rng.getrandbits(31),
                  kind=rng.choice([IntentKind.ENTER, IntentKind.ENTER, IntentKind.CANCEL]),
                  user_ref_num=rng.getrandbits(32)) for n in range(count)]


@pytest.mark.parametrize("seed", range(6))
def test_loss_duplication_and_reordering_lose_nothing(seed):
    rng = random.Random(seed)
    # The sequence numbers of both sides wrap on the way.
    bench = SessionBench(seed=seed, lose=0.08, duplicate=0.05, reorder=0.1, sequence=0xFFFFFE00,
                         server={"initial_sequence": 0xFFFFFF80,
                                 "pieces": lambda: rng.randrange(1, 120)})
    requests = random_requests(rng, 25)

    async def scenario():
        answer_orders(bench)
        await bench.until(bench.up, 12_000)
        for request in requests:
            bench.request(**request)
            await bench.step(rng.choice([0, 0, 30, 100]))
        enters = sum(r["kind"] == IntentKind.ENTER for r in requests)
        await bench.until(lambda: len(bench.answers) == enters
                          and len(bench.soup.unsequenced) == len(requests), 40_000)

    bench.run(scenario)
    check_orders(bench, requests)


def test_zero_window_holds_orders_back_and_is_probed():
    bench = SessionBench()
    requests = [enter(n) for n in range(4)]

    async def scenario():
        answer_orders(bench)
        await bench.until(bench.up)
        bench.request(**requests[0])
        await bench.until(lambda: len(bench.answers) == 1)
        bench.server.window = 0
        bench.server.announce()
        await bench.step(200)
        for request in requests[1:]:
            bench.request(**request)
        await bench.until(lambda: bench.stats.get("stat_connection_probed", 0) >= 4)
        assert bench.waiting == 3 and bench.up()
        # The probes keep the connection, then one of them finds the window open.
        bench.server.window = 65535
        await bench.until(lambda: len(bench.answers) == 4, 40_000)

    bench.run(scenario)
    check_orders(bench, requests)


def test_silent_peer_is_given_up_after_all_retries():
    bench = SessionBench(settings={"retries": 3})

    async def scenario():
        await bench.until(bench.up)
        bench.filter = lambda to_server, frame: False
        bench.request(**enter(0))
        bench.request(**enter(1))
        await bench.until(lambda: not bench.up(), 40_000)
        await bench.step(100)
        assert bench.ctx.get(bench.dut.tcp_state) == TcpState.CLOSED
        assert bench.ctx.get(bench.dut.close_reason) == CloseReason.TIMEOUT
        assert bench.stats["stat_connection_retransmitted"] == 3

    bench.run(scenario)
    resets = [frame for _, frame in bench.frames if frame[12:14] == b"\x08\x00" and frame[47] & 4]
    assert len(resets) == 1


def test_what_follows_a_long_silence_is_sent_once():
    bench = SessionBench()

    async def scenario():
        answer_orders(bench)
        await bench.until(bench.up)
        for number in range(3):
            await bench.step(200)
            bench.skipped_ns += 500_000     # many times the retransmission time
            await bench.step(20)
            bench.request(**enter(number))
            await bench.until(lambda count=number + 1: len(bench.answers) == count)

    bench.run(scenario)
    assert "stat_connection_retransmitted" not in bench.stats


def test_no_order_leaves_while_lost_data_are_outstanding():
    bench = SessionBench()

    async def scenario():
        await bench.until(bench.up)
        await bench.step(200)
        bench.filter = lambda to_server, frame: not to_server
        bench.request(**enter(0))
        await bench.until(lambda: bench.stats.get("stat_connection_retransmitted") == 1)
        bench.request(**enter(1))
        await bench.step(200)
        assert bench.waiting == 1
        bench.filter = lambda to_server, frame: True
        await bench.until(lambda: len(bench.soup.unsequenced) == 2)

    bench.run(scenario)
    check_orders(bench, [enter(0), enter(1)])


def test_third_duplicate_acknowledgment_repairs_before_the_timer():
    bench = SessionBench(settings={"retransmit_ns": 4_000_000_000})
    requests = [enter(n) for n in range(6)]

    async def scenario():
        await bench.until(bench.up)
        await bench.step(200)
        drops = iter([False])
        bench.filter = lambda to_server, frame: not to_server or len(frame) < 100 \
            or next(drops, True)
        for request in requests:
            bench.request(**request)
        await bench.step(900)
        assert len(bench.soup.unsequenced) == 6
        assert bench.stats["stat_connection_retransmitted"] == 1

    bench.run(scenario)
    check_orders(bench, requests)
