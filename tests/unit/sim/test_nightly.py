"""Nights: what has passed is not run again, what fails is recorded, and the rest goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim import nightly
from sim.nightly import Step, run_steps, steps

ROOT = Path(__file__).resolve().parents[3]


def step(name, code, **how):
    return Step(name=name, command=("-c", code), **how)


@pytest.fixture
def night(tmp_path, monkeypatch):
    """Return what runs steps; it returns those that failed, the record and what was told."""
    monkeypatch.setattr(nightly, "source_commit", lambda: "0" * 40)
    monkeypatch.setattr(nightly, "sources_hash", lambda: "a")
    target = tmp_path / "nightly.json"

    def run(*chosen, again=False):
        told = []
        failed = run_steps(chosen, tmp_path / "kept", target, "make nightly", 1, again=again,
                           tell=told.append)
        return failed, json.loads(target.read_text()), told

    return run


def counting(path):
    return f"open({str(path)!r}, 'a').write('x'); print('{{\"n\": 3, \"m\": 4}}')"


def test_steps_that_passed_are_not_run_again(night, tmp_path, monkeypatch):
    runs = tmp_path / "runs"
    one = step("one", counting(runs), figures=lambda found: {"n": found["n"]})
    failed, record, _ = night(one)
    assert failed == [] and record["steps"]["one"]["figures"] == {"n": 3}
    assert record["command"] == "make nightly" and record["seed"] == 1 and record["hdl_sha256"]
    _, _, told = night(one)
    assert told[0] == "1 of 1: one has passed already" and runs.read_text() == "x"
    night(one, again=True)
    assert runs.read_text() == "xx"
    monkeypatch.setattr(nightly, "sources_hash", lambda: "b")
    _, _, told = night(one)
    assert runs.read_text() == "xxx" and "s last time" in told[0]


def test_a_failure_is_recorded_and_the_others_run(night, tmp_path):
    failed, record, told = night(
        step("bad", "import sys; print('words', file=sys.stderr); sys.exit(3)"),
        step("none", "pass", found=tmp_path / "missing.json"),
        step("odd", "print('{}')", figures=lambda found: {"n": found["n"]}),
        step("good", "import os; print(os.environ['DEPTH'])", variables={"DEPTH": "2"}))
    assert failed == ["bad", "none", "odd"] == record["failed"]
    assert record["steps"]["bad"]["status"] == 3 and any("words" in line for line in told)
    assert "no figures" in record["steps"]["odd"]["figures"]["error"]
    assert record["steps"]["good"]["figures"] == {"last_line": "2"}
    assert record["steps"]["good"]["command"].startswith("DEPTH=2 python -c")
    # What has failed is tried again.
    assert night(step("bad", "import sys; print('words', file=sys.stderr); sys.exit(3)"))[2][
        0].startswith("1 of 1: bad, ")


def test_the_record_is_there_after_every_step(night, tmp_path):
    code = f"import json; print(json.dumps(json.load(open({str(tmp_path / 'nightly.json')!r}))))"
    _, record, _ = night(step("one", "pass"), step("two", code))
    seen = record["steps"]["two"]["figures"]
    assert list(seen["steps"]) == ["one"] and seen["missing"] == ["two"]
    assert record["missing"] == []


def test_every_step_is_a_command_that_there_is(tmp_path):
    chosen = steps(3, tmp_path)
    names = [found.name for found in chosen]
    assert len(set(names)) == len(names)
    assert {"fuzz", "mutants", "coverage", "bench", "formal", "demo-3"} <= set(names)
    for module in {found.command[1] for found in chosen} - {"pytest"}:
        assert (ROOT / module.replace(".", "/")).exists() or (
            ROOT / f"{module.replace('.', '/')}.py").exists()


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "sim.nightly", *arguments], cwd=ROOT,
                          capture_output=True, text=True, check=False)


def test_the_command_lists_steps_and_refuses_unknown_ones():
    listed = command("--list", "--only", "fuzz")
    assert listed.returncode == 0 and listed.stdout.startswith("fuzz       python -m sim.fuzz")
    wrong = command("--only", "nothing")
    assert wrong.returncode == 2 and "no step nothing: there are demo-1" in wrong.stderr


def test_an_interrupted_night_ends_its_step(tmp_path):
    pid = tmp_path / "pid"
    sleeper = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(99)"
    script = (f"from sim import nightly\n"
              f"nightly.steps = lambda seed, folder: [nightly.Step(name='long', "
              f"command=('-c', {sleeper!r}))]\n"
              f"raise SystemExit(nightly.main(['--json', {str(tmp_path / 'n.json')!r}]))")
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE,
                               text=True, env={**os.environ, "TICKWIRE_BUILD": str(tmp_path)})
    limit = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < limit
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in told
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_what_is_recorded_of_a_command_names_no_folder_of_this_machine(tmp_path, monkeypatch):
    data = tmp_path / "elsewhere"
    monkeypatch.setattr(nightly, "data_folder", lambda: data)
    shown = Step(name="a", command=("-m", "sim.replay", str(data / "a" / "b.itch"),
                                    str(ROOT / "build" / "c.json"), "--seed", "1")).text
    assert shown == "python -m sim.replay shared/data/a/b.itch build/c.json --seed 1"
    for found in steps(1, ROOT / "build" / "nightly"):
        assert str(ROOT) not in found.text and str(data) not in found.text
