"""What the documents say of the house is true: every file and folder they name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NAMED = re.compile(r"`((?:bnviz|docs|examples|pages|tests)/[\w./*-]*)`")
LINKED = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_a_document_names_is_there(document):
    text = document.read_text(encoding="utf-8")
    named = {ROOT / path for path in NAMED.findall(text)} | {
        document.parent / path for path in LINKED.findall(text)
    }
    missing = [
        path
        for path in named
        if not (any(path.parent.glob(path.name)) if "*" in path.name else path.exists())
    ]
    assert missing == []


def test_every_test_that_the_table_of_threats_names_is_there():
    table = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = re.findall(r"`(test_\w+)`", table)
    assert len(named) > 20
    assert [name for name in named if name not in there] == []


def test_the_documents_name_paths():
    assert len(NAMED.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))) > 30
