"""The kept runs: a list of them in SQLite, and a file for each Recording, in one folder.

Library       keeps, lists, pins and deletes them (store.py)
Entry         one kept run, and who may change it (entry.py)
Description   the words and the picture of a run to be kept (entry.py)
Credentials   what is asked for before a kept run is changed (entry.py)
"""

from bnviz.recording.library.entry import Credentials, Description, Entry, KeptArm, LibraryError
from bnviz.recording.library.store import Library, most_bytes

__all__ = ["Credentials", "Description", "Entry", "KeptArm", "Library", "LibraryError", "most_bytes"]
