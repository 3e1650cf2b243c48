"""Words of an exposure: each at its register, halves of one instant."""

import random

from hdl.order.exposure_words import ExposureWords
from proto.trading_registers import positions_block
from tests.support.streams import run

REGISTERS = [register.name for register in positions_block(1).registers]


def test_halves_belong_together_while_everything_changes():
    dut = ExposureWords()
    rng = random.Random(5)

    async def bench(ctx):
        kept = {"open_buy": 0, "open_sell": 0}
        for _ in range(400):
            values = {"position": rng.randint(-2**31, 2**31 - 1),
                      "open_buy": rng.getrandbits(40), "open_sell": rng.getrandbits(40),
                      "count_buy": rng.getrandbits(8), "count_sell": rng.getrandbits(8)}
            for name, value in values.items():
                ctx.set(dut.exposure[name], value)
            name, read = rng.choice(REGISTERS), rng.randint(0, 1)
            ctx.set(dut.word, REGISTERS.index(name))
            ctx.set(dut.read, read)
            await ctx.tick()
            number, _, half = name.rpartition("_")
            if half == "hi":
                expected = kept[number]
            elif half == "lo":
                expected = values[number] % 2**32
                if read:
                    kept[number] = values[number] >> 32
            else:
                expected = {"position": values["position"] % 2**32,
                            "open_orders": values["count_sell"] << 16 | values["count_buy"],
                            "load": 0}[name]
            # An upper half means something only after a lower one has been read.
            if half != "hi" or kept[number]:
                assert ctx.get(dut.data) == expected, name

    run(dut, bench)
