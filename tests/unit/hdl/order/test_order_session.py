"""The order session against a golden server."""



from hdl.orders import IntentKind, TimeInForce
from hdl.records import Side
from sim.golden import ouch
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
