"""Docstrings are whole sentences: no automatic wrap left a quotation mark at their ends."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path
    for part in ("app.py", "bnviz", "examples", "pages", "tests")
    for path in ([ROOT / part] if part.endswith(".py") else (ROOT / part).rglob("*.py"))
)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
VALUES = (ast.Assign, ast.AnnAssign)
LEFT_BY_A_WRAP = re.compile(r"""(?:^|\s)["']\s*$""", re.MULTILINE)


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring: of a module, a class or a function, and of a value, right below it."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for place, item in enumerate(body if isinstance(body, list) else []):
            above = node if place == 0 else body[place - 1]
            if isinstance(above, DOCUMENTED if place == 0 else VALUES) and isinstance(item, ast.Expr):
                text = getattr(item.value, "value", None)
                if isinstance(text, str):
                    yield item.lineno, text


def mangled(text: str) -> bool:
    """Whether a quotation mark opens at the end of a line, has no partner, or is the last character."""
    return bool(LEFT_BY_A_WRAP.search(text)) or text.count('"') % 2 == 1 or text.rstrip()[-1:] in ("'", '"')


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_docstring_has_a_stray_quotation_mark(path: Path) -> None:
    found = [(line, text) for line, text in docstrings(path.read_text(encoding="utf-8")) if mangled(text)]
    assert found == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Whether it narrows the gap, as Dropout "\n"does?', True),
        ("Ends in a quotation mark.'", True),
        ('"Begins with one.', True),
        ('Named "batch" or "none".', False),
        ('"Nearest" is a distance; the last\n"one" too.', False),
        ("The teacher's run, and the students' own.", False),
    ],
)
def test_a_stray_quotation_mark_is_told_from_a_quotation(text: str, expected: bool) -> None:
    assert mangled(text) is expected


def test_docstrings_of_modules_functions_and_values_are_all_read() -> None:
    source = '"""A."""\nX = 1\n"""B."""\n\n\nclass C:\n    """C."""\n\n    def f(self):\n        """D."""\n'
    assert sorted(text for _, text in docstrings(source)) == ["A.", "B.", "C.", "D."]
