"""The examples that networks learn from: datasets, the files of MNIST, and the folders they lie in."""
