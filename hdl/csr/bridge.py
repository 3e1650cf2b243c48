"""The whole register map of an appliance behind one bus."""

from collections.abc import Mapping

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.csr.array_port import ArrayPort, array_members
from hdl.csr.bus import WORD_BITS, CsrBus, locate
from hdl.csr.register_file import RegisterFile
from hdl.csr.settings_array import SettingsArray
from hdl.profile import Profile
from hdl.telemetry.counters import CounterBank
from proto.counters import COUNTERS
from proto.registers import WORD_BYTES, Block, register_map

__all__ = ["CsrBridge"]


class CsrBridge(wiring.Component):
    """Registers, counters and the settings of symbols, as `proto.registers` maps them.

    Latency: 4 cycles, `bus.address` to `bus.read_data`. Throughput: 1 access per cycle.

    Parameters
    ----------
    profile : Profile
        Sizes, of which software reads some.
    counter_widths : mapping of str to int
        Counters that can go up by more than one at once: bits of their input.

    Members
    -------
    bus : ``In(CsrBus)``
        Access from software.
    counts : ``In``
        Input of every counter of `proto.counters.COUNTERS`, from bit 0 upwards; `count_slice`
        tells the bits.
    symbol_index, symbol_settings, symbol_committed : ``Out``
        Settings of a symbol, with a pulse; see :class:`SettingsArray`.
    ``<array>_*``
        Ports of every other array block; see :class:`ArrayPort`.
    ``<block>_<register>[_<field>]`` : ``Out`` or ``In``
        Every other field; see :class:`RegisterFile`.

    Raises
    ------
    ValueError
        If `counter_widths` names an unknown counter.
    """

    def __init__(self, profile: Profile, *, counter_widths: Mapping[str, int] | None = None):
        widths = dict(counter_widths or {})
        if unknown := widths.keys() - {counter.name for counter in COUNTERS}:
            raise ValueError(f"counter_widths names unknown counters: {', '.join(sorted(unknown))}")
        self.profile = profile
        self.widths = {counter.name: widths.get(counter.name, 1) for counter in COUNTERS}
        self.map = register_map(symbols=profile.symbols)
        blocks = {block.name: block for block in self.map.blocks}
        self._counters: Block = blocks.pop("counters")
        self._symbols = SettingsArray(blocks.pop("symbols"))
        self._arrays = {name: ArrayPort(blocks.pop(name))
                        for name in [name for name, block in blocks.items()
                                     if block.count is not None]}
        identity = {location.name: location.register.reset for location in self.map.locations
                    if location.block.name == "identity"}
        self._registers = RegisterFile(tuple(blocks.values()), constants={
            **identity,
            "identity.map_hash": self.map.hash,
            "identity.profile_window_ticks": profile.window_ticks,
            "identity.profile_orders": profile.orders,
            "identity.core_hz": profile.core_hz,
        })
        self._register_ports = {name: member for name, member
                                in self._registers.signature.members.items() if name != "bus"}
        super().__init__({
            "bus":              In(CsrBus),
            "counts":           In(sum(self.widths.values())),
            "symbol_index":     Out(profile.symbol_bits),
            "symbol_settings":  Out(self._symbols.layout),
            "symbol_committed": Out(1),
            **{f"{name}_{member}": flow for name, array in self._arrays.items()
               for member, flow in array_members(array.block).items()},
            **self._register_ports,
        })

    def count_slice(self, name: str) -> slice:
        """Return the bits of `counts` of a counter."""
        at = 0
        for counter, width in self.widths.items():
            if counter == name:
                return slice(at, at + width)
            at += width
        raise ValueError(f"there is no counter {name}")

    def elaborate(self, platform):
        m = Module()

        m.submodules.registers = registers = self._registers
        m.submodules.symbols = symbols = self._symbols
        m.submodules.counters = counters = CounterBank(tuple(self.widths.values()),
                                                       bits=WORD_BITS)

        for name, member in self._register_ports.items():
            inner, outer = getattr(registers, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        for name, array in self._arrays.items():
            m.submodules[name] = array
            for member, flow in array_members(array.block).items():
                inner, outer = getattr(array, member), getattr(self, f"{name}_{member}")
                m.d.comb += inner.eq(outer) if flow.flow == In else outer.eq(inner)
        for part in (registers, symbols, *self._arrays.values()):
            m.d.comb += [
                part.bus.address.eq(self.bus.address),
                part.bus.write_data.eq(self.bus.write_data),
                part.bus.write.eq(self.bus.write),
                part.bus.read.eq(self.bus.read),
            ]
        m.d.comb += [
            self.symbol_index.eq(symbols.index),
            self.symbol_settings.eq(symbols.settings),
            self.symbol_committed.eq(symbols.committed),
            counters.counts.eq(self.counts),
        ]

        chosen = Signal(2)
        inside, offset = locate(self.bus.address, self._counters.base,
                                WORD_BYTES * len(self._counters.registers))
        m.d.comb += counters.address.eq(offset >> ceil_log2(WORD_BYTES))
        m.d.sync += chosen.eq(Cat(inside, chosen))
        tables = Cat(Cat(array.bus.read_data[bit] for array in self._arrays.values()).any()
                     for bit in range(WORD_BITS))
        # Those take two cycles, as the counters do; the register file takes three.
        others = Signal(WORD_BITS, reset_less=True)
        m.d.sync += [
            others.eq(symbols.bus.read_data | tables | Mux(chosen[1], counters.data, 0)),
            self.bus.read_data.eq(registers.bus.read_data | others),
        ]

        return m
