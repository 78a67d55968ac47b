"""`python -m bnviz bench`: how fast bnviz is, as ratios measured side by side in one run.

The contenders take turns, several times; what is printed are medians and the lowest and highest of the
repeats. Ratios of one run can be compared between machines; seconds cannot.
"""
