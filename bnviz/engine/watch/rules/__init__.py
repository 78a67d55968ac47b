"""What each kind of operation does to the streams of values: the rules by which a pass is followed.

A rule looks at an operation before it runs, when nothing has changed in place yet, and returns what is to be noted
of its output.
"""
