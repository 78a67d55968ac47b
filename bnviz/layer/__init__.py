"""Inside one normalization layer: what it does to one mini-batch, number by number.

captured     what was read from a network, as NumPy arrays
first_layer  likewise, of the first convolution and the images that enter
block_maps   likewise, of the convolutions in a block
networks     which networks are looked into
arithmetic   Algorithm 1, the gradients of Section 3 and running averages, in NumPy, beside the paper
numerals     numbers as readers see them
mathml       formulas as browsers draw them
walk         the forward pass: Algorithm 1 line by line, as words, formulas and table cells
gradients    the backward pass: the six gradients of Section 3, likewise
traits       what each normalizer by statistics does with the values that share them
backward_of_set, walk_of_unit, walk_of_example
             backward and forward pass of the other normalizers, in words, formulas and table cells
sharing      which values share their statistics
"""
