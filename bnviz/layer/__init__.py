"""Inside one batch-normalization layer: what it does to one mini-batch, number by number.

captured     what was read, as NumPy arrays
arithmetic   Algorithm 1, the gradients of Section 3 and running averages, in NumPy, beside the paper
numerals     numbers as readers see them
mathml       formulas as browsers draw them
gradients       the six gradients with their numbers, ready to be shown
walk         Algorithm 1 line by line, ready to be shown
"""
