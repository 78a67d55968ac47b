"""The examples that networks learn from.

datasets   all datasets by name
idx_files  files in MNIST's format: found, or downloaded and verified
cifar      CIFAR-10, from its archive
textures   images in colour, drawn by formulas
published  which files those are, with their sums
paths      the folder in which bnviz keeps runs, classes and lessons
"""
