"""Print which file of the hardware each instance is from: ``python -m tests.coverage.owners``.

JSON on stdout: path of the instance, as the emitted Verilog names its module, to path of the file.
"""

import gc
import json
import sys
from collections.abc import Iterator
from typing import Any

from amaranth.hdl import Fragment

from hdl.platform.verilog import construct
from sim.verilate import APPLIANCE

__all__ = ["owners"]


def owners(fragment: Fragment, path: str, owner: str) -> Iterator[tuple[str, str]]:
    """Yield each instance below a fragment; one that is no module of ours is its parent's."""
    modules = [type(origin).__module__ for origin in fragment.origins or ()]
    ours = [name for name in modules if name.startswith("hdl.")]
    if ours:
        owner = ours[0].replace(".", "/") + ".py"
    yield path, owner
    for number, (inner, name, _) in enumerate(fragment.subfragments):
        yield from owners(inner, f"{path}.{name or f'U${number}'}", owner)


def main() -> None:
    """Print those of the appliance with the arguments that the command line gives as JSON."""
    gc.disable()    # as in hdl/__main__.py
    arguments: dict[str, Any] = json.loads(sys.argv[1])
    fragment = Fragment.get(construct(APPLIANCE, arguments), None)
    json.dump(dict(owners(fragment, "design", "")), sys.stdout, indent=0, sort_keys=True)


if __name__ == "__main__":
    main()
