"""Write what is generated: ``python -m proto docs``, ``python -m proto stubs``."""

import sys
from pathlib import Path

from proto.documents import DOCUMENTS
from proto.stubs import build_stubs

_USAGE = """usage: python -m proto docs [FOLDER]     (FOLDER is docs unless given)
       python -m proto stubs [FOLDER]    (FOLDER is that of the installed packages unless given)"""


def main(arguments: list[str]) -> int:
    """Run the command line and return its exit status."""
    if not arguments or arguments[0] not in ("docs", "stubs") or len(arguments) > 2:
        print(_USAGE, file=sys.stderr)
        return 2
    if arguments[0] == "stubs":
        print(build_stubs(Path(arguments[1]) if len(arguments) == 2 else None))
        return 0
    folder = Path(arguments[1] if len(arguments) == 2 else "docs")
    folder.mkdir(parents=True, exist_ok=True)
    for name, render in DOCUMENTS.items():
        (folder / name).write_text(render(), encoding="utf-8")
        print(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
