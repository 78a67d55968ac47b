"""What a process loads: none without torch loads it by the way. The linter of imports holds what may import what."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bnviz

ROOT = Path(bnviz.__file__).parent


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
    "from bnviz.data.datasets import load; load('digits')",
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
    "import app, bnviz.web.app, bnviz.runs, bnviz.ui.parts.navigation, bnviz.ui.parts.live, bnviz.ui.pages.playground",
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
assert offered["train"].__module__ == "bnviz.engine.trainer"
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
