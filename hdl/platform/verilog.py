"""Amaranth to Verilog for Verilator, through RTLIL and pyosys, in a process of its own."""

import importlib
import json
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Shape
from amaranth.lib import wiring

__all__ = ["construct", "write_verilog"]

#: A process that assigns a constant; as it reads nothing, ``always @*`` would never execute.
_CONSTANT_PROCESS = re.compile(r"always @\*\n\s+(\S+ = \d+'h[0-9a-f]+;)")


def construct(design: str, arguments: dict[str, Any]) -> wiring.Component:
    """Return ``module:callable`` called with `arguments`.

    Raises
    ------
    ValueError
        If `design` does not have the form ``module:callable``.
    """
    module, colon, name = design.partition(":")
    if not (module and colon and name):
        raise ValueError(f"design must be module:callable, was {design!r}")
    made: Callable[..., wiring.Component] = getattr(importlib.import_module(module), name)
    return made(**arguments)


def write_verilog(component: wiring.Component, name: str, path: Path) -> None:
    """Write the Verilog of a component, and its ports as JSON beside it.

    Memories whose initial content is all zero get no ``initial`` block: one assignment a row
    makes the C++ compiler slow, and Verilator starts at zero. pyosys does not survive the end of
    the interpreter: after this, end the process with ``os._exit``.

    Parameters
    ----------
    component : wiring.Component
        The design.
    name : str
        Name of the top module.
    path : Path
        Verilog file; the ports go to the same name with suffix ``.json``.
    """
    with _zero_content_left_out():
        text = rtlil.convert(component, name=name, emit_src=False)
    ports = {member_name: {"flow": member.flow.name.lower(), "width": _width(member)}
             for member_name, member in component.signature.members.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    intermediate = path.with_suffix(".il")
    intermediate.write_text(text)

    from pyosys import libyosys as yosys  # here, as importing it takes over the process

    design = yosys.yosys_get_design()

    def run(command: str) -> None:
        yosys.run_pass(f"tee -q {command}", design)

    run(f"read_rtlil {intermediate}")
    run("proc -nomux -norom")
    run("memory_collect")
    run(f"write_verilog -norename -noattr {path}")
    path.write_text(_CONSTANT_PROCESS.sub(r"initial \1", path.read_text()))
    intermediate.unlink()
    path.with_suffix(".json").write_text(json.dumps(ports, indent=1, sort_keys=True))


@contextmanager
def _zero_content_left_out() -> Generator[None]:
    """Write no initial content of memories where it is all zero.

    Amaranth makes an object of every bit of it, which takes a minute for a large profile.
    """
    emit = rtlil.ModuleEmitter.emit_memory

    def emit_memory(emitter: Any, index: int, cell: Any) -> None:
        if any(cell.init):
            emit(emitter, index, cell)

    rtlil.ModuleEmitter.emit_memory = emit_memory
    try:
        yield
    finally:
        rtlil.ModuleEmitter.emit_memory = emit


def _width(member: wiring.Member) -> int:
    if not member.is_port:
        raise ValueError("a design for simulation has plain ports only, no nested interfaces")
    return Shape.cast(member.shape).width
