"""What was measured while a network trained, and how it is kept.

snapshot          what was measured at one step, and the columns that it has
recording         Recording: all snapshots of one network
subject           Subject: what figures and files ask of a network; an Experiment is one
watched           Watched, the other: a network that bnviz only watched
tables            snapshots as tidy pandas tables
measure           the numbers of a snapshot, computed from a layer's values
layer_inputs      what a layer receives, computed from a Recording: quantiles over the steps, shift, density
evaluations       loss and accuracy over the steps
training_points   the points in the plane that networks train on
statistics        medians over seeds and along a line, a matrix in one number
outcome           the Recording and the inspection of a Job
file              the file format, .bnviz; parquet writes and reads the tables in it
sandbox           reads a stranger's file in a process of its own
library/          the runs that are kept on this server
"""

from bnviz.recording.recording import Recording
from bnviz.recording.snapshot import CurvePoint, Provenance, Snapshot

__all__ = ["CurvePoint", "Provenance", "Recording", "Snapshot"]
