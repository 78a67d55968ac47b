"""The runs worth keeping: a table in SQLite, and a file for each Recording, in one folder.

Library    keeps, lists, pins and deletes them (store.py)
Entry      one kept run, and who may change it (entry.py)
"""

from bnviz.recording.library.entry import Entry, KeptArm, LibraryError, Visitor
from bnviz.recording.library.store import Library, most_bytes

__all__ = ["Entry", "KeptArm", "Library", "LibraryError", "Visitor", "most_bytes"]
