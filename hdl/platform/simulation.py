"""The design as the Verilated library sees it: flat ports, one clock, registered inputs."""

from amaranth import *
from amaranth.hdl import ClockDomain
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SimulationTop"]


class SimulationTop(wiring.Component):
    """Put clock, reset and a register on every input round a design with plain ports.

    Verilator is a quarter to a third faster if no input reaches logic directly. The registers
    are a part of the test bench, not of the design: what the library counts as "at the pins" is
    their output, so they are in no latency. All domains of `domains` run on the one clock.

    Parameters
    ----------
    design : wiring.Component
        Its ports are the ports of this one; none may be an interface.
    domains : tuple of str
        Further clock domains of the design, tied to ``sync``.

    Members
    -------
    clk, rst : ``In(1)``
        Clock, and synchronous reset (registered as the other inputs).

    Raises
    ------
    ValueError
        If a port of the design is an interface.
    """

    def __init__(self, design: wiring.Component, *, domains: tuple[str, ...] = ()):
        for name, member in design.signature.members.items():
            if not member.is_port:
                raise ValueError(f"port {name} of a simulated design must be plain")
        self.design = design
        self.domains = domains
        super().__init__({
            "clk": In(1),
            "rst": In(1),
            **{name: (In if member.flow == In else Out)(
                Shape.cast(member.shape).width)
               for name, member in design.signature.members.items()},
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.design = self.design

        pins = ClockDomain("pins", reset_less=True)
        m.domains += pins
        reset = Signal(init=1)
        m.d.comb += pins.clk.eq(self.clk)
        m.d.pins += reset.eq(self.rst)
        for name in ("sync", *self.domains):
            domain = ClockDomain(name)
            m.domains += domain
            m.d.comb += [domain.clk.eq(self.clk), domain.rst.eq(reset)]

        for name, member in self.design.signature.members.items():
            inner = Value.cast(getattr(self.design, name))
            outer = getattr(self, name)
            if member.flow == In:
                registered = Signal.like(outer, name=f"{name}_pin")
                m.d.pins += registered.eq(outer)
                m.d.comb += inner.eq(registered)
            else:
                m.d.comb += outer.eq(inner)

        return m
