"""The version of bnviz."""

__version__ = "0.1.0"
