"""A page with commands: read, run, compared, written anew."""

import subprocess

import pytest

from demo.walk import __main__ as walking
from demo.walk import shell as shells
from demo.walk.compare import differences, masked
from demo.walk.page import Block, PageError, Picture, parse, rendered

PAGE = """# A page

```console show=2,1
$ seq 6
1
2
...
6
$ cat <<'END'
> a
> b
> END
a
b
$ false
$ echo $?
1
```

```sh
$ not run
```

<!-- picture: watch -->
![Something](there/watch.svg)
"""


def test_blocks_commands_and_pictures_are_found():
    block, picture = parse(PAGE)
    assert isinstance(block, Block) and (block.head, block.tail) == (2, 1)
    assert [step.command for step in block.steps] == [
        "seq 6", "cat <<'END'\na\nb\nEND", "false", "echo $?"]
    assert [step.output for step in block.steps] == [["1", "2", "...", "6"], ["a", "b"], [], ["1"]]
    assert picture == Picture(23, "watch", "there/watch.svg")


@pytest.mark.parametrize("text, problem", [
    ("```console\n$ a\n", "line 1: the block does not end"),
    ("```console\nb\n```", "line 2: output without a command"),
    ("```console quick\n```", "line 1: unknown word 'quick'"),
    ("<!-- picture: x -->\ntext", "line 1: no image follows"),
])
def test_what_is_no_page_is_told_with_its_line(text, problem):
    with pytest.raises(PageError, match=problem.replace("?", ".")):
        parse(text)


def test_a_page_is_written_with_other_output_and_nothing_else_changed():
    assert rendered(PAGE, lambda step: None) == PAGE
    other = rendered(PAGE, lambda step: ["7"] if step.command == "seq 6" else None)
    assert other == PAGE.replace("1\n2\n...\n6", "7")


def test_times_rates_and_places_are_no_difference():
    for one, other in (
            ("[   2.3 s] exchange: up", "[ 102.9 s] exchange: up"),
            ("4 passed in 1.84s", "4 passed in 12.10s"),
            ("0:02 taken, 8,149 messages and 132,686 cycles a second",
             "1:12 taken, 9 messages and 1 cycles a second"),
            ("up at 127.0.0.1:5450", "up at 127.0.0.1:37431"),
            ("  last byte of the order's frame      474,146        14    89.6    300.8",
             "  last byte of the order's frame    1,474,146        14    89.6    300.8"),
            ("Frame of 108 bytes, in cycles 474,132 to 474,146",
             "Frame of 108 bytes, in cycles 1,132 to 1,146"),
            ("  tickwire status", "  tickwire status --server 127.0.0.1:1"),
            ("profile bench, commit 68d9eb78018e", "profile bench, commit 0123456789ab")):
        assert masked(one) == masked(other)
        assert differences([one], [other]) == []
    assert differences(["a", "orders 5"], ["a", "orders 6"])
    assert differences(["sent  474,146  14  89.6  300.8"], ["sent  474,146  15  96.0  300.8"])
    assert differences(["[ 1.0 s] appliance: the simulation is being built", "b"], ["b"]) == []


def test_of_a_live_market_lines_without_numbers_must_come_in_order():
    page = ["symbol  shares", "AAPL  5", "cash: -1.00", "armed: no"]
    assert differences(page, ["symbol shares", "MSFT  7", "armed:   no"], live=True) == []
    assert differences(page, ["symbol shares", "armed: yes"], live=True) == ["- armed: no"]
    assert differences(page, ["armed: no", "symbol shares"], live=True) == ["- armed: no"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a project in git with nothing but a page."""
    root = tmp_path / "project"
    root.mkdir()
    (root / ".gitignore").write_text("build\n.venv\n")
    (root / "Makefile").write_text("down:\n")
    (root / "there").mkdir()
    (root / "there/watch.svg").touch()
    page = root / "page.md"
    page.write_text(PAGE)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    monkeypatch.setattr(shells, "_ROOT", root)
    monkeypatch.setenv("TICKWIRE_BUILD", str(tmp_path / "build"))
    return page


def copy_of(folder):
    folder.mkdir()
    return folder


def test_a_walk_runs_the_commands_and_tells_what_differs(project, tmp_path):
    assert walking.walk(project, copy_of(tmp_path / "1")) == []
    project.write_text(PAGE.replace("...\n6", "...\n5"))
    assert "-5" in walking.walk(project, copy_of(tmp_path / "2"))
    assert walking.walk(project, copy_of(tmp_path / "3"), write=True)
    assert project.read_text() == PAGE
    # A command that fails is told if the page does not, and nothing is written.
    broken = PAGE.replace("$ echo $?\n1\n", "").replace("...\n6", "...\n5")
    project.write_text(broken)
    wrong = walking.walk(project, copy_of(tmp_path / "4"), write=True)
    assert "failed, exit status 1" in wrong and project.read_text() == broken
    (project.parent / "there/watch.svg").unlink()
    assert any("no picture" in line for line in walking.walk(project, copy_of(tmp_path / "5")))
