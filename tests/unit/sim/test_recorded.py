"""What a recorded run says of itself, and when it is stale."""

import json

import pytest

from sim import recorded
from sim.recorded import hdl_hash, identity, recorded_runs, write_run


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Return a root with one source each of hardware and tables."""
    for name in ("hdl", "proto"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.py").write_text("pass\n")
    monkeypatch.setattr(recorded, "_ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("change", [
    lambda root: (root / "hdl/one.py").write_text("pass \n"),
    lambda root: (root / "proto/one.py").rename(root / "proto/other.py"),
    lambda root: (root / "hdl/two.py").write_text(""),
])
def test_a_run_is_stale_once_the_hardware_changes(sources, change):
    write_run(sources / "docs/run.json", identity("make run") | {"figure": 1})
    (run,) = recorded_runs(sources / "docs")
    assert run.current and run.command == "make run"
    (sources / "hdl/notes.md").write_text("no source")
    assert recorded_runs(sources / "docs")[0].current
    change(sources)
    assert not recorded_runs(sources / "docs")[0].current


def test_files_that_are_no_runs_are_left_out(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({"weights": []}))
    (tmp_path / "list.json").write_text("[]")
    assert recorded_runs(tmp_path) == []


def test_without_git_the_commit_is_unknown(sources):
    run = identity("make run")
    assert run["commit"] == "unknown" and run["hdl_sha256"] == hdl_hash()
    write_run(sources / "docs/run.json", run)
    assert recorded_runs(sources / "docs")[0].commits_since is None


def test_the_committed_runs_say_what_made_them(capsys):
    runs = recorded_runs()
    assert {"bench.json"} <= {run.path.name for run in runs}
    assert all(run.command and run.commit for run in runs)
    assert recorded._main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(runs) + 1 and lines[-1].startswith(f"{len(runs)} recorded runs, ")
    for line, run in zip(lines, runs, strict=False):
        assert line.startswith("current" if run.current else "STALE") and run.path.name in line
