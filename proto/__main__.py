"""Write the documents that are generated from the tables: ``python -m proto docs``."""

import sys
from pathlib import Path

from proto.documents import DOCUMENTS

_USAGE = "usage: python -m proto docs [FOLDER]     (FOLDER is docs unless given)"


def main(arguments: list[str]) -> int:
    """Run the command line and return its exit status."""
    if not arguments or arguments[0] != "docs" or len(arguments) > 2:
        print(_USAGE, file=sys.stderr)
        return 2
    folder = Path(arguments[1] if len(arguments) == 2 else "docs")
    folder.mkdir(parents=True, exist_ok=True)
    for name, render in DOCUMENTS.items():
        (folder / name).write_text(render(), encoding="utf-8")
        print(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
