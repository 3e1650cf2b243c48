"""Python stubs of the management service, ``tickwire.v1``, and its client, ``tickwire.client``."""

import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["SOURCES", "build_stubs"]

_ROOT = Path(__file__).resolve().parent

#: The descriptions that the stubs are made from.
SOURCES = tuple(sorted((_ROOT / "tickwire" / "v1").glob("*.proto")))

#: The client for programs, beside the stubs; it is written by hand elsewhere.
_CLIENT = '''"""The client of the management service, see ``control.client``."""

from control.client import *
from control.client import __all__ as __all__
'''


def build_stubs(folder: Path | None = None) -> Path:
    """Write the stubs, with type information, and return where.

    Parameters
    ----------
    folder : Path, optional
        Where the package ``tickwire`` shall stand; by default among the installed packages of this
        interpreter.

    Raises
    ------
    subprocess.CalledProcessError
        If a description is wrong or grpcio-tools is not installed.
    """
    folder = Path(sysconfig.get_path("purelib")) if folder is None else folder.resolve()
    package = folder / "tickwire" / "v1"
    package.mkdir(parents=True, exist_ok=True)
    for stale in package.glob("*_pb2*"):
        stale.unlink()
    plugins = Path(sys.executable).parent
    subprocess.run([
        sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={_ROOT}",
        f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
        f"--python_out={folder}", f"--grpc_python_out={folder}",
        f"--mypy_out=quiet:{folder}", f"--mypy_grpc_out=quiet:{folder}",
        *(str(source.relative_to(_ROOT)) for source in SOURCES),
    ], check=True, cwd=_ROOT, stdout=subprocess.DEVNULL)
    for part in (package.parent, package):
        (part / "__init__.py").touch()
        (part / "py.typed").touch()
    (package.parent / "client.py").write_text(_CLIENT, encoding="utf-8")
    return package
