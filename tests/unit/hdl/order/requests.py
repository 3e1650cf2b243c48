"""Requests of orders, what a server answers, and whether both sides got it all."""

from hdl.orders import IntentKind, TimeInForce
from hdl.records import Side
from sim.golden import ouch
from tests.unit.hdl.order.bench import SessionBench

__all__ = ["accepted", "answer_orders", "check_answers", "check_orders", "enter"]


def enter(number: int, **fields) -> dict:
    return {"symbol_index": number % 4, "tag": number % 32, "start_cycles": number,
            "kind": IntentKind.ENTER, "side": Side(number & 1), "quantity": 100 + number,
            "price": 1_000_000 + number, "time_in_force": TimeInForce.IOC, "user_ref_num": 0,
            **fields}


def accepted(number: int, order: bytes) -> bytes:
    """Return the Accepted message for an Enter Order message."""
    return (b"A" + number.to_bytes(8, "big") + order[1:26] + order[26:28] + bytes(8)
            + order[28:31] + b"L" + order[31:45] + b"\0\0")


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
