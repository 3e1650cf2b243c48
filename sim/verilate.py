"""Make the native library of a design: Amaranth, Verilog, Verilator, C++; built once, then found.

Two steps are kept apart. `emit` writes the Verilog of a design again only if a source file it was
made from has changed. `build` compiles a Verilog file again only if it, the C++ beside this module
or the tools have changed. Both hold a lock, so processes that start together build once.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.errors import SimulationError
from sim.toggle_coverage import COVERAGE_VARIABLE, named_signals_only

__all__ = ["APPLIANCE", "BuildError", "Emitted", "build", "build_root", "emit", "environment",
           "verilator"]

#: The design that is simulated unless another is named.
APPLIANCE = "hdl.platform.appliance:simulated_appliance"

_ROOT = Path(__file__).resolve().parent.parent
_NATIVE = Path(__file__).resolve().parent / "native"
_FLAGS = ("-std=gnu++17", "-O2", "-march=native", "-fPIC", "-fvisibility=hidden", "-w",
          "-DVL_TIME_CONTEXT", "-DVL_IGNORE_UNKNOWN_ARCH", "-DVM_SC=0")
_LINK_FLAGS = ("-pthread", "-Wl,--no-undefined", "-Wl,--as-needed", "-latomic")
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
_RUNTIME_TRACED = (*_RUNTIME, "verilated_fst_c.cpp")
_RUNTIME_COVERED = ("verilated_cov.cpp",)


class BuildError(SimulationError):
    """A tool failed; the message holds what it said."""


@dataclass(frozen=True)
class Emitted:
    """Verilog of a design, and the widths of its ports by name."""

    verilog: Path
    ports: Mapping[str, int]


def build_root() -> Path:
    """Return the folder of everything that is built: ``TICKWIRE_BUILD``, else ``build``."""
    return Path(os.environ.get("TICKWIRE_BUILD", _ROOT / "build"))


def emit(design: str = APPLIANCE, arguments: Mapping[str, Any] | None = None, *,
         path: tuple[Path, ...] = ()) -> Emitted:
    """Return the Verilog of ``module:callable`` called with `arguments`.

    Parameters
    ----------
    design : str
        Which design.
    arguments : mapping, optional
        Keyword arguments, as JSON has them.
    path : tuple of Path
        Folders to find the module in besides the project's.

    Raises
    ------
    BuildError
        If the design cannot be elaborated.
    """
    text = json.dumps(arguments or {}, sort_keys=True)
    folder = build_root() / "verilog" / _digest(design, text)
    verilog, manifest = folder / "design.v", folder / "sources.json"
    with _locked(folder):
        if not _current(manifest):
            manifest.unlink(missing_ok=True)
            variables = dict(os.environ)
            variables["PYTHONPATH"] = os.pathsep.join(
                [*map(str, path), str(_ROOT), variables.get("PYTHONPATH", "")])
            _run([sys.executable, "-m", "hdl", str(verilog), "--design", design,
                  "--arguments", text, "--manifest", str(manifest)], env=variables)
        ports = json.loads(verilog.with_suffix(".json").read_text())
    return Emitted(verilog, {name: port["width"] for name, port in ports.items()})


def build(emitted: Emitted, *, traced: bool = False) -> Path:
    """Return the shared library of a design's Verilog, compiled if need be.

    Parameters
    ----------
    emitted : Emitted
        The Verilog.
    traced : bool
        Whether the library can write waveforms; one that can is far slower.

    With ``TICKWIRE_COVERAGE`` it counts how often each bit of each named signal rises and falls.

    Raises
    ------
    BuildError
        If Verilator or the compiler fails, or is missing.
    """
    compiler = _compiler()
    covered = bool(os.environ.get(COVERAGE_VARIABLE))
    source = emitted.verilog.read_text()
    source = named_signals_only(source) if covered else source
    native = sorted(_NATIVE.iterdir())
    key = _digest(source, *(file.read_bytes() for file in native),
                  _verilator_version(), compiler, *_FLAGS, *_LINK_FLAGS, str(traced),
                  *["covered"] * covered)
    folder = build_root() / "verilated" / key
    library = folder / "libdesign.so"
    with _locked(folder):
        if not library.exists():
            _compile(source, emitted.ports, folder, library, compiler, traced=traced,
                     covered=covered)
    return library


def _compile(source: str, ports: Mapping[str, int], folder: Path, library: Path, compiler: str, *,
             traced: bool, covered: bool) -> None:
    made = folder / "made"
    shutil.rmtree(made, ignore_errors=True)
    verilog = folder / "design.v"  # a copy, as the original may be written again
    verilog.write_text(source)
    trace = ["--trace-fst"] if traced else []
    trace += ["--coverage-toggle", "--coverage-max-width", "4096"] if covered else []
    _run([*verilator(), "--cc", "--prefix", "Vdesign", "--top-module", "design", "-O3",
          "-Wno-fatal", "-Wno-lint", "--x-assign", "fast", "--x-initial", "fast",
          "--output-split", "20000", "--output-split-cfuncs", "2000", *trace,
          "-Mdir", str(made), str(verilog)])
    include = _verilator_root() / "include"
    runtime = _RUNTIME_TRACED if traced else _RUNTIME
    runtime += _RUNTIME_COVERED if covered else ()
    sources = [*sorted(made.glob("*.cpp")), *(include / name for name in runtime),
               _NATIVE / "appliance.cpp"]
    defines = [f"-D{name}" for name in _features(ports)]
    defines += ["-DTRACED", "-DVM_TRACE=1", "-DVM_TRACE_FST=1"] if traced else ["-DVM_TRACE=0"]
    defines.append(f"-DVM_COVERAGE={int(covered)}")

    def compile_one(source: Path) -> Path:
        target = made / f"{source.stem}.o"
        cached = [ccache] if (ccache := shutil.which("ccache")) else []
        # Construction and reset run once; counting is slow whatever the compiler does.
        effort = ["-O0"] if source.name.endswith("__Slow.cpp") else ["-O1"] * covered
        _run([*cached, compiler, *_FLAGS, *effort, *defines, f"-I{made}", f"-I{include}",
              f"-I{include / 'vltstd'}", f"-I{_NATIVE}", "-c", str(source), "-o", str(target)])
        return target

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, sources))
    partial = library.with_suffix(".partial")
    libraries = ["-llz4", "-lz"] if traced else []
    _run([compiler, "-shared", "-o", str(partial), *map(str, objects), *_LINK_FLAGS,
          *libraries])
    partial.rename(library)
    shutil.rmtree(made)


def _features(ports: Mapping[str, int]) -> list[str]:
    """Return what the C++ shall connect and how, by the ports that the design has."""
    needs = {"EVENTS": "events_valid", "CSR": "csr_address", "FEED_READY": "feed_ready",
             "IDLE": "idle", "NOW_CYCLES": "now_cycles", "TIME": "time_ns",
             "TIME_HOLD": "time_hold", "CALM": "calm", "EVENTS_WAITING": "events_waiting",
             "WORDS": "words_valid"}
    for line in ("feed_a", "feed_b", "order", "management"):
        needs[f"{line.upper()}_RX"] = f"{line}_rx_data"
        needs[f"{line.upper()}_TX"] = f"{line}_tx_data"
    found = [f"HAS_{feature}" for feature, port in needs.items() if port in ports]
    # A byte a cycle is GMII.
    return found + ["LINE_GMII"] * (ports.get("feed_a_rx_data") == 8)


def _current(manifest: Path) -> bool:
    try:
        sources = json.loads(manifest.read_text())
        return all(hashlib.sha256((_ROOT / name).read_bytes()).hexdigest() == digest
                   for name, digest in sources.items())
    except (OSError, ValueError):
        return False


def _verilator_root() -> Path:
    root = Path(sysconfig.get_path("purelib")) / "verilator"
    if not (root / "bin" / "verilator_bin").exists():
        raise BuildError(f"Verilator is not installed at {root}; run `make setup`")
    return root


def verilator() -> list[str]:
    """Return the command of Verilator; :func:`environment` goes with it."""
    # The binary itself: the script round it only needs perl and adds nothing for --cc.
    return [str(_verilator_root() / "bin" / "verilator_bin")]


def _verilator_version() -> str:
    from importlib.metadata import version
    return version("verilator")


def _compiler() -> str:
    for name in ("clang++-16", "clang++", "g++"):
        if found := shutil.which(name):
            return found
    raise BuildError("no C++ compiler found: install clang-16 or g++")


def _digest(*parts: str | bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        total.update(len(content).to_bytes(8, "little") + content)
    return total.hexdigest()[:20]


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def environment() -> dict[str, str]:
    """Return the variables of this process, with what Verilator looks for in them."""
    return {**os.environ, "VERILATOR_ROOT": str(_verilator_root())}


def _run(command: list[str], env: Mapping[str, str] | None = None) -> None:
    if command[0].endswith("verilator_bin"):
        env = environment()
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"`{' '.join(command[:4])} ...` failed with status {done.returncode}:\n"
                         f"{done.stdout[-4000:]}")
