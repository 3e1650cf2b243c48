"""Settings in force follow the writes as the registers do."""

from control.explain.history import RegisterWrite
from control.explain.settings import settings_at
from control.limits import Limits
from control.strategy import Strategy
from control.symbols import WatchedSymbol, symbol_registers
from proto.registers import register_map

SYMBOLS = 8
MAP = register_map(symbols=SYMBOLS)
LIMITS = Limits(maximum_quantity=200, maximum_value_e4=2**40, collar_fraction=1310,
                collar_minimum_e4=1000, maximum_long=400, maximum_short=300,
                maximum_open_orders=4)


class Writes(list):
    """Writes, one a cycle."""

    def put(self, name, value):
        self.append(RegisterWrite(10 * len(self), MAP[name].address, value & 0xFFFFFFFF))

    def row(self, array, index, registers, pulse="commit"):
        for name, value in registers.items():
            self.put(f"{array}[{index}].{name}", value)
        self.put(f"{array}[{index}].{pulse}", 1)

    def at(self, cycle=2**40):
        return settings_at(self, cycle, SYMBOLS)


def test_reset_has_no_rows_and_the_values_of_the_map():
    found = Writes().at()
    assert found.limits(0) is None and found.strategy(0) is None and not found.symbols
    assert found.model(4) is None
    assert found.registers["control.fcs_mode"] == MAP["control.fcs_mode"].register.reset


def test_a_row_is_in_force_from_its_commit_until_it_is_revoked():
    writes = Writes()
    writes.row("limits", 3, LIMITS.registers())
    committed = writes[-1].cycle
    assert writes.at(committed - 1).limits(3) is None
    assert writes.at(committed).limits(3) == LIMITS
    assert writes.at().limits_version == 1 and writes.at().limits(2) is None
    writes.put("limits[3].maximum_quantity", 5)     # in the shadow only
    assert writes.at().limits(3) == LIMITS
    writes.put("limits[3].revoke", 1)
    assert writes.at().limits(3) is None and writes.at().limits_version == 2


def test_elements_of_an_array_share_the_shadow():
    writes = Writes()
    writes.row("limits", 0, LIMITS.registers())
    writes.put("limits[1].maximum_long", 7)
    writes.put("limits[1].commit", 1)
    found = writes.at().limits(1)
    assert found.maximum_long == 7 and found.maximum_short == LIMITS.maximum_short


def test_strategy_and_symbols():
    strategy = Strategy(buy_threshold=5, sell_threshold=6, cancel_buy_threshold=-7,
                        cancel_sell_threshold=-8, quantity=100, offset_e4=-100, day=True,
                        enable=True)
    symbol = WatchedSymbol(stock="AAPL", index=1, tick_size_e4=100, locate=17)
    writes = Writes()
    writes.row("strategy", 1, strategy.registers())
    writes.row("symbols", 1, symbol_registers(symbol))
    found = writes.at()
    assert found.strategy(1) == strategy and found.symbols == {1: symbol}
    assert found.name_of(1) == "AAPL@XNAS" and found.name_of(4) == "4"


def test_a_model_scores_from_its_swap_on():
    writes = Writes()
    for bank, weights, epoch in ((1, (3, -4, 5, 6, -7), 1), (0, (1, 1, 1, 1, 9), 2)):
        for address, weight in enumerate(weights):
            writes.put("model.bank", bank)
            writes.put("model.address", address)
            writes.put("model.data", weight)
            writes.put("model.write", 1)
        if epoch == 2:
            assert writes.at().model(4) == ((3, -4, 5, 6), -7)
        writes.put("model.swap_bank", bank)
        writes.put("model.swap_epoch", epoch)
        writes.put("model.expected_epoch", epoch - 1)
        writes.put("model.swap", 1)
    assert writes.at().epoch == 2 and writes.at().model(4) == ((1, 1, 1, 1), 9)
    writes.put("model.swap_epoch", 3)
    writes.put("model.expected_epoch", 1)           # is not the present one: refused
    writes.put("model.swap", 1)
    assert writes.at().epoch == 2


def test_loaded_positions_and_writes_beyond_the_map():
    writes = Writes()
    writes.put("account.load_position", -250)
    writes.put("positions[2].load", 1)
    writes.append(RegisterWrite(10_000, 0xFFFFC, 1))
    found = writes.at()
    assert found.loads == {2: (writes[1].cycle, -250)}
