"""How an order session ends: by either side, a refusal, silence, an error of the protocol."""

import pytest

from hdl.net.tcp_connection import CloseReason, TcpState
from hdl.order.soupbin_session import SessionState
from tests.unit.hdl.order.bench import SessionBench
from tests.unit.hdl.order.requests import answer_orders, check_answers, check_orders, enter


def test_reset_of_the_peer_ends_the_session_and_it_can_be_opened_again():
    bench = SessionBench()
    requests = [enter(n) for n in range(4)]

    async def scenario():
        answer_orders(bench)
        await bench.until(bench.up)
        for request in requests[:2]:
            bench.request(**request)
        await bench.until(lambda: len(bench.answers) == 2)
        bench.server.reset()
        await bench.until(lambda: not bench.up())
        await bench.step(8)
        assert bench.ctx.get(bench.dut.session_state) == SessionState.DOWN
        assert bench.ctx.get(bench.dut.close_reason) == CloseReason.RESET
        # No order leaves while the session is down.
        bench.request(**requests[2])
        await bench.step(300)
        assert bench.waiting == 1
        before = bench.soup.unsequenced
        await reconnect(bench, 40001)
        for request in requests[3:]:
            bench.request(**request)
        await bench.until(lambda: len(bench.answers) == 4)
        bench.soup.unsequenced = before + bench.soup.unsequenced

    bench.run(scenario)
    check_orders(bench, requests)


async def reconnect(bench: SessionBench, port: int):
    """Toggle enable with another port, resuming where the answers stand."""
    ctx, dut = bench.ctx, bench.dut
    ctx.set(dut.cfg_enable, 0)
    await bench.step(8)
    ctx.set(dut.cfg_local_port, port)
    number = ctx.get(dut.next_sequence)
    ctx.set(dut.cfg_sequence, int.from_bytes(b"%20d" % number, "little"))
    ctx.set(dut.cfg_enable, 1)
    await bench.until(bench.up, 8000)
    assert int((bench.soup.login or b"")[26:]) == number


def test_close_of_the_peer_still_delivers_what_came_before():
    bench = SessionBench()

    async def scenario():
        answer_orders(bench)
        await bench.until(bench.up)
        bench.request(**enter(0))
        await bench.until(lambda: len(bench.answers) == 1)
        for _ in range(6):
            bench.messages.append(b"C" + bytes(8) + (1).to_bytes(4, "big") + bytes(4) + b"U")
        bench.soup.flush()
        bench.server.close()
        await bench.until(lambda: bench.server.state == "CLOSED")
        await bench.until(lambda: bench.ctx.get(bench.dut.tcp_state) == TcpState.CLOSED)
        assert bench.ctx.get(bench.dut.close_reason) == CloseReason.PEER
        await bench.until(lambda: len(bench.answers) == 7)
        assert not bench.up()

    bench.run(scenario)
    check_answers(bench)


@pytest.mark.parametrize("seed", range(3))
def test_disable_logs_out_and_closes(seed):
    bench = SessionBench(seed=seed, lose=0.15 if seed else 0.0)

    async def scenario():
        answer_orders(bench)
        await bench.until(bench.up, 12_000)
        bench.request(**enter(0))
        await bench.until(lambda: len(bench.answers) == 1, 12_000)
        bench.ctx.set(bench.dut.cfg_enable, 0)
        bench.request(**enter(1))
        await bench.until(lambda: bench.soup.logged_out, 12_000)
        assert not bench.up()
        bench.server.close()
        await bench.until(lambda: bench.server.state == "CLOSED", 20_000)
        await bench.until(lambda: bench.ctx.get(bench.dut.tcp_state) == TcpState.CLOSED, 20_000)
        assert bench.ctx.get(bench.dut.close_reason) == CloseReason.LOCAL
        assert bench.ctx.get(bench.dut.session_state) == SessionState.ENDED

    bench.run(scenario)
    assert len(bench.soup.unsequenced) <= 2


def test_simultaneous_close_ends_in_time_wait_then_closed():
    bench = SessionBench()

    async def scenario():
        await bench.until(bench.up)
        await bench.step(200)
        held = []
        bench.filter = lambda to_server, frame: to_server or bool(held.append(frame))
        bench.server.close()
        bench.ctx.set(bench.dut.cfg_enable, 0)
        await bench.until(lambda: bench.server.fin_received, 4000)
        bench.filter = lambda to_server, frame: True
        for frame in held:
            bench.inject(frame)
        await bench.until(lambda: bench.server.state == "CLOSED", 12_000)
        await bench.until(lambda: bench.ctx.get(bench.dut.tcp_state) == TcpState.CLOSED, 4000)

    bench.run(scenario)


def test_refused_login_closes_and_tells_the_reason():
    bench = SessionBench(refuse=b"S")

    async def scenario():
        await bench.until(lambda: bench.ctx.get(bench.dut.session_state) == SessionState.REJECTED)
        assert bench.ctx.get(bench.dut.reject_reason) == ord("S")
        bench.server.close()
        await bench.until(lambda: bench.server.state == "CLOSED")
        assert not bench.up()

    bench.run(scenario)


def test_refused_connection_is_told():
    bench = SessionBench()

    async def scenario():
        bench.filter = lambda to_server, frame: not to_server or frame[12:14] == b"\x08\x06"
        await bench.until(lambda: any(f[12:14] == b"\x08\x00" for _, f in bench.frames))
        frame = next(f for _, f in bench.frames if f[12:14] == b"\x08\x00")
        bench.server.client = (frame[6:12], 0x0A000001, 40000)
        # A reset that does not acknowledge the SYN is ignored, one that does is taken.
        for number in (7, int.from_bytes(frame[38:42], "big") + 1):
            bench.filter = lambda to_server, frame: not to_server
            bench.server.expected = number
            bench.server._emit(4 | 16, 0)
            await bench.step(200)
            state = bench.ctx.get(bench.dut.tcp_state)
            assert state == (TcpState.SYN_SENT if number == 7 else TcpState.CLOSED)
        assert bench.ctx.get(bench.dut.close_reason) == CloseReason.REFUSED

    bench.run(scenario)


def test_heartbeats_leave_when_nothing_else_does_and_silence_ends_the_session():
    bench = SessionBench(settings={"heartbeat_ns": 20_000, "peer_timeout_ns": 200_000})

    async def scenario():
        await bench.until(bench.up)
        for _ in range(6):
            await bench.step(150)
            bench.skipped_ns += 20_000
            bench.server.send(b"\0\1H")
        await bench.step(150)
        assert 6 <= bench.soup.heartbeats <= 8
        assert bench.stats["stat_soup_heartbeats"] >= 5
        beats = bench.soup.heartbeats
        for n in range(10):             # orders are traffic: no heartbeat beside them
            bench.request(**enter(n))
            await bench.step(100)
        assert bench.soup.heartbeats <= beats + 1
        await bench.until(lambda: not bench.up(), 6000)
        assert bench.stats["stat_soup_peer_timeout"] == 1
        await bench.step(200)
        assert bench.server.resets >= 1

    bench.run(scenario)


@pytest.mark.parametrize("bad", [b"\0\0", b"\0\1X", b"\0\2A ", b"\0\5H1234", b"\0\x02J"])
def test_protocol_errors_reset_the_connection(bad):
    bench = SessionBench()

    async def scenario():
        await bench.until(bench.up)
        bench.server.send(bad)
        await bench.until(lambda: not bench.up())
        await bench.step(200)
        assert bench.stats["stat_soup_protocol_error"] == 1
        assert bench.server.resets == 1

    bench.run(scenario)
