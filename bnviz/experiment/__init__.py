"""What is trained: knobs, experiments, interventions, and whatever is made of several of them.

knob           how a field of Experiment is declared, and the values that fields may have
experiment     Experiment, everything that determines a training run
intervention   what is changed while a network trains
presets        experiments worth starting from
comparison     two to five arms: one Experiment, and the field in which they differ; those worth starting from
               are in preset_comparisons
grid           learning rate × scale of the initial weights: the networks of the page Map
job            an experiment to train to its end, and an inspection of the trained network
progress       how far long work has come, reported from deep inside it
"""

from bnviz.experiment.experiment import Experiment
from bnviz.experiment.intervention import Intervention
from bnviz.experiment.knob import ExperimentError, Knob
from bnviz.experiment.presets import presets

__all__ = ["Experiment", "ExperimentError", "Intervention", "Knob", "presets"]
