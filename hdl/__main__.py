"""Write the Verilog of a design: ``python -m hdl --help``."""

import argparse
import gc
import hashlib
import json
import os
import sys
from pathlib import Path

from hdl.platform.verilog import construct, write_verilog

_ROOT = Path(__file__).resolve().parent.parent


def _sources() -> dict[str, str]:
    """Return the hash of every file of the project that was imported so far."""
    files: dict[str, str] = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is None:
            continue
        path = Path(file).resolve()
        if path.is_relative_to(_ROOT) and ".venv" not in path.parts and path.suffix == ".py":
            files[str(path.relative_to(_ROOT))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return files


def main() -> None:
    """Emit one design."""
    parser = argparse.ArgumentParser(
        prog="python -m hdl", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m hdl --arguments '{\"profile\": \"bench\"}' "
                    "build/bench.v\n\nWrite the Verilog of a design.")
    parser.add_argument("verilog", type=Path, help="file to write; ports go to the same name .json")
    parser.add_argument("--design", default="hdl.platform.appliance:simulated_appliance",
                        help="module:callable that returns the component (default: %(default)s)")
    parser.add_argument("--arguments", type=json.loads, default={}, metavar="JSON",
                        help="keyword arguments of the callable (default: none)")
    parser.add_argument("--name", default="design", help="top module (default: %(default)s)")
    parser.add_argument("--manifest", type=Path,
                        help="write the hashes of the sources the design was made from")
    options = parser.parse_args()
    gc.disable()  # the design is one growing graph: looking for garbage in it takes half the time
    component = construct(options.design, options.arguments)
    sources = _sources()  # as they were when they were imported
    write_verilog(component, options.name, options.verilog)
    if options.manifest is not None:
        text = json.dumps({**_sources(), **sources}, indent=1, sort_keys=True)
        options.manifest.write_text(text)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # pyosys crashes when the interpreter ends in order



if __name__ == "__main__":
    main()
