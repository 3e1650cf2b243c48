"""The order session against a golden server."""

import random
from itertools import pairwise

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from hdl.net.tcp_connection import CloseReason, TcpState
from hdl.order.soupbin_session import SessionState
from hdl.orders import IntentKind, TimeInForce
from hdl.records import Side
from sim.golden import ouch
from sim.golden.tcp import arp_packet
from tests.unit.hdl.order.bench import SessionBench


def enter(number: int, **fields) -> dict:
    return {"symbol_index": number % 4, "tag": number % 32, "start_cycles": number,
            "kind": IntentKind.ENTER, "side": Side(number & 1), "quantity": 100 + number,
            "price": 1_000_000 + number, "time_in_force": TimeInForce.IOC, "user_ref_num": 0,
            **fields}


def accepted(number: int, order: bytes) -> bytes:
    """Return the Accepted message for an Enter Order message."""
    return (b"A" + number.to_bytes(8, "big") + order[1:26] + order[26:28] + bytes(8)
            + order[28:31] + b"L" + order[31:45] + b"\0\0")


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


def answer_orders(bench: SessionBench):
    """Let the server accept every order and say nothing to cancels."""
    bench.on_unsequenced = lambda payload: bench.messages.append(
        accepted(len(bench.messages), payload)) if payload[:1] == b"O" else None


def check_orders(bench: SessionBench, requests: list[dict], *, first: int = 1):
    """Check that the server got every request once, in order, and we got every answer."""
    number = first
    assert len(bench.soup.unsequenced) == len(requests)
    for request, message in zip(requests, bench.soup.unsequenced, strict=True):
        if request["kind"] == IntentKind.CANCEL:
            assert message == b"X" + request["user_ref_num"].to_bytes(4, "big") + bytes(4)
            continue
        assert message[:1] == b"O" and int.from_bytes(message[1:5], "big") == number
        assert int.from_bytes(message[6:10], "big") == request["quantity"]
        assert int.from_bytes(message[18:26], "big") == request["price"]
        assert message[31:45] == b"TW0000%08X" % number
        number += 1
    check_answers(bench)


def check_answers(bench: SessionBench):
    """Check the answers against the golden decoder."""
    golden = [ouch.decode(message, index + 1) for index, message in enumerate(bench.messages)]
    golden = [answer for answer in golden if answer is not None]
    assert len(bench.answers) == len(golden)
    for answer, expected in zip(bench.answers, golden, strict=True):
        assert answer["kind"].name == expected.kind
        for name in ("user_ref_num", "quantity", "price", "order_reference", "reason",
                     "timestamp_ns", "sequence"):
            assert answer[name] == getattr(expected, name), name


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


def test_wrong_resets_and_syn_are_challenged_not_taken():
    bench = SessionBench()

    async def scenario():
        await bench.until(bench.up)
        await bench.step(200)
        server = bench.server
        before = len(bench.frames)
        for flags, offset in ((4, 1), (4, 5000), (2, 0), (2, 99)):
            server._emit(flags, server.next + offset)
            await bench.step(150)
        server._emit(4, server.next - 1)        # outside the window: not even challenged
        server._emit(4, server.next + 20000)
        await bench.step(300)
        assert bench.up()
        assert bench.stats["stat_connection_challenged"] == 4
        assert len(bench.frames) == before + 4
        bench.request(**enter(0))
        await bench.until(lambda: len(bench.soup.unsequenced) == 1)

    bench.run(scenario)


def test_acknowledgment_of_what_was_not_sent_is_ignored():
    bench = SessionBench()

    async def scenario():
        await bench.until(bench.up)
        await bench.step(200)
        server = bench.server
        expected = server.expected
        server.expected = (expected + 1000) % 2**32
        server._emit(16, server.next)
        server.expected = expected
        await bench.step(200)
        bench.request(**enter(0))
        await bench.until(lambda: len(bench.soup.unsequenced) == 1)
        assert bench.up()

    bench.run(scenario)


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


def test_damaged_and_foreign_frames_change_nothing():
    bench = SessionBench()

    async def scenario():
        await bench.until(bench.up)
        await bench.step(200)
        server = bench.server
        server.send(b"\0\1H" + b"\0\x0b+0123456789")
        server.tick(bench.now_ns)
        frame = server.frames.pop()
        payload = len(frame)
        damage = []
        for at in (12, 14, 16, 17, 20, 23, 24, 26, 30, 34, 36, 38, 46, 50, payload - 1):
            broken = bytearray(frame)
            broken[at] ^= 0x21
            damage.append(bytes(broken))
        for broken in damage:
            bench.inject(broken)
        bench.inject(frame, good=False)
        before = len(bench.frames)
        await bench.step(600)
        assert len(bench.frames) == before and bench.up()
        assert "stat_soup_heartbeats" not in bench.stats
        counted = sum(bench.stats.get(f"stat_parser_{name}", 0)
                      for name in ("bad_checksum", "ignored"))
        assert counted >= len(damage)
        bench.inject(frame)
        await bench.until(lambda: bench.stats.get("stat_soup_heartbeats") == 1)

    bench.run(scenario)


def test_arp_is_asked_again_and_answered():
    bench = SessionBench()

    async def scenario():
        bench.server.arp_replies = False
        await bench.step(3600)
        asked = [f for _, f in bench.frames if f[12:14] == b"\x08\x06"]
        assert 2 <= len(asked) <= 4 and len(asked) == len(bench.frames)
        who = (bytes.fromhex("020000000077"), 0x0A000077)
        for target in (0x0A000001, 0x0A000002):
            bench.inject(arp_packet(1, who, (bytes(6), target), b"\xff" * 6))
        await bench.step(400)
        replies = [f for _, f in bench.frames if f[20:22] == b"\0\2"]
        assert [f[:6] for f in replies] == [who[0]]
        assert replies[0][22:42] == bytes.fromhex("020000000001") + b"\x0a\0\0\1" + who[0] \
            + who[1].to_bytes(4, "big")
        bench.server.arp_replies = True
        await bench.until(bench.up, 8000)

    bench.run(scenario)


def test_static_address_needs_no_arp():
    bench = SessionBench(settings={"static": 1, "static_mac": 0x001C7385BFB3})

    async def scenario():
        await bench.until(bench.up)

    bench.run(scenario)
    assert all(frame[12:14] == b"\x08\x00" for _, frame in bench.frames)


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
