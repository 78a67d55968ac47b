"""Runs: arms trained in lockstep by trainers in worker processes, driven from the web process.

RunManager, Run   what pages and routes use (manager.py, run.py)
Trained           what a run's arms have recorded so far (arm_recordings.py)
Beside            earlier Recordings beside them (earlier_recordings.py)
Limits, Person    what runs may use, and to whom they belong (limits.py, person.py); cost.py refuses what is beyond
Pump              drives one run's arms (pump.py), each a LiveArm or a PlaybackArm (arms.py)
Admission         which runs may train at a time, and the queue of the others (admission.py)
FairQueue         whose call a worker process takes next (fair_queue.py)
Trainers          the Dask cluster and the loop that drives all pumps (trainers.py)
Checkpoints       what a training goes on from when its process was lost (checkpoints.py)
SavedRuns         classes' runs on the disk, to go on from after a restart of the server (saved_runs.py)
Workers           the cluster's worker processes, and when one ends (workers.py); preloaded.py is what they start with
TrainerActor      a Trainer in a worker process (actor.py); TrainerCache keeps trained ones there (trainer_cache.py)
RecordingCache    finished Recordings, played back in place of training again (recording_cache.py)
Questions         functions called on a trained network in a worker process (questions.py)
Sweeps, LabRuns   the trainings of the page Map and of the labs (sweeps.py, lab_run.py)
Measurements         what is found in networks while a worker trains them, for the page Landscape (measurements.py)
ShownRun, Feeds    a run that only shows (shown_run.py), also what other programs send while they train (feeds.py)
train_many        trainings of the command line, in processes of their own (pool.py)
"""

from bnviz.runs.cost import TooCostlyError
from bnviz.runs.limits import Limits
from bnviz.runs.manager import RunManager
from bnviz.runs.person import Person
from bnviz.runs.questions import Answer
from bnviz.runs.run import Run, State

__all__ = ["Answer", "Limits", "Person", "Run", "RunManager", "State", "TooCostlyError"]
