"""Watching a network that somebody else trains.

watcher           `watch` and the Watcher: when to record
growing_recording what a Watcher offers as a Recording
recorded          what was recorded in each mode, and what is told of it
reported          what the program reports of its updates
requests          the modules that were asked for, and what is told of those not recorded
passes            the model's own forward passes, and their mode; pass_recorder records them
probe             the same inputs at each record, in a pass on the side
observation       sees every operation of one pass
tracker           knows what the tensors of a pass are; call is one operation
rules             what each kind of operation does to them, a module for each kind
streams           what is known of a tensor on its way through the network
operations        what each operation does with the axis that holds the units
evidence          which nonlinearity a function of numbers is
plan              what is remembered of a pass; planned sees the next one like it, signature tells whether it is
samples           a layer's values, sampled and measured
names             what modules and parameters are called
updates           counts the updates that optimizers make
weight_changes    how large weights are, their gradients, and what an update changes
series            the records of one mode, as a Recording
followers         who is shown what is recorded while it comes: sender sends it to a server, notebooks have a widget
sent_records      what the server at an address has; feed_client speaks with it
isolation         runs a probe on the side and puts everything back; reachable is all that it can change
contents          what an object leads to; restoring is what one held, and sameness says whether it still does
"""
