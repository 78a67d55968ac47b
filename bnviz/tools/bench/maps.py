"""How long the page Map takes for all its networks, on the workers of a server."""

from __future__ import annotations

import time

from bnviz.experiment.grid import BASE, Grid
from bnviz.runs import RunManager
from bnviz.tools.bench.readings import Reading, Section, Setting

POLL_SECONDS = 0.05


def maps(setting: Setting) -> list[Section]:
    """Seconds from the click to the last cell, each time with other seeds. Raises RuntimeError if a map fails."""
    with RunManager() as manager:
        seconds = [_one(manager, seed, setting.cells) for seed in range(setting.repeats + 1)]
    readings = [Reading("seconds until every cell is trained", tuple(seconds[1:]), "60")]
    words = f"The map, {setting.cells} × {setting.cells} settings with batch norm and without"
    return [Section(f"{words}, {BASE.steps} steps each", readings)]


def _one(manager: RunManager, seed: int, cells: int) -> float:
    sweep = manager.sweeps.open(Grid(BASE.replace(seed=seed), cells))
    started = time.perf_counter()
    sweep.play()
    while sweep.state == "running":
        sweep.touch()
        time.sleep(POLL_SECONDS)
    if sweep.state != "finished":
        raise RuntimeError(f"the map was not trained to its end: {sweep.message}")
    return time.perf_counter() - started
