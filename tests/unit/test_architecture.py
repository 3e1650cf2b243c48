"""Imports point one way: proto <- hdl, control, sim <- demo; control knows neither hdl nor sim."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("proto", "hdl", "control", "sim", "demo", "tests")

#: What a folder may import of the project.
ALLOWED = {
    "proto": {"proto"},
    "hdl": {"proto", "hdl"},
    "control": {"proto", "control"},
    # The simulated appliance is made of the gateware.
    "sim": {"proto", "hdl", "sim"},
    # It starts the others as processes, types commands, and fits a model to a simulated market.
    "demo": {"proto", "control", "sim", "demo"},
}

MODULES = [path for folder in ALLOWED for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path):
    """Return the top-level packages that a module imports, relative ones resolved."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[0] if node.level else node.module.split(".")[0]
            yield package


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    folder = path.relative_to(ROOT).parts[0]
    wrong = set(imported(path)) & set(FOLDERS) - ALLOWED[folder]
    assert not wrong, f"{folder} must not import {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("path", sorted((ROOT / "proto").rglob("*.py")),
                         ids=lambda path: str(path.relative_to(ROOT)))
def test_proto_needs_the_standard_library_only(path):
    generated = {"google", "grpc"} if "tickwire" in path.parts else set()
    foreign = set(imported(path)) - sys.stdlib_module_names - {"proto"} - generated
    assert not foreign, f"{path} imports {foreign}"


def test_golden_models_share_no_code_with_the_hardware():
    for path in (ROOT / "sim" / "golden").rglob("*.py"):
        assert "hdl" not in set(imported(path)), path
