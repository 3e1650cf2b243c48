"""OUCH decoder: every message, any length, the captured ones."""

import random

from amaranth.lib.data import Layout
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

from hdl.order.ouch_decoder import OuchDecoder
from hdl.orders import VenueAnswer
from proto.wire import ouch50
from sim.golden import ouch
from tests.support.data import data_path
from tests.support.streams import run


def decode(messages: list[bytes], *, seed: int = 0):
    """Feed messages; return answers as (cycles after the last byte, fields) and pulses."""
    dut = OuchDecoder()
    rng = random.Random(seed)
    answers, pulses = [], {"stat_malformed": 0, "stat_unknown": 0, "queried": 0, "ended": 0}

    async def monitor(ctx):
        cycle = last = 0
        names = list(pulses)
        async for _, _, valid, payload, came, ends, *values in ctx.tick().sample(
                dut.answers.valid, dut.answers.payload, dut.messages.valid, dut.messages.p.last,
                *(getattr(dut, name) for name in names)):
            if valid:
                answers.append((cycle - last, {
                    name: payload[name] for name, _ in Layout.cast(VenueAnswer)}))
            for name, value in zip(names, values, strict=True):
                pulses[name] += value
            if came and ends:
                last = cycle
            cycle += 1

    async def bench(ctx):
        for number, message in enumerate(messages):
            for place, byte in enumerate(message):
                while rng.random() < 0.2:
                    ctx.set(dut.messages.valid, 0)
                    await ctx.tick()
                ctx.set(dut.messages.valid, 1)
                ctx.set(dut.messages.payload, {
                    "octet": byte, "first": place == 0, "last": place == len(message) - 1,
                    "sequence": number + 2**40})
                await ctx.tick()
            ctx.set(dut.messages.valid, 0)
            await ctx.tick().repeat(3)      # at least the next packet's header lies between

    run(dut, bench, background=[monitor], cycles=200_000)
    return answers, pulses


def check(messages: list[bytes], answers):
    golden = [ouch.decode(message, number + 2**40) for number, message in enumerate(messages)]
    golden = [answer for answer in golden if answer is not None]
    assert len(answers) == len(golden)
    for (_, answer), expected in zip(answers, golden, strict=True):
        assert answer["kind"].name == expected.kind
        assert {name: answer[name] for name in answer if name != "kind"} == {
            name: getattr(expected, name) for name in answer if name != "kind"}


def test_every_message_with_and_without_appendage():
    rng = random.Random(3)
    messages = []
    for code, message in ouch50.OUTBOUND.items():
        first = code if isinstance(code, int) else code[0]
        for tail in (b"", b"\0\0", b"\0\3\x02\x1c\x05", rng.randbytes(200)):
            for _ in range(3):
                body = bytearray(bytes([first]) + rng.randbytes(message.layout.size - 1))
                if rng.random() < 0.7 and first == ord("A"):
                    body[26:30] = bytes(4)
                    body[47:48] = rng.choice([b"L", b"D"])
                messages.append(bytes(body) + tail)
    rng.shuffle(messages)
    answers, pulses = decode(messages)
    check(messages, answers)
    assert pulses["stat_malformed"] == pulses["stat_unknown"] == 0
    assert pulses["queried"] == sum(message[:1] == b"Q" for message in messages)


def test_short_and_unknown_messages_are_counted_and_dropped():
    rng = random.Random(4)
    messages, short, unknown = [], 0, 0
    for code, message in ouch50.OUTBOUND.items():
        first = code if isinstance(code, int) else code[0]
        for size in {1, 9, message.layout.size - 1}:
            if size < message.layout.size:
                messages.append(bytes([first]) + rng.randbytes(size - 1))
                short += 1
    for first in b"?xO\0\xff":
        messages.append(bytes([first]) + rng.randbytes(40))
        unknown += 1
    answers, pulses = decode(messages)
    assert answers == []
    assert (pulses["stat_malformed"], pulses["stat_unknown"]) == (short, unknown)


def test_captured_messages_and_latency():
    messages = []
    for name in ("OrderAcceptedMessage", "CanceledMessage"):
        frame = data_path("nasdaq-pcap", "Nasdaq.Nsm.Ouch.v5.0", f"{name}.pcap").read_bytes()[40:]
        ip = Ether(frame)[IP]
        payload = bytes(ip)[40:ip.len]
        length = int.from_bytes(payload[:2], "big")
        assert payload[2:3] == b"S"
        messages.append(payload[3:2 + length])
    answers, _ = decode(messages)
    check(messages, answers)
    accepted, canceled = (answer for _, answer in answers)
    assert accepted["kind"].name == "ACCEPTED" and accepted["order_reference"] == 257340661
    assert (accepted["user_ref_num"], accepted["quantity"], accepted["price"]) == (
        7682701, 40, 4777800)
    assert canceled["kind"].name == "CANCELED" and canceled["reason"] == ord("U")
    # Three cycles, last byte to answer.
    assert [cycles for cycles, _ in answers] == [3, 3]
