"""What labs find out about a trained network beyond its Recording: functions of a Trainer, called in a worker.

Each returns plain numbers and NumPy arrays by name, and leaves the Trainer as it was. A lab names it,
"bnviz.engine.inspections.<module>:<function>", as it needs torch and the process that asks has none.
"""
