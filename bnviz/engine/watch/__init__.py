"""Watching a network that somebody else trains: watcher, dataflow, isolation."""
