"""Inside one batch-normalization layer: what it does to one mini-batch, number by number.

capture      reads a layer of a trained network, in a worker process; the only module here that needs torch
captured     what was read, as NumPy arrays
arithmetic   Algorithm 1, the gradients of Section 3 and running averages, in NumPy, beside the paper
numerals     numbers and formulas as readers see them
walk         Algorithm 1 line by line, ready to be shown
"""
