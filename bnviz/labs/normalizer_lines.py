"""The normalizers that the labs on the family compare: their names in a figure, and their looks."""

from __future__ import annotations

from bnviz.figures.frame.palette import MORE, WITH, WITHOUT

NAMES = {
    "none": "none",
    "batch": "batch",
    "layer": "layer",
    "group": "group",
    "batch-renorm": "batch renorm",
}
"""Short names by the value of the field `normalizer`, for the labels of lines and rows."""
LOOKS = {
    "none": WITHOUT,
    "batch": WITH,
    "layer": MORE[0],
    "group": MORE[1],
    "batch-renorm": MORE[2],
}
"""Colour and dash of those that are drawn as lines."""
