"""The examples that networks learn from.

datasets   all datasets by name
idx_files  files in MNIST's format: found, or downloaded and verified
cifar      CIFAR-10, from its archive
textures   images in colour, drawn by formulas
published  which files those are, with their sums
image_folder  a user's own images; image_file reads one of them
kept_array    what took long to make, as a memory-mapped file
paths      the folder in which bnviz keeps runs, classes and lessons
"""
