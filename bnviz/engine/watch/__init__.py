"""Watching a network that somebody else trains.

watcher       `watch` and the Watcher: when to record, and what is told
passes        the model's own forward passes, and their mode
observation   sees every operation of one pass; tracker has the rules by which it is followed
streams       what is known of a tensor on its way through the network
operations    what each operation does with the axis that holds the units
evidence      which nonlinearity a function of numbers is
samples       a layer's values, sampled and measured
names         what modules and parameters are called
updates       counts the updates that optimizers make
series        the records of one mode, as a Recording
followers     who is shown what is recorded while it comes: sender sends it to a server, notebooks have a widget
isolation     runs a probe on the side and puts everything back; reachable is all that it can change
"""
