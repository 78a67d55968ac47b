"""Runs that were kept, and recordings from files."""

from bnviz.ui import runs

runs.show()
