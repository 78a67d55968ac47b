"""Runs: arms trained in lockstep by trainers in worker processes, driven from the web process.

RunManager, Run   what pages and routes use (manager.py, run.py)
Limits, Person    what runs may use, and whose they are (limits.py, person.py); cost.py refuses what is too much
Pump              drives one run's arms (pump.py), each a LiveArm or a KeptArm (arms.py)
Places, Turns     which runs train at a time, and whose call comes next (admission.py, fair_queue.py)
Trainers          the Dask cluster and the loop that drives all pumps (trainers.py)
TrainerActor      what lives in a worker process (actor.py)
"""

from bnviz.runs.cost import TooCostlyError
from bnviz.runs.limits import Limits
from bnviz.runs.manager import RunManager
from bnviz.runs.person import Person
from bnviz.runs.questions import Looking
from bnviz.runs.run import Run, State

__all__ = ["Limits", "Looking", "Person", "Run", "RunManager", "State", "TooCostlyError"]
