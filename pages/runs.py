"""Runs that were kept, and recordings from files."""

from bnviz.ui.pages import runs

runs.show()
