"""The examples that networks learn from.

datasets   all datasets by name
mnist      MNIST's files: found, or downloaded and verified
paths      the folder in which bnviz keeps runs, classes and lessons
"""
