"""What was measured while a network trained, and how it is kept.

snapshot          what was measured at one step, and the columns that it has
recording         Recording: all snapshots of one network, as tidy tables
watched           what is known of a network that bnviz only watched
measure           the numbers of a snapshot, computed from a layer's values
layer_inputs      what a layer receives, computed from a Recording: quantiles over the steps, shift, density
evaluations       loss and accuracy over the steps
training_points   the points in the plane that networks train on
statistics        medians over seeds and along a line, a matrix in one number
outcome           what a Job brought
file              the file format, .bnviz; tables reads what is inside it
sandbox           a stranger's file is read in a process of its own
library/          the runs that are kept on this server
"""

from bnviz.recording.recording import Recording
from bnviz.recording.snapshot import CurvePoint, Provenance, Snapshot

__all__ = ["CurvePoint", "Provenance", "Recording", "Snapshot"]
