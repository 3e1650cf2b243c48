"""The generated documents are those of the tables."""

from pathlib import Path

import pytest

from proto.__main__ import main
from proto.documents import DOCUMENTS

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_up_to_date(name):
    assert (DOCS / name).read_text(encoding="utf-8") == DOCUMENTS[name](), "run make generate"


def test_command_writes_every_document(tmp_path, capsys):
    assert main(["docs", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(DOCUMENTS)
    assert "messages.md" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["docs", "a", "b"], ["other"]])
def test_wrong_usage_is_told(arguments, capsys):
    assert main(arguments) == 2
    assert "usage: python -m proto docs" in capsys.readouterr().err
