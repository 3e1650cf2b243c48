"""Where the real captures lie, if they are there."""

import os
from pathlib import Path

__all__ = ["DATA_VARIABLE", "data_folder"]

#: Environment variable that names the folder.
DATA_VARIABLE = "TICKWIRE_DATA"

_ROOT = Path(__file__).resolve().parents[1]


def data_folder() -> Path | None:
    """Return the folder of the captures, None if it is not there.

    That which ``TICKWIRE_DATA`` names, else ``shared/data`` in the project or beside it.
    """
    named = os.environ.get(DATA_VARIABLE)
    folders = [Path(named)] if named else [_ROOT / "shared/data", _ROOT.parent / "shared/data"]
    return next((folder.resolve() for folder in folders if folder.is_dir()), None)
