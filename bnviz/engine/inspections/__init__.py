"""Measurements of a trained network that its Recording does not hold: functions of a Trainer, called in a worker.

Each returns plain numbers and NumPy arrays by name, and leaves the Trainer unchanged. A lab refers to one by its name,
"bnviz.engine.inspections.<module>:<function>", because the process that asks does not load torch.
"""
