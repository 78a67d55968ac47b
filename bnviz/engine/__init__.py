"""The only code that imports torch: networks, their gradients, their training, and what is measured on them.

network, normalizers/   the network, and batch normalization with its relatives
batches                 the examples as tensors, and mini-batches of them
backprop                the gradients: by autograd, or by the chain rule link by link, to the same bits
trainer, recorder       the training loop, and when it measures
replay                  trains a Recording again and compares every number
stack, grid_scores      many networks at once, for the page Map
inspections/            measurements of a trained network for labs and the page Inside
watch/                  measures a network that another program trains
"""
