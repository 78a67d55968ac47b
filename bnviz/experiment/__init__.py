"""What is trained: knobs, experiments, interventions, and whatever is made of several of them.

knob           what a field of Experiment says about itself, and the values that fields may have
experiment     Experiment, everything that determines a training run
intervention   what is changed while a network trains
presets        experiments worth starting from
comparison     the arms of a run: one Experiment, and the field in which they differ
grid           many settings of two fields: what the page Map trains
job            an experiment to train to its end, and what else to find out about it
progress       how far a long piece of work has come
"""

from bnviz.experiment.experiment import Experiment
from bnviz.experiment.intervention import Intervention
from bnviz.experiment.knob import ExperimentError, Knob
from bnviz.experiment.presets import presets

__all__ = ["Experiment", "ExperimentError", "Intervention", "Knob", "presets"]
