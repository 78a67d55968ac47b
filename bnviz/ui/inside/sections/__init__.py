"""The sections of the page "Inside", one a file.

lines        "Line by line": batch normalization of one unit, or another normalization of one example
scale        "Try γ and β"
gradients    "Backward pass": the six formulas of Section 3
companions   "Other examples in the batch"
inference    "Training and inference": statistics over training, and Algorithm 2
maps         "Feature maps": the convolutional case
sharing      "Which values share a mean?", by normalization
"""
