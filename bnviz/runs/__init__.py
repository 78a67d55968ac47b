"""Runs: arms trained in lockstep by trainers in worker processes, driven from the web process.

RunManager, Run   what pages and routes use (manager.py, run.py)
Pump              drives one run's arms (pump.py), each a LiveArm or a KeptArm (arms.py)
Trainers          the Dask cluster and the loop that drives all pumps (trainers.py)
TrainerActor      what lives in a worker process (actor.py)
"""

from bnviz.runs.limits import Limits
from bnviz.runs.manager import RunManager
from bnviz.runs.run import Run, State

__all__ = ["Limits", "Run", "RunManager", "State"]
