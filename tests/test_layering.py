"""Imports point one way: what the web process loads knows no torch, training knows no Plotly."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bnviz

ROOT = Path(bnviz.__file__).parent
MODULES = {
    ".".join(("bnviz", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
TORCH = (
    "bnviz.differentiation",
    "bnviz.examples",
    "bnviz.network",
    "bnviz.normalizers",
    "bnviz.recorder",
    "bnviz.training",
)
"""The modules of the trainers' processes."""


def inside(name: str, *packages: str) -> bool:
    """Whether a dotted name is one of the packages or below one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imports(name: str, anywhere: bool = True) -> set[str]:
    """The absolute names of all modules that a module imports; with `anywhere`, also within functions.

    Imports for the type checker alone count for nothing: they do not happen.
    """

    def walk(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not anywhere:
                continue
            if isinstance(child, ast.Import | ast.ImportFrom):
                yield child
            yield from walk(child)

    found: set[str] = set()
    for node in walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            assert node.level == 0, f"{name} imports relatively"
            assert node.module is not None
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {member for member in members if member in MODULES} or {node.module}
    return found


def reached(name: str) -> set[str]:
    """All modules that importing `name` loads, ours followed to what they import in turn."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        if current in MODULES:
            waiting += [*imports(current, anywhere=False), current.rpartition(".")[0] or "bnviz"]
    return seen


def loaded_by(*parts: str) -> list[set[str]]:
    """The top-level packages in sys.modules of a fresh process after each part of a script, one after the other."""
    told = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(f"{part}\n{told}" for part in parts)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT.parent,
    )
    assert done.returncode == 0, done.stderr
    return [set(line.split()) for line in done.stdout.splitlines()]


def test_the_walk_finds_what_it_should():
    assert "torch" in imports("bnviz.training")
    assert "bnviz.training" not in imports("bnviz")  # only the type checker sees that line
    assert "bnviz.recording" in imports("bnviz")
    assert "torch" in reached("bnviz.recorder")
    assert "torch" in reached("bnviz.training")
    assert {"bnviz.figures", "bnviz.ui", "bnviz.web", "bnviz.runs"} <= set(MODULES)


def test_experiment_imports_nothing_of_ours():
    assert not any(inside(name, "bnviz") for name in imports("bnviz.experiment"))


@pytest.mark.parametrize("name", ["bnviz.datasets", "bnviz.normalizers", "bnviz.network", "bnviz.recording"])
def test_datasets_normalizers_network_and_recording_know_nothing_above_them(name):
    ours = {item for item in reached(name) if inside(item, "bnviz") and item != "bnviz"}
    allowed = (
        "bnviz.experiment",
        "bnviz.datasets",
        "bnviz.mnist",
        "bnviz.normalizers",
        "bnviz.recording",
        "bnviz.watched",
        name,
    )
    # bnviz itself imports experiment and recording, whoever imports it
    assert {item for item in ours if not inside(item, *allowed)} == set()


@pytest.mark.parametrize("name", [name for name in MODULES if inside(name, "bnviz.figures", "bnviz.export")])
def test_figures_see_recordings_and_no_torch_no_streamlit_no_trainer(name):
    seen = reached(name)
    assert not any(inside(item, "torch", "streamlit", "distributed", "dask", *TORCH) for item in seen)
    assert not any(inside(item, "bnviz.ui", "bnviz.web", "bnviz.runs", "bnviz.labs") for item in seen)


@pytest.mark.parametrize("name", TORCH)
def test_training_imports_no_plotly_and_nothing_of_pages_and_runs(name):
    everywhere = {item for module in reached(name) if module in MODULES for item in imports(module)}
    assert not any(
        inside(item, "plotly", "streamlit", "distributed", "dask", "starlette") for item in everywhere
    )
    assert not any(
        inside(item, "bnviz.figures", "bnviz.ui", "bnviz.web", "bnviz.runs", "bnviz.labs")
        for item in everywhere
    )


@pytest.mark.parametrize(
    "name",
    # A session of the load script speaks Streamlit's protocol, and the bench compares with a page of Streamlit's own.
    [
        name
        for name in MODULES
        if not inside(name, "bnviz.ui", "bnviz.web", "bnviz.load.session", "bnviz.bench.fragment_app")
    ],
)
def test_only_ui_and_web_import_streamlit(name):
    assert not any(inside(item, "streamlit") for item in imports(name))
    assert not any(inside(item, "bnviz.ui") for item in imports(name))


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in MODULES
        if inside(name, "bnviz.ui", "bnviz.web", "bnviz.figures", "bnviz.runs", "bnviz.recording")
    ],
)
def test_what_the_web_process_loads_imports_no_torch(name):
    assert not any(inside(item, "torch", *TORCH) for item in reached(name))


def test_app_and_pages_stand_on_ui():
    for path in [ROOT.parent / "app.py", *(ROOT.parent / "pages").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(inside(name, "torch", *TORCH) for name in names), path.name


HEAVY = {
    "torch",
    "plotly",
    "streamlit",
    "distributed",
    "dask",
    "starlette",
    "scipy",
    "matplotlib",
    "PIL",
    "tqdm",
}
WITHOUT_TORCH = (
    "import bnviz; bnviz.Experiment().to_query(); bnviz.presets",
    """
from bnviz import Recording
Recording(bnviz.Experiment()).save("{path}")
recording = Recording.load("{path}")
recording.layers, recording.units, recording.curves
""",
    "from bnviz import figures; figures.bands([recording])",
    "from bnviz.datasets import load; load('digits')",
    """
from bnviz.labs import all_labs
from bnviz.labs.base import Setting, View
for lab in all_labs().values():
    lab.figures(lab.nothing_yet(Setting(quick=True)), View())
""",
    """
import contextlib, io
from bnviz.cli import main
sys.argv = ["bnviz", "lab", "list"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
""",
    "import app, bnviz.web, bnviz.runs, bnviz.ui.main, bnviz.ui.live, bnviz.ui.playground",
)


def test_what_needs_no_network_loads_no_torch(tmp_path):
    parts = [part.format(path=tmp_path / "run.bnviz") if "{path}" in part else part for part in WITHOUT_TORCH]
    light, reading, drawing, data, labs, commands, pages = loaded_by(*parts)
    assert light & (HEAVY | {"sklearn"}) == set()
    assert reading & {"torch", "plotly", "streamlit", "distributed"} == set()
    assert drawing & {"torch", "streamlit", "distributed"} == set()
    assert "torch" not in data
    assert labs & {"torch", "streamlit"} == set()
    assert "torch" not in commands
    assert "torch" not in pages


OFFERED = """
import bnviz
offered = {name: getattr(bnviz, name) for name in bnviz.__all__}
assert offered["train"].__module__ == "bnviz.training"
assert callable(offered["figures"].bands)
try:
    bnviz.banana
except AttributeError as error:
    assert "banana" in str(error)
else:
    raise AssertionError
"""


def test_training_loads_torch_and_no_plotly_and_what_bnviz_offers_is_there():
    trained, _ = loaded_by(
        "from bnviz import Experiment, train\n"
        "train(Experiment(dataset='moons', hidden=(2,), steps=2, device='cpu'))",
        OFFERED,
    )
    assert "torch" in trained
    assert trained & {"plotly", "streamlit", "distributed", "starlette"} == set()
