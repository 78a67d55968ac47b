"""Measurements of a trained network that its Recording does not hold: functions of a Trainer, called in a worker.

Each returns plain numbers and NumPy arrays by name, and leaves the Trainer unchanged. A lab or a page refers to one by
its name, "bnviz.engine.inspections.<module>:<function>", because the process that asks does not load torch.

layer          what the page "Inside" asks of a layer, also layer_differences, layer_companions, layer_history
sharing        which values of a mini-batch share their statistics, asked for by the same page
passing        how values pass through a network's layers, for both
first_layer    the images that enter, the first filters and their feature maps, for the Playground
block_maps     the feature maps within a block, before and after their normalization, likewise
coming_batch   the examples that the next update would use, for both

Labs ask for the others: bias, changed_images, companions, decorrelation, depth, effective_rate, halfspace, held_out,
inference, invariance, placement, shift, smoothness.
"""
